"""The user's images as a .npz: both orders of axes, CIFAR-10 recognised by its content, malformed files refused."""

import io
import math
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.lib import format as npy
from PIL import Image, ImageOps
from records import seeds
from refusals import Lab

from lab import claims, paths
from lab.cli import reproduce
from lab.data import cifar_archive, image_sets, npz
from lab.data.image_sets import DataError, ImageSet
from lab.data.npz import read_npz
from lab.experiments import FIXED
from lab.records import provenance, store
from lab.records.trainer import train
from lab.show import own_model

random = np.random.default_rng(0)
IMAGES = {
    "x_train": random.integers(0, 256, (20, 32, 32, 3), np.uint8),
    "y_train": np.arange(20, dtype=np.int64) % 3,
    "x_test": random.integers(0, 256, (6, 32, 32, 3), np.uint8),
    "y_test": np.arange(6, dtype=np.int64) % 3,
}
X, Y = IMAGES["x_train"], IMAGES["y_train"]
FIRST = {name: IMAGES[name].transpose(0, 3, 1, 2) for name in ("x_train", "x_test")}


def save(path: Path, **other: Any) -> Path:
    """IMAGES, but for some arrays; None leaves one out."""
    np.savez(path, **{name: value for name, value in (IMAGES | other).items() if value is not None})
    return path


# --- files that are read --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["i1", "u1", ">i2", "u4", "<i8", "u8"])
@pytest.mark.parametrize(
    "other",
    [
        {},
        FIRST,
        {"x_test": FIRST["x_test"]},
        {name: np.asfortranarray(IMAGES[name]) for name in ("x_train", "x_test")},
        {name: IMAGES[name][:, None] for name in ("y_train", "y_test")},
    ],
)
def test_either_order_of_axes_and_any_whole_numbers_are_read(
    tmp_path: Path, other: dict[str, np.ndarray], kind: str
) -> None:
    labels = {name: (IMAGES | other)[name].astype(kind) for name in ("y_train", "y_test")}
    arrays = read_npz(save(tmp_path / "mine.npz", **(other | labels)), 32)
    assert np.array_equal(arrays.train_images, FIRST["x_train"]) and np.array_equal(arrays.test_images, FIRST["x_test"])
    assert np.array_equal(arrays.train_labels, Y) and arrays.train_labels.dtype == np.int64
    assert np.array_equal(arrays.test_labels, IMAGES["y_test"])
    assert (arrays.classes, arrays.encoding) == (("0", "1", "2"), "own")
    assert arrays.train_images.flags.c_contiguous, "as torch and the SHA-256 take them"


def test_a_compressed_one_is_read_too(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "mine.npz", extra=np.zeros(3), **IMAGES)
    assert np.array_equal(read_npz(tmp_path / "mine.npz", 32).train_images, FIRST["x_train"])


@pytest.fixture
def loaded(lab: Lab) -> ImageSet:
    """The images that CLRLIB_DATA names, in a file with a misleading name."""
    lab.data(save(lab.user / "CIFAR-10.npz"))
    images = image_sets.load("cifar10")
    assert isinstance(images, ImageSet)
    return images


def test_its_name_is_that_of_its_content(loaded: ImageSet, lab: Lab) -> None:
    assert loaded.name == f"own-{loaded.sha256[:8]}" and loaded.label == "own (CIFAR-10.npz), 32x32"
    assert torch.equal(loaded.train_images, torch.from_numpy(FIRST["x_train"].copy()))
    assert lab.capture.readouterr().out == f"data: {loaded.label}: 20 train and 6 test images, from CIFAR-10.npz\n"
    save(lab.user / "CIFAR-10.npz", x_test=IMAGES["x_test"] ^ 1)
    other = image_sets.load("cifar10").name
    assert other.startswith("own-") and other != loaded.name


def test_a_run_takes_no_other_images(loaded: ImageSet, lab: Lab) -> None:
    run = replace(FIXED.run("smoke", 0, loaded.name, "float32"), iterations=2, evaluate_every=2, batch=10)
    record = train(run, store._images(loaded.name))
    assert record.data == {"name": loaded.name, "label": loaded.label, "sha256": loaded.sha256}
    assert not claims.comparable([replace(record, run=replace(run, profile="paper"))])
    save(lab.user / "CIFAR-10.npz", x_test=IMAGES["x_test"] ^ 1)
    store._images.cache_clear()
    with pytest.raises(ValueError, match="the run is for data 'own-"):
        train(run, store._images(loaded.name))


def test_the_users_data_must_be_there(lab: Lab) -> None:
    with pytest.raises(DataError, match="set CLRLIB_DATA"):
        image_sets.load("own", fallback=True)


def test_records_of_the_users_data_are_not_published(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "NOTEBOOKS", lab.user)
    monkeypatch.setattr(provenance, "fault", lambda commit: None)
    for name in ("draw_published", "write_tables"):
        monkeypatch.setattr(reproduce, name, lambda: None)
    for name in ("cifar10", "own-1a2b3c4d"):
        (record,) = seeds(FIXED, 80.0, data=name)
        store.save(record, paths.records("paper"))
    reproduce._publish_finished()
    assert {record.run.data for record in store.load_all(paths.records("published"))} == {"cifar10"}


@pytest.mark.parametrize("other", [{}, FIRST])
def test_the_arrays_of_cifar10_are_cifar10(lab: Lab, other: dict[str, np.ndarray]) -> None:
    ten = (IMAGES | other)["x_train"][:10]
    labels = {"y_train": np.arange(20) % 10, "y_test": np.arange(10)}
    source = save(lab.user / "mine.npz", **(other | labels | {"x_test": ten}))
    lab.patch.setattr(image_sets, "TRAIN_PER_CLASS", 2)
    lab.patch.setattr(image_sets, "TEST_PER_CLASS", 1)
    lab.patch.setattr(cifar_archive, "DECODED_SHA256", read_npz(source, 32).sha256)
    lab.data(source)
    for images in (image_sets.load("cifar10"), image_sets.from_folder(source, 32)):
        assert (images.name, images.label, images.classes) == ("cifar10", "CIFAR-10", cifar_archive.CLASSES)
    assert "what mine.npz holds is CIFAR-10 itself, by its SHA-256" in lab.capture.readouterr().out
    assert image_sets.from_folder(source, 16).name.startswith("own-"), "scaled it is not"


def test_the_pinned_checksum_is_that_of_the_batches() -> None:
    folder = paths.DATA / cifar_archive.FOLDER
    if not folder.is_dir():
        pytest.skip(f"{paths.shown(folder)} is not here")
    assert cifar_archive._of_folder(folder).sha256 == cifar_archive.DECODED_SHA256


@pytest.mark.parametrize("shape", [(40, 30), (24, 24)])
def test_the_users_model_takes_images_of_any_size(lab: Lab, shape: tuple[int, int]) -> None:
    pixels = random.integers(0, 256, (20, *shape, 3), np.uint8)
    source = save(lab.user / "mine.npz", x_train=pixels, x_test=pixels[:6])
    images = own_model.load_images(str(source), 24)
    assert images.label == "own (mine.npz), 24x24" and images.train_images.shape == (20, 3, 24, 24)
    expected = ImageOps.fit(Image.fromarray(pixels[3]), (24, 24), Image.Resampling.BICUBIC)
    assert np.array_equal(images.train_images[3].permute(1, 2, 0).cpu().numpy(), np.asarray(expected))


# --- files that are refused -----------------------------------------------------------------------------------------


def refused(source: Path, content: bytes | dict[str, Any], says: str) -> None:
    """A file of these bytes, or of IMAGES but for some arrays."""
    if isinstance(content, bytes):
        source.write_bytes(content)
    else:
        save(source, **content)
    with pytest.raises(DataError, match=rf"mine\.npz.*{says}"):
        read_npz(source, 32)


def whole() -> bytes:
    file = io.BytesIO()
    np.savez(file, **IMAGES)
    return file.getvalue()


def with_member(content: bytes) -> bytes:
    """IMAGES, but for other bytes as x_train."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in IMAGES:
            with archive.open(f"{name}.npy", "w") as member:
                member.write(content) if name == "x_train" else npy.write_array(member, IMAGES[name])
    return file.getvalue()


def header(shape: tuple[int, ...], behind: int = 0) -> bytes:
    """An array's header, and behind it so many bytes."""
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(behind)


def flipped() -> bytes:
    content = bytearray(whole())
    content[2000] ^= 1
    return bytes(content)


LONG_HEADER = b"\x93NUMPY\x02\x00" + (2**28).to_bytes(4, "little") + bytes(2**10)
DEEP_HEADER = b"\x93NUMPY\x01\x00" + (9000).to_bytes(2, "little") + b"(" * 9000


@pytest.mark.parametrize(
    ("content", "says"),
    [
        *((content, "") for content in (b"", b"my notes", whole()[:-300], whole()[:30_000])),
        (flipped(), r"\(Bad CRC-32.*\)"),
        (header((20, 32, 32, 3), 61440), ""),
        (with_member(b"my notes, long enough"), r"\(the magic string.*\)"),
        (with_member(DEEP_HEADER), ""),
    ],
)
def test_bytes_that_are_no_npz_are_refused(tmp_path: Path, content: bytes, says: str) -> None:
    refused(tmp_path / "mine.npz", content, rf"cannot be read as a \.npz .*{says}; save it again by np\.savez")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (LONG_HEADER, r"x_train is not an array of numbers; save it again by np\.savez"),
        (header((20, 32, 32, 3), 99), r"shape \(20, 32, 32, 3\), but 99 bytes; it is damaged, save it again"),
        (header((2, 32, 32, 3), 6145), r"shape \(2, .*, but 6145 bytes; it is damaged, save it again"),
        (header((2**50, 32, 32, 3)), "but 0 bytes; it is damaged, save it again"),
        (header((-1, 32, 32, 3)), r"shape \(-1, .*, so it is empty; give at least one image"),
    ],
)
def test_a_header_that_lies_is_refused_before_the_array_is_read(tmp_path: Path, content: bytes, says: str) -> None:
    refused(tmp_path / "mine.npz", with_member(content), says)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz, "LARGEST_ARCHIVE", 50_000)
    refused(tmp_path / "mine.npz", {}, "holds 80080 bytes, more than 50000; give fewer images")


@pytest.mark.parametrize("name", IMAGES)
def test_a_missing_array_is_refused(tmp_path: Path, name: str) -> None:
    refused(tmp_path / "mine.npz", {name: None}, f"has no array {name}; save x_train, y_train, x_test")


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"x_train": np.array([object()] * 20)}, "object"),
        ({"x_train": X / 255}, "float64"),
        ({"x_train": X.astype("u2")}, "uint16"),
        ({"x_train": X.view("i1")}, "int8"),
        ({"y_train": np.array([object()] * 20)}, "object"),
        ({"y_test": np.full(6, math.nan)}, "float64"),
        ({"y_test": np.ones(6, bool)}, "bool"),
        ({"y_train": np.array(["cat"] * 20)}, "<U3"),
        ({"y_train": np.zeros(20, [("a", "i4")])}, r"\[\('a', '<i4'\)\]"),
    ],
)
def test_other_types_are_refused(tmp_path: Path, other: dict[str, np.ndarray], says: str) -> None:
    (name,) = other
    fix = "uint8; save pixels from 0 to 255" if name[0] == "x" else "whole numbers; save each label as the number"
    refused(tmp_path / "mine.npz", other, f"{name} is of type {says}, not {fix}")


@pytest.mark.parametrize(
    ("train", "test", "says"),
    [
        ((4, 3, 3, 3), None, r"\(4, 3, 3, 3\) could be either order of axes, so scale"),
        ((4, 3, 9, 3), None, r"\(4, 3, 9, 3\) could be either order of axes, so scale"),
        *(((4, *shape), None, "has no axis of 3 colours") for shape in ((32, 32), (32, 32, 1), (32, 32, 4), (3072,))),
        ((4, 32, 3, 32), None, r"has no axis of 3 colours in its place; give \(N, H, W, 3\) or \(N, 3, H, W\)"),
        ((2, 5000, 2, 3), None, r"\(2, 5000, 2, 3\); give images of at most 4096x4096 pixels"),
        ((4, 32, 32, 3), (4, 32, 31, 3), "images of 32x32 and 31x32 pixels; give all one"),
        ((4, 28, 30, 3), None, "holds images of 30x28 pixels, not 32x32; scale them and save"),
    ],
)
def test_other_shapes_are_refused(tmp_path: Path, train: Any, test: Any, says: str) -> None:
    pixels = {"x_train": np.zeros(train, np.uint8), "x_test": np.zeros(test or train, np.uint8)}
    labels = {f"y{name[1:]}": np.arange(len(images)) % 2 for name, images in pixels.items()}
    refused(tmp_path / "mine.npz", pixels | labels, says)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"x_test": X[:0], "y_test": Y[:0]}, "x_test .* it is empty; give at least one image"),
        ({"y_test": np.int64(3)}, r"y_test has shape \(\), so it is empty; give at least one image"),
        ({"y_train": Y[1:]}, r"y_train has shape \(19,\); give one label for each image"),
        ({"y_train": np.eye(20, dtype=int)}, r"y_train has shape \(20, 20\); .* as \(20,\) or \(20, 1\)"),
        ({"y_train": Y - 1}, "y_train has the label -1; number the classes from 0 on"),
        ({"y_train": Y + 1}, "a class 1, but no image of class 0; number the classes from 0 on without a gap"),
        ({"y_train": Y * 2}, "a class 2, but no image of class 1; number the classes from 0 on without a gap"),
        ({"y_train": np.full(20, 2**64 - 1, "u8")}, "a class 18446744073709551615, but no image of class 0"),
        ({"y_train": Y * 0}, "y_train holds one class, 0; give images of two or more"),
        ({"y_test": IMAGES["y_test"] + 1}, "y_test has a class 3, which y_train has not; .* in both alike"),
        ({"y_test": IMAGES["y_test"] - 1}, "y_test has a class -1, which y_train has not; number"),
    ],
)
def test_other_labels_are_refused(tmp_path: Path, other: dict[str, np.ndarray], says: str) -> None:
    refused(tmp_path / "mine.npz", other, says)
