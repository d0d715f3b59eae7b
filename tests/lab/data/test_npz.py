"""A .npz of one's own: both orders of axes, CIFAR-10 known by its content, everything malformed refused by name."""

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
from refusals import Act, Lab

from lab import claims, paths
from lab.cli import reproduce
from lab.cli.__main__ import main
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
FIRST = {name: IMAGES[name].transpose(0, 3, 1, 2) for name in ("x_train", "x_test")}


def save(path: Path, **other: Any) -> Path:
    """IMAGES, but for some arrays; None leaves one out."""
    np.savez(path, **{name: value for name, value in (IMAGES | other).items() if value is not None})
    return path


def of_both(train: Any, test: Any = None) -> dict[str, Any]:
    """Images of some shapes, with labels for as many."""
    pixels = {"x_train": np.zeros(train, np.uint8), "x_test": np.zeros(test or train, np.uint8)}
    return {**pixels, **{f"y{x[1:]}": np.arange(len(images)) % 2 for x, images in pixels.items()}}


# --- what is read ---------------------------------------------------------------------------------------------------


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
    assert np.array_equal(arrays.train_labels, IMAGES["y_train"]) and arrays.train_labels.dtype == np.int64
    assert np.array_equal(arrays.test_labels, IMAGES["y_test"])
    assert (arrays.classes, arrays.encoding) == (("0", "1", "2"), "own")
    assert arrays.train_images.flags.c_contiguous, "as torch and the SHA-256 take them"


def test_a_compressed_one_is_read_too(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "mine.npz", extra=np.zeros(3), **IMAGES)
    assert np.array_equal(read_npz(tmp_path / "mine.npz", 32).train_images, FIRST["x_train"])


@pytest.fixture
def own(lab: Lab) -> ImageSet:
    """What CLRLIB_DATA names, in a file whose name says something else."""
    lab.data(save(lab.user / "CIFAR-10.npz"))
    images = image_sets.load("cifar10")
    assert isinstance(images, ImageSet)
    return images


def test_its_name_and_label_say_own(own: ImageSet) -> None:
    assert own.name == f"own-{own.sha256[:8]}" and own.label == "own (CIFAR-10.npz), 32x32"
    assert torch.equal(own.train_images, torch.from_numpy(FIRST["x_train"].copy()))


def test_other_images_have_another_name(own: ImageSet, lab: Lab) -> None:
    save(lab.user / "CIFAR-10.npz", x_test=IMAGES["x_test"] ^ 1)
    assert image_sets.load("cifar10").name.startswith("own-") and image_sets.load("cifar10").name != own.name


def test_a_run_finds_its_images_again(own: ImageSet, lab: Lab) -> None:
    run = replace(FIXED.run("smoke", 0, own.name, "float32"), iterations=2, evaluate_every=2, batch=10)
    record = train(run, store._images(own.name))
    assert record.data == {"name": own.name, "label": own.label, "sha256": own.sha256}
    assert not claims.comparable([replace(record, run=replace(run, profile="paper"))])
    save(lab.user / "CIFAR-10.npz", x_test=IMAGES["x_test"] ^ 1)
    store._images.cache_clear()
    with pytest.raises(ValueError, match="the run is for data 'own-"):
        train(run, store._images(own.name))


def test_own_data_is_not_asked_for_in_vain(lab: Lab) -> None:
    with pytest.raises(DataError, match="set CLRLIB_DATA"):
        image_sets.load("own", fallback=True)


def test_records_of_own_data_are_not_published(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "NOTEBOOKS", lab.user)
    monkeypatch.setattr(provenance, "fault", lambda commit: None)
    for name in ("draw_published", "write_tables"):
        monkeypatch.setattr(reproduce, name, lambda: None)
    for name in ("cifar10", "own-1a2b3c4d"):
        (record,) = seeds(FIXED, 80.0, data=name)
        store.save(record, paths.records("paper"))
    reproduce._publish_finished()
    assert {record.run.data for record in store.load_all(paths.records("published"))} == {"cifar10"}


# --- CIFAR-10 itself ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [{}, FIRST])
def test_the_arrays_of_cifar10_are_cifar10(
    lab: Lab, capsys: pytest.CaptureFixture[str], other: dict[str, np.ndarray]
) -> None:
    ten = (IMAGES | other)["x_train"][:10]
    labels = {"y_train": np.arange(20) % 10, "y_test": np.arange(10)}
    source = save(lab.user / "mine.npz", **(other | labels | {"x_test": ten}))
    lab.patch.setattr(image_sets, "TRAIN_PER_CLASS", 2)
    lab.patch.setattr(image_sets, "TEST_PER_CLASS", 1)
    lab.patch.setattr(cifar_archive, "DECODED_SHA256", read_npz(source, 32).sha256)
    lab.data(source)
    for images in (image_sets.load("cifar10"), image_sets.from_folder(source, 32)):
        assert (images.name, images.label, images.classes) == ("cifar10", "CIFAR-10", cifar_archive.CLASSES)
    assert "what mine.npz holds is CIFAR-10 itself, by its SHA-256" in capsys.readouterr().out
    assert image_sets.from_folder(source, 16).name.startswith("own-"), "scaled it is not"


def test_the_pinned_checksum_is_that_of_the_batches() -> None:
    folder = paths.DATA / cifar_archive.FOLDER
    if not folder.is_dir():
        pytest.skip(f"{paths.shown(folder)} is not here")
    assert cifar_archive._of_folder(folder).sha256 == cifar_archive.DECODED_SHA256


# --- one's own model ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(40, 30), (24, 24)])
def test_one_s_own_model_takes_them_in_any_size(lab: Lab, shape: tuple[int, int]) -> None:
    pixels = random.integers(0, 256, (20, *shape, 3), np.uint8)
    source = save(lab.user / "mine.npz", x_train=pixels, x_test=pixels[:6])
    images = own_model.load_images(str(source), 24)
    assert images.label == "own (mine.npz), 24x24" and images.train_images.shape == (20, 3, 24, 24)
    expected = ImageOps.fit(Image.fromarray(pixels[3]), (24, 24), Image.Resampling.BICUBIC)
    assert np.array_equal(images.train_images[3].permute(1, 2, 0).cpu().numpy(), np.asarray(expected))


# --- what is refused ------------------------------------------------------------------------------------------------


def has(**other: Any) -> Act:
    def there(lab: Lab) -> None:
        lab.data(save(lab.user / "mine.npz", **other))

    return there


def holds(content: bytes) -> Act:
    def there(lab: Lab) -> None:
        (lab.user / "mine.npz").write_bytes(content)
        lab.data(lab.user / "mine.npz")

    return there


def whole() -> bytes:
    file = io.BytesIO()
    np.savez(file, **IMAGES)
    return file.getvalue()


def with_member(content: bytes) -> Act:
    """IMAGES, but for other bytes as x_train."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in IMAGES:
            with archive.open(f"{name}.npy", "w") as member:
                member.write(content) if name == "x_train" else npy.write_array(member, IMAGES[name])
    return holds(file.getvalue())


def header(shape: tuple[int, ...], behind: int = 0) -> bytes:
    """An array's header, and behind it so many bytes."""
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(behind)


def flipped() -> bytes:
    content = bytearray(whole())
    content[2000] ^= 1
    return bytes(content)


def large(lab: Lab) -> None:
    lab.patch.setattr(npz, "LARGEST_ARCHIVE", 50_000)
    has()(lab)


AGAIN, NPZ = r"save it again by np\.savez", r"mine\.npz cannot be read as a \.npz"
AXES = r"give \(N, H, W, 3\) or \(N, 3, H, W\)"
LONG_HEADER = b"\x93NUMPY\x02\x00" + (2**28).to_bytes(4, "little") + bytes(2**10)
DEEP_HEADER = b"\x93NUMPY\x01\x00" + (9000).to_bytes(2, "little") + b"(" * 9000
PYTHON_OBJECTS = np.array([object()] * 20)
CASES: dict[str, tuple[Act, str, str]] = {  # what is there; what is said; the fix
    "empty": (holds(b""), NPZ, AGAIN),
    "text": (holds(b"my notes"), NPZ, AGAIN),
    "cut": (holds(whole()[:-300]), NPZ, AGAIN),
    "cut in the middle": (holds(whole()[:30_000]), NPZ, AGAIN),
    "a bit flipped": (holds(flipped()), f"{NPZ} \\(Bad CRC-32", AGAIN),
    "a .npy by another name": (holds(header((20, 32, 32, 3), 61440)), NPZ, AGAIN),
    **{f"no {name}": (has(**{name: None}), f"has no array {name}", "save x_train, y_train, x_test") for name in IMAGES},
    "member of text": (with_member(b"my notes, long enough"), f"{NPZ} \\(the magic string", AGAIN),
    "header of 256 MB": (with_member(LONG_HEADER), "x_train is not an array of numbers", AGAIN),
    "header too deep": (with_member(DEEP_HEADER), NPZ, AGAIN),
    "fewer bytes": (
        with_member(header((20, 32, 32, 3), 99)),
        r"shape \(20, 32, 32, 3\), but 99 bytes",
        "save it again",
    ),
    "more bytes": (with_member(header((2, 32, 32, 3), 6145)), r"shape \(2, .*, but 6145 bytes", "save it again"),
    "a shape beyond memory": (with_member(header((2**50, 32, 32, 3))), "but 0 bytes; it is damaged", "save it again"),
    "a shape beyond 64 bits": (with_member(header((2**63, 2, 2, 3))), "but 0 bytes; it is damaged", "save it again"),
    "a shape below zero": (with_member(header((-1, 32, 32, 3))), r"shape \(-1, .*, so it is empty", "at least one"),
    "too large": (large, "holds 80080 bytes, more than 50000", "give fewer images"),
    "objects": (has(x_train=PYTHON_OBJECTS), "x_train is of type object, not uint8", r"as np\.uint8"),
    "labels of objects": (has(y_train=PYTHON_OBJECTS), "y_train is of type object, not whole", "number of its class"),
    "floats": (has(x_train=IMAGES["x_train"] / 255), "x_train is of type float64, not uint8", r"from 0 to 255"),
    "NaN": (has(x_test=np.full((6, 32, 32, 3), math.nan, "f4")), "x_test is of type float32, not uint8", "save pixels"),
    "16 bits": (has(x_train=IMAGES["x_train"].astype("u2")), "x_train is of type uint16, not uint8", "save pixels"),
    "signed pixels": (has(x_train=IMAGES["x_train"].view("i1")), "x_train is of type int8, not uint8", "save pixels"),
    "labels NaN": (has(y_test=np.full(6, math.nan)), "y_test is of type float64, not whole", "number of its class"),
    "labels of truth": (has(y_test=np.ones(6, bool)), "y_test is of type bool, not whole", "number of its class"),
    "names for labels": (has(y_train=np.array(["cat"] * 20)), "y_train is of type <U3, not whole", "number of its"),
    "structured": (has(y_train=np.zeros(20, [("a", "i4")])), "y_train is of type .*, not whole", "number of its class"),
    "no images": (has(x_test=IMAGES["x_test"][:0], y_test=IMAGES["y_test"][:0]), "x_test .* it is empty", "at least"),
    "a number": (has(y_test=np.int64(3)), r"y_test has shape \(\), so it is empty", "give at least one image"),
    "fewer labels": (has(y_train=IMAGES["y_train"][1:]), r"y_train has shape \(19,\)", "give one label for each image"),
    "one hot": (has(y_train=np.eye(20, dtype=int)), r"y_train has shape \(20, 20\)", r"as \(20,\) or \(20, 1\)"),
    "3 by 3 pixels": (has(**of_both((4, 3, 3, 3))), r"\(4, 3, 3, 3\) could be either order of axes, so scale", AXES),
    "3 pixels high": (has(**of_both((4, 3, 9, 3))), r"\(4, 3, 9, 3\) could be either order of axes, so scale", AXES),
    "grey": (has(**of_both((4, 32, 32))), r"\(4, 32, 32\) has no axis of 3 colours in its place", AXES),
    "grey with an axis": (has(**of_both((4, 32, 32, 1))), "has no axis of 3 colours in its place", AXES),
    "transparent": (has(**of_both((4, 32, 32, 4))), "has no axis of 3 colours in its place", AXES),
    "channels in the middle": (has(**of_both((4, 32, 3, 32))), "has no axis of 3 colours in its place", AXES),
    "flat": (has(**of_both((4, 3072))), r"\(4, 3072\) has no axis of 3 colours in its place", AXES),
    "huge pictures": (has(**of_both((2, 5000, 2, 3))), r"\(2, 5000, 2, 3\)", "at most 4096x4096 pixels"),
    "two sizes": (has(**of_both((4, 32, 32, 3), (4, 32, 31, 3))), "images of 32x32 and 31x32 pixels", "give all one"),
    "another size": (has(**of_both((4, 28, 30, 3))), "holds images of 30x28 pixels, not 32x32", "scale them and save"),
    "below zero": (has(y_train=IMAGES["y_train"] - 1), "y_train has the label -1", "number the classes from 0 on"),
    "from one": (has(y_train=IMAGES["y_train"] + 1), "a class 1, but no image of class 0", "from 0 on without a gap"),
    "a gap": (has(y_train=IMAGES["y_train"] * 2), "a class 2, but no image of class 1", "from 0 on without a gap"),
    "beyond 63 bits": (has(y_train=np.full(20, 2**64 - 1, "u8")), "a class 18446744073709551615, but", "from 0 on"),
    "one class": (has(y_train=IMAGES["y_train"] * 0), "y_train holds one class, 0", "give images of two or more"),
    "unknown class": (has(y_test=IMAGES["y_test"] + 1), "y_test has a class 3, which y_train has not", "in both alike"),
    "below zero to test": (has(y_test=IMAGES["y_test"] - 1), "y_test has a class -1, which y_train has not", "number"),
    "missing": (lambda lab: lab.data(lab.user / "no.npz"), r"'.*no\.npz', where there is no CIFAR-10", r"or \.npz, or"),
    "folder": (
        lambda lab: [lab.data(lab.root / "f.npz"), (lab.root / "f.npz").mkdir()],
        "where there is no",
        "name its",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_malformed_file_is_refused_in_one_sentence(case: str, lab: Lab) -> None:
    there, says, does = CASES[case]
    there(lab)
    lab.refuses("data --profile paper", says, does, error=DataError)


def test_the_command_says_what_it_found(own: ImageSet, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["data", "--profile", "paper"]) == 0
    said = f"data: {own.label}: 20 train and 6 test images, from CIFAR-10.npz\n"
    assert said in capsys.readouterr().out
