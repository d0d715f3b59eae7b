"""The decoded copy: shared, and never used where it is damaged or of something else."""

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lab.data import arrays
from lab.data.arrays import NAMES, Arrays, kept

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 3, 40, 40), np.uint8)
ARRAYS = Arrays(("ant", "bee"), "png", IMAGES[:4], np.array([0, 0, 1, 1]), IMAGES[4:], np.array([0, 1]))
pytestmark = pytest.mark.usefixtures("data_folder")


def decode() -> Arrays:
    return replace(ARRAYS)


def never() -> Arrays:
    raise AssertionError("decoded")


def assert_is_whole(read: Arrays) -> None:
    assert (read.classes, read.encoding) == (ARRAYS.classes, ARRAYS.encoding)
    assert all(np.array_equal(getattr(read, name), getattr(ARRAYS, name)) for name in NAMES)


def test_the_copy_is_taken_and_mapped(data_folder: Path) -> None:
    for make in (decode, never):
        mapped = kept("key", make)
        assert_is_whole(mapped)
    assert [path.name for path in data_folder.rglob("*") if path.is_file()] == ["key.pt"]
    address = mapped.train_images.__array_interface__["data"][0]
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("only Linux lists what is mapped")
    lines = [line for line in maps.read_text().splitlines() if str(data_folder) in line]
    spans = [[int(end, 16) for end in line.split()[0].split("-")] for line in lines]
    assert any(start <= address < end for start, end in spans), "of the file's pages, which processes share"


def changed(**values: Any) -> Callable[[Path], None]:
    """A whole file with the old seal and other content, a fault that no checksum of a zip can see."""

    def change(copy: Path) -> None:
        saved = torch.load(copy, weights_only=True)
        torch.save(saved | values, copy)

    return change


def flip(copy: Path) -> None:
    content = bytearray(copy.read_bytes())
    content[content.index(IMAGES[2].tobytes()) + 99] ^= 1
    copy.write_bytes(content)


class Payload:
    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("made",)


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "a pixel": changed(test_images=torch.from_numpy(IMAGES[4:] ^ 1)),
    "a label": changed(train_labels=torch.tensor([0, 1, 1, 1])),
    "a class": changed(classes=("ant", "wasp")),
    "a type": changed(test_labels=[0, 1]),
    "a bit": flip,
    "cut": lambda copy: copy.write_bytes(copy.read_bytes()[:-100]),
    "empty": lambda copy: copy.write_bytes(b""),
    "no zip": lambda copy: copy.write_bytes(b"text"),
    "a pickle": lambda copy: torch.save({"classes": Payload()}, copy),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_copy_is_repaired_aloud(
    data_folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Path], Any],
) -> None:
    monkeypatch.chdir(data_folder)
    kept("key", decode)
    damage(data_folder / "cache" / "key.pt")
    assert_is_whole(kept("key", decode))
    assert capsys.readouterr().out == "data: the decoded copy data/cache/key.pt is damaged; decoding again\n"
    assert_is_whole(kept("key", never))
    assert not Path("made").exists()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_the_copy_is_whole_or_not_there(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    def save(_: object, file: io.BufferedWriter) -> None:
        file.write(b"half a copy")
        raise error

    monkeypatch.setattr(torch, "save", save)
    if isinstance(error, OSError):
        assert_is_whole(kept("key", decode))
        assert "data/cache cannot be written (No space left on device)" in capsys.readouterr().out
    else:
        with pytest.raises(KeyboardInterrupt):
            kept("key", decode)
    assert [path for path in data_folder.rglob("*") if path.is_file()] == []


def test_a_folder_that_cannot_be_written_costs_the_copy_alone(
    data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data_folder.rmdir()
    data_folder.write_text("a file")
    assert_is_whole(kept("key", decode))
    assert "no decoded copy is kept, data/cache cannot be written (Not a directory)" in capsys.readouterr().out
    assert data_folder.read_text() == "a file"


def test_a_process_that_waited_takes_the_copy_of_the_one_it_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process decodes while this one waits for the lock."""

    @contextmanager
    def locked(*_: object) -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(arrays, "alone", lambda *_: nullcontext())
            kept("key", decode)
        yield

    monkeypatch.setattr(arrays, "alone", locked)
    assert_is_whole(kept("key", never))


def test_the_sha256_covers_labels_and_order() -> None:
    others = ({}, {"train_labels": ARRAYS.train_labels[::-1]}, {"train_images": IMAGES[3::-1]}, {"test_labels": [1, 0]})
    sets = [replace(ARRAYS, **{name: np.asarray(value) for name, value in other.items()}) for other in others]
    assert len({each.sha256 for each in sets}) == 4
