"""Which data set is taken from where, and that CIFAR-10 is all of CIFAR-10 or refused."""

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
TRAIN = [f"data_batch_{k}" for k in range(1, 6)]


@pytest.fixture(autouse=True)
def few_a_class(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CIFAR-10 has 5 train images and 1 test image a class, and 10 images a batch."""
    monkeypatch.setattr(image_sets, "TRAIN_PER_CLASS", 5)
    monkeypatch.setattr(image_sets, "TEST_PER_CLASS", 1)
    monkeypatch.setattr(cifar_archive, "BATCH", 10)


def tree(kind: str = "PNG") -> dict[str, bytes]:
    return trees.tree(cifar_archive.CLASSES, 5, 1, 32, kind)


def batches() -> dict[str, bytes]:
    """The original's six batches, one train image a class in each of five."""
    content = pickle.dumps({"data": np.full((10, 3072), 7, np.uint8), "labels": list(range(10))}, protocol=2)
    return {f"{cifar_archive.FOLDER}/{name}": content for name in [*TRAIN, "test_batch"]}


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


def assert_is_cifar10(images: ImageSet, name: str) -> None:
    assert images.name == name
    assert images.classes == cifar_archive.CLASSES
    assert images.train_images.shape == (50, 3, 32, 32) and images.train_images.dtype == torch.uint8
    assert images.test_images.shape == (10, 3, 32, 32) and images.test_images.dtype == torch.uint8
    assert torch.bincount(images.train_labels).tolist() == [5] * 10 and images.train_labels.dtype == torch.int64
    assert torch.bincount(images.test_labels).tolist() == [1] * 10


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


def test_digits_are_the_same_every_time() -> None:
    images = load("digits")
    digest = hashlib.sha256()
    for tensor in (images.train_images, images.train_labels, images.test_images, images.test_labels):
        digest.update(tensor.numpy().tobytes())
    assert images.sha256 == load("digits").sha256 == digest.hexdigest()
    assert images.sha256 == "367ea29896fdb8b8166c498b7eeadb903245855a1a738708160cfa92f70d6e5f"


def test_to_moves_the_tensors_and_keeps_the_rest() -> None:
    images = load("digits")
    moved = images.to("meta")
    assert {moved.train_images.device.type, moved.test_labels.device.type} == {"meta"}
    assert (moved.sha256, moved.name, moved.source) == (images.sha256, images.name, images.source)
    assert images.train_images.device.type == "cpu"


# --- the sources of CIFAR-10 and their order -----------------------------------------------------------------------


def test_every_layout_is_found_in_data(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put in from last to first choice: each one found is preferred to all before it."""
    put_archive(data_folder / "cifar10-png.tar.gz", tree())
    assert_is_cifar10(load(), "cifar10-png")
    put_archive(data_folder / "cifar-10-jpeg.tar.xz", tree("JPEG"))
    images = load()
    assert_is_cifar10(images, "cifar10-jpeg")
    assert (images.label, images.source) == ("CIFAR-10, JPEG copy", "data/cifar-10-jpeg.tar.xz")
    put_folder(data_folder, tree())
    assert load().source == "data"
    put_original(data_folder, monkeypatch)
    images = load()
    assert_is_cifar10(images, "cifar10")
    assert (images.label, images.source) == ("CIFAR-10", "data/cifar-10-python.tar.gz")
    put_batches(data_folder, monkeypatch)
    images = load()
    assert_is_cifar10(images, "cifar10")
    assert images.source == "data/cifar-10-batches-py"


def test_every_layout_is_found_by_clrlib_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_archive(tmp_path / "folder" / "cifar10-jpeg.tar.xz", tree("JPEG"))
    places = {
        put_original(tmp_path / "original", monkeypatch): "cifar10",
        tmp_path / "original": "cifar10",
        put_batches(tmp_path / "batches", monkeypatch).parent: "cifar10",
        put_archive(tmp_path / "any name.tar.gz", tree()): "cifar10-png",
        put_folder(tmp_path / "images", tree()): "cifar10-png",
        tmp_path / "folder": "cifar10-jpeg",
    }
    for place, name in places.items():
        monkeypatch.setenv("CLRLIB_DATA", str(place))
        images = load()
        assert_is_cifar10(images, name)
        assert not Path(images.source).is_absolute()


def test_val_serves_as_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {name.replace("test/", "val/"): content for name, content in tree().items()}
    monkeypatch.setenv("CLRLIB_DATA", str(put_folder(tmp_path / "images", files)))
    assert_is_cifar10(load(), "cifar10-png")


def test_clrlib_data_wins_over_data(tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_original(data_folder, monkeypatch)
    monkeypatch.setenv("CLRLIB_DATA", str(put_archive(tmp_path / "cifar10.tar.xz", tree("JPEG"))))
    assert load().name == "cifar10-jpeg"


@pytest.mark.parametrize("place", ["empty", "gone"])
def test_clrlib_data_without_cifar10_is_never_passed_over(
    tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    put_original(data_folder, monkeypatch)
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("CLRLIB_DATA", str(tmp_path / place))
    with pytest.raises(DataError, match=rf"CLRLIB_DATA is '.*{place}', where there is no CIFAR-10"):
        load(download=True, fallback=True)


def test_imagenette_beside_it_is_not_taken(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_archive(data_folder / "aaa-imagenette-128.tar.xz", {"train/n01440764/0.png": ONE})
    with pytest.raises(DataError, match="CIFAR-10 is not at data/"):
        load()
    put_archive(data_folder / "cifar10-png.tar.xz", tree())
    assert load().source == "data/cifar10-png.tar.xz"


def test_line_tells_data_set_and_source(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_archive(data_folder / "cifar10-png.tar.xz", tree())
    load()
    assert capsys.readouterr().out.splitlines() == [
        "data: decoding the 60 images of data/cifar10-png.tar.xz, once",
        "data: CIFAR-10, PNG copy: 50 train and 10 test images, from data/cifar10-png.tar.xz",
    ]


# --- the network and the fallback ----------------------------------------------------------------------------------


def test_download_comes_last_and_stays(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = put_original(tmp_path / "server", monkeypatch).read_bytes()
    asked = network.sends(monkeypatch, content)
    assert_is_cifar10(load(download=True), "cifar10")
    assert_is_cifar10(load(download=True), "cifar10")
    assert len(asked) == 1
    assert (data_folder / cifar_archive.ARCHIVE).read_bytes() == content


def test_no_network_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(DataError) as caught:
        load(download=True)
    assert str(caught.value) == (
        "CIFAR-10 is not at data/ and could not be downloaded (no network: <urlopen error Name or service not known>). "
        "Put it there, set CLRLIB_DATA, or run with DATA=digits."
    )


def test_nothing_is_downloaded_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
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


# --- what is refused, fallback or not ------------------------------------------------------------------------------


def refused(match: str) -> None:
    with pytest.raises(DataError, match=match):
        load(download=True, fallback=True)


def test_original_with_a_wrong_checksum_is_refused(data_folder: Path) -> None:
    put_archive(data_folder / cifar_archive.ARCHIVE, batches())
    put_archive(data_folder / "cifar10-png.tar.xz", tree())
    refused(r"cifar-10-python\.tar\.gz has SHA-256")


ONE = trees.encoded((0, 0, 0), 32)


@pytest.mark.parametrize(
    ("without", "more", "says"),
    [
        ("/dog/", {}, "is not CIFAR-10: class 'dog' is missing or foreign; give a complete copy"),
        ("-", {"train/zebra/0.png": ONE, "test/zebra/0.png": ONE}, "class 'zebra' is missing or foreign; give a comp"),
        ("train/dog/4", {}, "train/dog has 4 images, not 5; give a complete copy"),
        ("-", {"test/ship/1.png": ONE}, "test/ship has 2 images, not 1; give a complete copy"),
        ("-", {"train/cat/3.png": trees.encoded((0, 0, 0), 33)}, r"train/cat/3\.png is 33x33 pixels, not 32x32; get"),
        ("-", {"train/cat/3.png": trees.encoded((0, 0, 0), 32, "JPEG")}, "is of mixed files; give a copy that is all"),
        ("-", {"train/cat/3.png": b"I am a text"}, r"train/cat/3\.png is not a readable image; get it again"),
    ],
)
def test_a_copy_that_is_not_all_of_cifar10_is_refused(
    data_folder: Path, without: str, more: dict[str, bytes], says: str
) -> None:
    put_folder(data_folder, {name: content for name, content in tree().items() if without not in name} | more)
    refused(says)


def test_cifar10_is_5000_and_1000_images_a_class() -> None:
    assert TRUE_COUNTS == (5000, 1000)


def test_the_mean_image_is_exact_and_takes_more_images_than_it_sums_at_a_time() -> None:
    digits = load("digits")
    expected = digits.train_images.double().mean(0)
    assert len(digits.train_images) > 1000
    assert digits.mean_image().dtype == torch.float32
    assert torch.equal(digits.mean_image(), expected.float())


def test_the_validation_split_is_a_tenth_and_the_same_each_time(images: ImageSet) -> None:
    """No image is lost or in both parts; the test images are not in it."""
    one, two = images.validation_split(), images.validation_split()
    assert len(one.test_labels) == 20 and len(one.train_labels) == 180
    assert torch.equal(one.test_images, two.test_images) and torch.equal(one.train_labels, two.train_labels)
    both = torch.cat([one.train_images, one.test_images]).flatten(1)
    assert {tuple(row) for row in both.tolist()} == {tuple(row) for row in images.train_images.flatten(1).tolist()}
    for pixels, label in zip(one.test_images, one.test_labels, strict=True):
        (place,) = (images.train_images == pixels).flatten(1).all(1).nonzero()
        assert images.train_labels[place] == label
    assert (one.name, one.sha256, one.classes) == (images.name, images.sha256, images.classes)


def rows(images: torch.Tensor) -> list[tuple[int, ...]]:
    return [tuple(row) for row in images.flatten(1).tolist()]


# --- the tenth that is held out ------------------------------------------------------------------------------------


def test_without_validation_the_tenth_is_gone_and_the_test_images_are_the_sets(images: ImageSet) -> None:
    held_out, left = images.validation_split(), images.without_validation()
    assert len(left.train_labels) == 180
    assert torch.equal(left.train_images, held_out.train_images)
    assert torch.equal(left.train_labels, held_out.train_labels)
    assert torch.equal(left.test_images, images.test_images) and torch.equal(left.test_labels, images.test_labels)
    assert not set(rows(left.train_images)) & set(rows(held_out.test_images))
    assert sorted(rows(left.train_images) + rows(held_out.test_images)) == sorted(rows(images.train_images))


def test_without_validation_it_is_the_same_set_by_name_and_checksum(images: ImageSet) -> None:
    left = images.without_validation()
    assert (left.name, left.label, left.classes, left.sha256, left.source) == (
        images.name,
        images.label,
        images.classes,
        images.sha256,
        images.source,
    )
    assert len(images.train_labels) == 200, "the set itself is as it was"


def test_without_validation_labels_stay_with_their_images_in_the_old_order(images: ImageSet) -> None:
    numbered = replace(images, train_labels=torch.arange(200))
    left = numbered.without_validation()
    assert (left.train_labels.diff() > 0).all()
    assert torch.equal(left.train_images, images.train_images[left.train_labels])


@pytest.mark.parametrize(("count", "kept"), [(1, 1), (9, 9), (10, 9), (19, 18), (20, 18)])
def test_a_tenth_is_rounded_down(images: ImageSet, count: int, kept: int) -> None:
    some = replace(images, train_images=images.train_images[:count], train_labels=images.train_labels[:count])
    assert len(some.without_validation().train_labels) == kept


# --- the digits ----------------------------------------------------------------------------------------------------


def test_digits_64_are_the_digits_twice_as_large(capsys: pytest.CaptureFixture[str]) -> None:
    small, large = load("digits"), load("digits-64")
    assert (large.name, large.label, large.source) == ("digits-64", "scikit-learn digits, 64x64", "scikit-learn")
    assert large.classes == small.classes == tuple("0123456789")
    for split in ("train", "test"):
        little, big = getattr(small, f"{split}_images"), getattr(large, f"{split}_images")
        assert big.dtype == torch.uint8
        assert torch.equal(big, little.repeat_interleave(2, 2).repeat_interleave(2, 3))
        assert torch.equal(getattr(large, f"{split}_labels"), getattr(small, f"{split}_labels"))
    expected = "data: scikit-learn digits, 64x64: 1437 train and 360 test images, from scikit-learn"
    assert capsys.readouterr().out.splitlines()[1] == expected


def test_digits_64_are_what_was_asked_for_though_clrlib_data_says_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLRLIB_DATA", "digits")
    assert load("digits-64").name == "digits-64"


@pytest.mark.parametrize("name", ["mnist", "digits-32", "CIFAR10", ""])
def test_an_unknown_set_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(DataError) as caught:
        load(name)
    assert str(caught.value) == f"data set {name!r} is not known; give one of {', '.join(SETS)}"
    assert {"cifar10", "cifar100", "imagenette", "digits", "digits-64"} <= set(SETS)
