"""The decoded copy: shared, and never used where it is damaged or of something else."""

import errno
import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lab.data.arrays import NAMES, Arrays, kept

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 3, 40, 40), np.uint8)
ARRAYS = Arrays(("ant", "bee"), "png", IMAGES[:4], np.array([0, 0, 1, 1]), IMAGES[4:], np.array([0, 1]))
pytestmark = pytest.mark.usefixtures("data_folder")


def decode() -> Arrays:
    return replace(ARRAYS)


def never() -> Arrays:
    raise AssertionError("decoded")


def assert_is_whole(arrays: Arrays) -> None:
    assert (arrays.classes, arrays.encoding) == (ARRAYS.classes, ARRAYS.encoding)
    assert all(np.array_equal(getattr(arrays, name), getattr(ARRAYS, name)) for name in NAMES)


def test_the_copy_is_taken_and_mapped(data_folder: Path) -> None:
    for make in (decode, never):
        arrays = kept("key", make)
        assert_is_whole(arrays)
    assert [path.name for path in data_folder.rglob("*") if path.is_file()] == ["key.pt"]
    address = arrays.train_images.__array_interface__["data"][0]
    maps = Path("/proc/self/maps")
    if not maps.exists():
        pytest.skip("only Linux lists what is mapped")
    lines = [line for line in maps.read_text().splitlines() if str(data_folder) in line]
    spans = [[int(end, 16) for end in line.split()[0].split("-")] for line in lines]
    assert any(start <= address < end for start, end in spans), "of the file's pages, which processes share"


def test_another_key_is_decoded_anew() -> None:
    kept("key", decode)
    other = replace(ARRAYS, train_images=IMAGES[:4] ^ 1)
    assert np.array_equal(kept("another", lambda: other).train_images, other.train_images)


def changed(**values: Any) -> Callable[[Path], None]:
    """A whole file with the old seal and something else in it: what no checksum of a zip can see."""

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
        return os.mkdir, ("owned",)


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "a pixel": changed(test_images=torch.from_numpy(IMAGES[4:] ^ 1)),
    "a label": changed(train_labels=torch.tensor([0, 1, 1, 1])),
    "a class": changed(classes=("ant", "wasp")),
    "the encoding": changed(encoding="original"),
    "a type": changed(test_labels=[0, 1]),
    "a bit": flip,
    "cut": lambda copy: copy.write_bytes(copy.read_bytes()[:-100]),
    "empty": lambda copy: copy.write_bytes(b""),
    "no zip": lambda copy: copy.write_bytes(b"text"),
    "an empty zip": lambda copy: zipfile.ZipFile(copy, "w").close(),
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
    assert not Path("owned").exists()


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
    from contextlib import contextmanager

    @contextmanager
    def alone(*_: object) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr("lab.data.arrays.alone", real)
            kept("key", decode)
        yield

    from lab.data.arrays import alone as real

    monkeypatch.setattr("lab.data.arrays.alone", alone)
    assert_is_whole(kept("key", never))


def test_the_sha256_covers_labels_and_order() -> None:
    others = ({}, {"train_labels": ARRAYS.train_labels[::-1]}, {"train_images": IMAGES[3::-1]}, {"test_labels": [1, 0]})
    arrays = [replace(ARRAYS, **{name: np.asarray(value) for name, value in other.items()}) for other in others]
    assert len({each.sha256 for each in arrays}) == 4
