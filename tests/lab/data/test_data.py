"""The sources of each data set and their order, and that CIFAR-10 is all of CIFAR-10 or refused."""

import hashlib
import pickle
from dataclasses import replace
from pathlib import Path

import network
import numpy as np
import pytest
import torch
import trees
from trees import put_archive, put_folder

from lab.data import cifar_archive, image_sets
from lab.data.image_sets import SETS, DataError, ImageSet, load

TRUE_COUNTS = (image_sets.TRAIN_PER_CLASS, image_sets.TEST_PER_CLASS)  # before the tests put small ones in their place
ONE = trees.encoded((0, 0, 0), 32)


@pytest.fixture(autouse=True)
def few_a_class(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR-10 has 5 train images and 1 test image a class, and 10 images a batch."""
    monkeypatch.setattr(image_sets, "TRAIN_PER_CLASS", 5)
    monkeypatch.setattr(image_sets, "TEST_PER_CLASS", 1)
    monkeypatch.setattr(cifar_archive, "BATCH", 10)


def tree(kind: str = "PNG", val: str = "test") -> dict[str, bytes]:
    return trees.tree(cifar_archive.CLASSES, 5, 1, 32, kind, val)


def batches() -> dict[str, bytes]:
    """The original's six batches, with an image of each class."""
    content = pickle.dumps({"data": np.full((10, 3072), 7, np.uint8), "labels": list(range(10))}, protocol=2)
    return {f"{cifar_archive.FOLDER}/{name}": content for name in cifar_archive.MD5}


def put_original(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = put_archive(folder / cifar_archive.ARCHIVE, batches())
    monkeypatch.setattr(cifar_archive, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setattr(cifar_archive, "SIZE", path.stat().st_size)
    return path


def put_batches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    put_folder(folder, batches())
    known = {name.split("/")[1]: hashlib.md5(content).hexdigest() for name, content in batches().items()}
    monkeypatch.setattr(cifar_archive, "MD5", known)
    return folder / cifar_archive.FOLDER


def assert_is_cifar10(images: ImageSet, name: str, source: str) -> None:
    labels = {"cifar10": "CIFAR-10", "cifar10-jpeg": "CIFAR-10, JPEG copy", "cifar10-png": "CIFAR-10, PNG copy"}
    assert (images.name, images.label, images.source) == (name, labels[name], source)
    assert images.classes == cifar_archive.CLASSES
    assert images.train_images.shape == (50, 3, 32, 32) and images.train_images.dtype == torch.uint8
    assert images.test_images.shape == (10, 3, 32, 32) and images.test_images.dtype == torch.uint8
    assert torch.bincount(images.train_labels).tolist() == [5] * 10 and images.train_labels.dtype == torch.int64
    assert torch.bincount(images.test_labels).tolist() == [1] * 10


# --- the sources of CIFAR-10 and their order -----------------------------------------------------------------------


def test_every_layout_in_data_is_read(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From last to first choice: each one is preferred to all before it."""
    put_archive(data_folder / "cifar10-png.tar.gz", tree())
    assert_is_cifar10(load(), "cifar10-png", "data/cifar10-png.tar.gz")
    put_archive(data_folder / "cifar-10-jpeg.tar.xz", tree("JPEG"))
    assert_is_cifar10(load(), "cifar10-jpeg", "data/cifar-10-jpeg.tar.xz")
    put_folder(data_folder, tree())
    assert_is_cifar10(load(), "cifar10-png", "data")
    put_original(data_folder, monkeypatch)
    assert_is_cifar10(load(), "cifar10", "data/cifar-10-python.tar.gz")
    put_batches(data_folder, monkeypatch)
    assert_is_cifar10(load(), "cifar10", "data/cifar-10-batches-py")


def test_every_layout_in_clrlib_data_is_read_before_data(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_original(data_folder, monkeypatch)
    put_archive(tmp_path / "folder" / "cifar10-jpeg.tar.xz", tree("JPEG"))
    places = {
        put_original(tmp_path / "original", monkeypatch): ("cifar10", "cifar-10-python.tar.gz"),
        tmp_path / "original": ("cifar10", "cifar-10-python.tar.gz"),
        put_batches(tmp_path / "batches", monkeypatch).parent: ("cifar10", "cifar-10-batches-py"),
        put_archive(tmp_path / "any name.tar.gz", tree()): ("cifar10-png", "any name.tar.gz"),
        put_folder(tmp_path / "images", tree(val="val")): ("cifar10-png", "images"),
        tmp_path / "folder": ("cifar10-jpeg", "cifar10-jpeg.tar.xz"),
    }
    for place, (name, source) in places.items():
        monkeypatch.setenv("CLRLIB_DATA", str(place))
        assert_is_cifar10(load(), name, source)


@pytest.mark.parametrize("place", ["empty", "gone", "cifar.zip", "gone.npz", "folder.npz"])
def test_clrlib_data_without_cifar10_is_never_passed_over(
    tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    put_original(data_folder, monkeypatch)
    for name in ("empty", "folder.npz"):
        (tmp_path / name).mkdir()
    (tmp_path / "cifar.zip").write_bytes(b"PK\x03\x04")
    monkeypatch.setenv("CLRLIB_DATA", str(tmp_path / place))
    with pytest.raises(DataError, match=rf"CLRLIB_DATA is '.*{place}', where there is no CIFAR-10; name its"):
        load(download=True, fallback=True)


def test_imagenette_beside_it_is_not_taken(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_archive(data_folder / "aaa-imagenette-128.tar.xz", {"train/n01440764/0.png": ONE})
    with pytest.raises(DataError, match="CIFAR-10 is not at data/"):
        load()
    put_archive(data_folder / "cifar10-png.tar.xz", tree())
    load()
    assert capsys.readouterr().out.splitlines() == [
        "data: decoding the 60 images of data/cifar10-png.tar.xz, once",
        "data: CIFAR-10, PNG copy: 50 train and 10 test images, from data/cifar10-png.tar.xz",
    ]


@pytest.mark.parametrize(
    ("without", "more", "says"),
    [
        ("/dog/", {}, "is not CIFAR-10: class 'dog' is missing or foreign; give a complete copy"),
        ("-", {"train/zebra/0.png": ONE, "test/zebra/0.png": ONE}, "class 'zebra' is missing or foreign; give a comp"),
        ("train/dog/4", {}, "train/dog has 4 images, not 5; give a complete copy"),
        ("-", {"test/ship/1.png": ONE}, "test/ship has 2 images, not 1; give a complete copy"),
        ("-", {"train/cat/3.png": trees.encoded((0, 0, 0), 33)}, r"train/cat/3\.png is 33x33 pixels, not 32x32; get"),
        ("-", {"train/cat/3.png": trees.encoded((0, 0, 0), 32, "JPEG")}, "is of mixed files; give a copy that is all"),
    ],
)
def test_a_copy_that_is_not_all_of_cifar10_is_refused(
    data_folder: Path, without: str, more: dict[str, bytes], says: str
) -> None:
    put_folder(data_folder, {name: content for name, content in tree().items() if without not in name} | more)
    with pytest.raises(DataError, match=says):
        load(download=True, fallback=True)
    assert TRUE_COUNTS == (5000, 1000)


# --- the network and the fallback ----------------------------------------------------------------------------------


def test_download_comes_last_and_stays(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = put_original(tmp_path / "server", monkeypatch).read_bytes()
    addresses = network.sends(monkeypatch, content)
    for _ in range(2):
        assert_is_cifar10(load(download=True), "cifar10", "data/cifar-10-python.tar.gz")
    assert len(addresses) == 1
    assert (data_folder / cifar_archive.ARCHIVE).read_bytes() == content


def test_nothing_is_downloaded_without_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    network.sends(monkeypatch, AssertionError("asked the network"))
    with pytest.raises(DataError, match="run `make data` to download it"):
        load()
    assert load(fallback=True).name == "digits"


def test_fallback_is_loud(capsys: pytest.CaptureFixture[str]) -> None:
    images = load(download=True, fallback=True)
    assert (images.name, images.label) == ("digits", "scikit-learn digits, 32x32")
    out = capsys.readouterr().out
    assert "CIFAR-10 is not at data/ and could not be downloaded (no network" in out
    assert "The digits stand in for it" in out and "!!!!!!!!" in out


def test_broken_download_never_falls_back(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network.sends(monkeypatch, b"half an archive")
    with pytest.raises(DataError, match="has 15 bytes, not 170498071"):
        load(download=True, fallback=True)
    assert list(data_folder.iterdir()) == []


# --- image sets ----------------------------------------------------------------------------------------------------


def test_to_moves_the_tensors_and_keeps_the_rest(images: ImageSet) -> None:
    moved = images.to("meta")
    assert {moved.train_images.device.type, moved.test_labels.device.type} == {"meta"}
    assert (moved.sha256, moved.name, moved.source) == (images.sha256, images.name, images.source)
    assert images.train_images.device.type == "cpu"


def test_the_mean_image_is_exact_and_takes_more_images_than_it_sums_at_a_time() -> None:
    digits = load("digits")
    assert len(digits.train_images) > 1000
    assert digits.mean_image().dtype == torch.float32
    assert torch.equal(digits.mean_image(), digits.train_images.double().mean(0).float())


def test_the_validation_split_is_a_tenth_and_the_same_each_time(images: ImageSet) -> None:
    """Images keep their labels and their order, and none is lost or in both parts."""
    numbered = replace(images, train_labels=torch.arange(200))
    one, two, left = numbered.validation_split(), numbered.validation_split(), numbered.without_validation()
    assert (len(one.test_labels), len(one.train_labels)) == (20, 180)
    assert torch.equal(one.test_labels, two.test_labels) and (one.train_labels.diff() > 0).all()
    assert torch.cat([one.train_labels, one.test_labels]).sort().values.tolist() == list(range(200))
    assert torch.equal(one.test_images, images.train_images[one.test_labels])
    assert torch.equal(one.train_images, images.train_images[one.train_labels])
    assert torch.equal(left.train_images, one.train_images) and torch.equal(left.train_labels, one.train_labels)
    assert torch.equal(left.test_images, images.test_images) and torch.equal(left.test_labels, images.test_labels)
    for part in (one, left):
        assert (part.name, part.classes, part.sha256) == (images.name, images.classes, images.sha256)


@pytest.mark.parametrize(("count", "kept"), [(1, 1), (9, 9), (10, 9), (19, 18), (20, 18)])
def test_a_tenth_is_rounded_down(images: ImageSet, count: int, kept: int) -> None:
    some = replace(images, train_images=images.train_images[:count], train_labels=images.train_labels[:count])
    assert len(some.without_validation().train_labels) == kept


# --- the digits ----------------------------------------------------------------------------------------------------


def test_digits_are_enlarged_and_split_by_fives() -> None:
    from sklearn.datasets import load_digits

    images, bunch = load("digits"), load_digits()
    assert (images.name, images.label) == ("digits", "scikit-learn digits, 32x32")
    assert images.train_images.shape == (1437, 3, 32, 32) and images.test_images.shape == (360, 3, 32, 32)
    assert images.train_images.dtype == torch.uint8 and images.train_labels.dtype == torch.int64
    assert (int(images.train_images.min()), int(images.train_images.max())) == (0, 255)
    assert images.test_labels.tolist() == bunch.target[::5].tolist()
    assert images.train_labels[:5].tolist() == bunch.target[[1, 2, 3, 4, 6]].tolist()
    for channel in range(3):
        for corner in (0, 3):
            small = images.test_images[1, channel, corner::4, corner::4].numpy() * (16 / 255)
            assert np.abs(small - bunch.images[5]).max() < 0.05
    digest = hashlib.sha256()
    for tensor in (images.train_images, images.train_labels, images.test_images, images.test_labels):
        digest.update(tensor.numpy().tobytes())
    assert images.sha256 == digest.hexdigest()
    assert images.sha256 == "367ea29896fdb8b8166c498b7eeadb903245855a1a738708160cfa92f70d6e5f", "the same every time"


def test_digits_64_are_the_digits_twice_as_large(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLRLIB_DATA", "digits")
    small, large = load(), load("digits-64")
    assert (large.name, large.label, large.source) == ("digits-64", "scikit-learn digits, 64x64", "scikit-learn")
    assert large.classes == small.classes == tuple("0123456789")
    for split in ("train", "test"):
        little, big = getattr(small, f"{split}_images"), getattr(large, f"{split}_images")
        assert big.dtype == torch.uint8
        assert torch.equal(big, little.repeat_interleave(2, 2).repeat_interleave(2, 3))
        assert torch.equal(getattr(large, f"{split}_labels"), getattr(small, f"{split}_labels"))
    expected = "data: scikit-learn digits, 64x64: 1437 train and 360 test images, from scikit-learn"
    assert capsys.readouterr().out.splitlines()[1] == expected


@pytest.mark.parametrize("name", ["mnist", ""])
def test_an_unknown_set_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(DataError) as caught:
        load(name)
    assert str(caught.value) == f"data set {name!r} is not known; give one of {', '.join(SETS)}"
    assert {"cifar10", "cifar100", "imagenette", "digits", "digits-64"} <= set(SETS)
