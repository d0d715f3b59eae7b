"""CIFAR-100: where it is looked for, what is read, and that a damaged one is refused without asking the network."""

import gzip
import hashlib
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR100

from lab.data import cifar100, image_sets
from lab.data.arrays import DataError

CLASSES = [f"class {k:02}" for k in range(100)]


@pytest.fixture(autouse=True)
def made_up(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR-100 is the made-up one of `files`."""
    known = {name.split("/")[1]: hashlib.md5(content).hexdigest() for name, content in files().items()}
    monkeypatch.setattr(CIFAR100, "train_list", [["train", known["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", known["test"]]])
    monkeypatch.setattr(CIFAR100, "meta", {**CIFAR100.meta, "md5": known["meta"]})
    monkeypatch.setattr(CIFAR100, "tgz_md5", hashlib.md5(archive()).hexdigest())


def pixels(split: str) -> np.ndarray:
    """12 train and 5 test images, a row of 3072 bytes each: red, then green, then blue, row by row."""
    count, seed = {"train": (12, 0), "test": (5, 1)}[split]
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), np.uint8)


def labels(split: str) -> list[int]:
    return [7 * k % 100 for k in range(len(pixels(split)))]


def files() -> dict[str, bytes]:
    """As CIFAR-100's authors have them."""
    batches = {
        split: {"data": pixels(split), "fine_labels": labels(split), "coarse_labels": [0] * len(labels(split))}
        for split in ("train", "test")
    }
    meta = {"fine_label_names": CLASSES, "coarse_label_names": ["all"]}
    return {f"cifar-100-python/{name}": pickle.dumps(value, 2) for name, value in (*batches.items(), ("meta", meta))}


def archive() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files().items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def put_archive(place: Path) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    (place / "cifar-100-python.tar.gz").write_bytes(archive())
    return place / "cifar-100-python.tar.gz"


def put_folder(place: Path) -> Path:
    (place / "cifar-100-python").mkdir(parents=True)
    for name, content in files().items():
        (place / name).write_bytes(content)
    return place / "cifar-100-python"


def assert_is_read(place: Path) -> None:
    arrays, source = cifar100.read()
    assert source == place / "cifar-100-python"
    assert (arrays.classes, arrays.encoding) == (tuple(CLASSES), "original")
    for split, images, truth in (
        ("train", arrays.train_images, arrays.train_labels),
        ("test", arrays.test_images, arrays.test_labels),
    ):
        assert images.dtype == np.uint8 and truth.dtype == np.int64
        assert images.flags.c_contiguous
        np.testing.assert_array_equal(images, pixels(split).reshape(-1, 3, 32, 32))
        assert truth.tolist() == labels(split)


def test_the_folder_is_read(data_folder: Path) -> None:
    put_folder(data_folder)
    assert cifar100.find() == data_folder
    assert_is_read(data_folder)


def test_a_folder_that_cannot_be_written_to_is_said(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_archive(data_folder)
    monkeypatch.setattr(cifar100.os, "access", lambda place, how: False)
    with pytest.raises(DataError, match=r"cannot be written to; unpack cifar-100-python\.tar\.gz there"):
        cifar100.read()


def test_the_archive_is_unpacked_once_and_read(data_folder: Path) -> None:
    path = put_archive(data_folder)
    assert cifar100.find() == data_folder
    assert_is_read(data_folder)
    path.unlink()
    assert_is_read(data_folder)


def test_a_folder_is_preferred_to_the_archive_beside_it(data_folder: Path) -> None:
    put_folder(data_folder)
    path = put_archive(data_folder)
    path.write_bytes(b"half a download")
    assert_is_read(data_folder)
    assert path.read_bytes() == b"half a download"


def test_clrlib_data_comes_first_then_data(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("CLRLIB_DATA", str(elsewhere))
    assert cifar100.find() is None
    put_archive(data_folder)
    assert cifar100.find() == data_folder
    put_archive(elsewhere)
    assert cifar100.find() == elsewhere
    assert_is_read(elsewhere)
    assert not (data_folder / "cifar-100-python").exists()


@pytest.mark.parametrize("named", ["digits", "file"])
def test_a_clrlib_data_that_is_no_folder_leaves_data(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    (tmp_path / "file").write_bytes(b"CIFAR-10, say")
    monkeypatch.setenv("CLRLIB_DATA", "digits" if named == "digits" else str(tmp_path / named))
    put_folder(data_folder)
    assert cifar100.find() == data_folder


def test_cifar_10_beside_it_is_not_taken(data_folder: Path) -> None:
    (data_folder / "cifar-10-batches-py").mkdir()
    (data_folder / "cifar-10-python.tar.gz").write_bytes(archive())
    assert cifar100.find() is None


def test_where_there_is_none_the_error_says_what_to_do() -> None:
    with pytest.raises(DataError) as caught:
        image_sets.load("cifar100")
    assert str(caught.value) == "CIFAR-100 is not at data/. Put cifar-100-python.tar.gz there, or set CLRLIB_DATA."


def cut(content: bytes) -> bytes:
    return content[:-20]


def changed(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def empty(_: bytes) -> bytes:
    return b""


DAMAGES = pytest.mark.parametrize("damage", [cut, changed, empty])


@DAMAGES
def test_a_damaged_archive_is_refused_unopened_and_left_alone(data_folder: Path, damage: object) -> None:
    """No other one is downloaded in its place."""
    assert callable(damage)
    path = put_archive(data_folder)
    path.write_bytes(damage(archive()))
    with pytest.raises(DataError, match=r"cifar-100-python\.tar\.gz is not whole \(.*\); get it again"):
        cifar100.read()
    assert [each.name for each in data_folder.iterdir()] == ["cifar-100-python.tar.gz"]
    assert path.read_bytes() == damage(archive())


@DAMAGES
@pytest.mark.parametrize("name", ["train", "test", "meta"])
def test_a_damaged_folder_is_refused(data_folder: Path, name: str, damage: object) -> None:
    assert callable(damage)
    path = put_folder(data_folder) / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"cifar-100-python is not whole \(.*\); get it again"):
        cifar100.read()


@pytest.mark.parametrize("name", ["train", "test", "meta"])
def test_a_folder_that_lacks_a_file_is_refused(data_folder: Path, name: str) -> None:
    (put_folder(data_folder) / name).unlink()
    with pytest.raises(DataError, match="cifar-100-python is not whole"):
        cifar100.read()


def test_load_gives_it_as_an_image_set_and_says_so(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_archive(data_folder)
    images = image_sets.load("cifar100")
    assert (images.name, images.label, len(images.classes)) == ("cifar100", "CIFAR-100", 100)
    assert images.train_images.shape == (12, 3, 32, 32) and images.train_images.dtype == torch.uint8
    assert images.test_labels.tolist() == labels("test")
    assert capsys.readouterr().out == "data: CIFAR-100: 12 train and 5 test images, from data/cifar-100-python\n"
