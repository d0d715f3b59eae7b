"""What an image set can do, and the digits in their two sizes."""

import hashlib
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from lab.data.image_sets import SETS, DataError, ImageSet, load


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLRLIB_DATA", raising=False)


def rows(images: Tensor) -> list[tuple[int, ...]]:
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


def test_the_two_sizes_of_digits_have_checksums_of_their_own() -> None:
    images = load("digits-64")
    digest = hashlib.sha256()
    for tensor in (images.train_images, images.train_labels, images.test_images, images.test_labels):
        digest.update(tensor.numpy().tobytes())
    assert images.sha256 == digest.hexdigest() != load("digits").sha256


def test_digits_64_are_what_was_asked_for_though_clrlib_data_says_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLRLIB_DATA", "digits")
    assert load("digits-64").name == "digits-64"


@pytest.mark.parametrize("name", ["mnist", "digits-32", "CIFAR10", ""])
def test_an_unknown_set_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(DataError) as caught:
        load(name)
    assert str(caught.value) == f"data set {name!r} is not known; give one of {', '.join(SETS)}"
    assert {"cifar10", "cifar100", "imagenette", "digits", "digits-64"} <= set(SETS)
