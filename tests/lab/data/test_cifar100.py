"""CIFAR-100: the places it is looked for, and that a damaged one is refused without asking the network."""

import gzip
import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR100
from trees import put_archive, put_folder

from lab.data import cifar100, image_sets
from lab.data.arrays import DataError

CLASSES = tuple(f"class {k:02}" for k in range(100))
FOLDER, ARCHIVE = "cifar-100-python", "cifar-100-python.tar.gz"
PIXELS = {  # a row of 3072 bytes an image: red, then green, then blue, row by row
    split: np.random.default_rng(seed).integers(0, 256, (count, 3072), np.uint8)
    for split, count, seed in (("train", 12, 0), ("test", 5, 1))
}
LABELS = {split: [7 * k % 100 for k in range(len(pixels))] for split, pixels in PIXELS.items()}
FILES = {  # as CIFAR-100's authors have them
    f"{FOLDER}/{name}": pickle.dumps(content, 2)
    for name, content in (
        *((s, {"data": PIXELS[s], "fine_labels": LABELS[s], "coarse_labels": [0] * len(LABELS[s])}) for s in PIXELS),
        ("meta", {"fine_label_names": list(CLASSES), "coarse_label_names": ["all"]}),
    )
}


@pytest.fixture(autouse=True)
def made_up(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR-100 is the one of FILES."""
    md5 = {name.split("/")[1]: hashlib.md5(content).hexdigest() for name, content in FILES.items()}
    monkeypatch.setattr(CIFAR100, "train_list", [["train", md5["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", md5["test"]]])
    monkeypatch.setattr(CIFAR100, "meta", {**CIFAR100.meta, "md5": md5["meta"]})


def put(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The trusted archive at a place."""
    path = put_archive(place / ARCHIVE, FILES)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), mtime=0))
    monkeypatch.setattr(CIFAR100, "tgz_md5", hashlib.md5(path.read_bytes()).hexdigest())
    return path


def assert_is_read(place: Path) -> None:
    arrays, source = cifar100.read()
    assert source == place / FOLDER
    assert (arrays.classes, arrays.encoding) == (CLASSES, "original")
    for split in ("train", "test"):
        images, labels = getattr(arrays, f"{split}_images"), getattr(arrays, f"{split}_labels")
        assert images.dtype == np.uint8 and labels.dtype == np.int64 and images.flags.c_contiguous
        np.testing.assert_array_equal(images, PIXELS[split].reshape(-1, 3, 32, 32))
        assert labels.tolist() == LABELS[split]


def test_the_archive_is_unpacked_once_and_read(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(data_folder, monkeypatch)
    images = image_sets.load("cifar100")
    assert (images.name, images.label, len(images.classes)) == ("cifar100", "CIFAR-100", 100)
    assert images.train_images.shape == (12, 3, 32, 32) and images.train_images.dtype == torch.uint8
    assert capsys.readouterr().out == "data: CIFAR-100: 12 train and 5 test images, from data/cifar-100-python\n"
    path.write_bytes(b"half a download")
    assert_is_read(data_folder)
    assert path.read_bytes() == b"half a download"


def test_a_folder_that_cannot_be_written_to_is_refused(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(data_folder, monkeypatch)
    monkeypatch.setattr(cifar100.os, "access", lambda place, how: False)
    with pytest.raises(DataError, match=r"cannot be written to; unpack cifar-100-python\.tar\.gz there"):
        cifar100.read()


@pytest.mark.parametrize("named", ["elsewhere", "digits", "file"])
def test_clrlib_data_comes_first_then_data(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    (tmp_path / "file").write_bytes(b"CIFAR-10, say")
    monkeypatch.setenv("CLRLIB_DATA", "digits" if named == "digits" else str(tmp_path / named))
    (data_folder / "cifar-10-batches-py").mkdir()
    assert cifar100.find() is None
    with pytest.raises(DataError, match=r"^CIFAR-100 is not at data/. Put cifar-100-python.tar.gz there, or set CLRL"):
        cifar100.read()
    put(data_folder, monkeypatch)
    assert cifar100.find() == data_folder
    if named == "elsewhere":
        put(tmp_path / named, monkeypatch)
        assert_is_read(tmp_path / named)
        assert not (data_folder / FOLDER).exists()


def damaged(content: bytes, damage: str) -> bytes:
    middle = len(content) // 2
    changed = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    return {"cut": content[:-20], "changed": changed, "empty": b""}[damage]


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
@pytest.mark.parametrize("name", ["train", "test", "meta", ARCHIVE])
def test_a_damaged_copy_is_refused_and_left_alone(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: str
) -> None:
    """No other one is downloaded in its place."""
    if name == ARCHIVE:
        path, source = put(data_folder, monkeypatch), ARCHIVE
    else:
        path, source = put_folder(data_folder, FILES) / FOLDER / name, FOLDER
    content = damaged(path.read_bytes(), damage)
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{source} is not whole \(.*\); get it again"):
        cifar100.read()
    assert path.read_bytes() == content and [each.name for each in data_folder.iterdir()] == [source]


@pytest.mark.parametrize("name", ["train", "test", "meta"])
def test_a_folder_that_lacks_a_file_is_refused(data_folder: Path, name: str) -> None:
    (put_folder(data_folder, FILES) / FOLDER / name).unlink()
    with pytest.raises(DataError, match="cifar-100-python is not whole"):
        cifar100.read()
