"""Imagenette: where it is looked for, what is read, and that what is not all of it is refused."""

import io
from collections.abc import Callable
from http.client import BadStatusLine
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
import trees
from PIL import Image
from trees import put_archive, put_folder

from lab.data import image_sets, imagenette
from lab.data.arrays import DataError
from lab.files import reason

TRUE_COUNTS = (imagenette.TRAIN, imagenette.VAL)  # before the tests put small ones in their place
TRAIN_URL = "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz"
Put = Callable[[Path, dict[str, bytes]], Path]


@pytest.fixture(autouse=True)
def few_images(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Imagenette has two train images and one of val a class."""
    monkeypatch.setattr(imagenette, "TRAIN", 20)
    monkeypatch.setattr(imagenette, "VAL", 10)


def tree(width: int = 128, height: int = 128, top: str = "") -> dict[str, bytes]:
    """The red value tells class and file."""
    files = trees.tree(imagenette.CLASSES, 2, 1, (width, height), val="val")
    return {top + name: content for name, content in files.items()}


def picture(red: int, width: int = 128, height: int = 128) -> bytes:
    return trees.encoded((red, 0, 255), (width, height))


def test_it_is_9469_and_3925_images_of_torchvisions_ten_classes() -> None:
    assert TRUE_COUNTS == (9469, 3925)
    assert tuple(sorted(torchvision.datasets.Imagenette._WNID_TO_CLASS)) == imagenette.CLASSES


# --- what is read --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("put", "name"),
    [
        (put_folder, "imagenette-128"),
        (put_archive, "imagenette-128.tar.xz"),
        (put_archive, "imagenette-128-png.tar.gz"),
    ],
)
def test_a_copy_of_128_pixels_is_read_as_it_is(data_folder: Path, put: Put, name: str) -> None:
    top = "imagenette-128/" if put is put_archive else ""
    source = put(data_folder / name, tree(top=top))
    name, label, arrays, where = imagenette.read()
    assert (name, label, where) == ("imagenette-128", "Imagenette, 128 px", source)
    assert arrays.classes == imagenette.CLASSES
    assert arrays.train_images.shape == (20, 3, 128, 128) and arrays.test_images.shape == (10, 3, 128, 128)
    assert arrays.train_images[:, 0, 64, 64].tolist() == [20 * k + 2 * i + 1 for k in range(10) for i in range(2)]
    assert arrays.test_images[:, 0, 64, 64].tolist() == [20 * k for k in range(10)]
    assert arrays.train_labels.tolist() == [k for k in range(10) for _ in range(2)]
    assert arrays.test_labels.tolist() == list(range(10))


def three_parts(height: int, width: int) -> bytes:
    """A picture that is 160 pixels wide or high in its middle, and of other colours on both sides of it."""
    pixels = np.zeros((height, width, 3), np.uint8)
    long = pixels if height > width else pixels.swapaxes(0, 1)
    cut = (max(height, width) - 160) // 2
    long[:cut], long[cut:-cut], long[-cut:] = (255, 0, 0), (0, 200, 0), (0, 0, 255)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["imagenette2-160", "imagenette2", "imagenette2-320"])
def test_fast_ais_folders_are_scaled_and_cut_to_their_centre(data_folder: Path, name: str) -> None:
    first, second = (f"train/{imagenette.CLASSES[0]}/{i}.png" for i in range(2))
    put_folder(data_folder / name, tree(200, 160) | {first: three_parts(160, 240), second: three_parts(300, 160)})
    kind, label, arrays, _ = imagenette.read()
    assert (kind, label) == ("imagenette-scaled", "Imagenette, scaled to 128 px")
    assert arrays.train_images.shape == (20, 3, 128, 128)
    for image in arrays.train_images[:2]:
        assert (image[:, 4:-4, 4:-4] == np.array([0, 200, 0])[:, None, None]).all()
    assert arrays.train_images[2:, 0, 0, 0].tolist() == [20 * k + 2 * i + 1 for k in range(1, 10) for i in range(2)]


def test_load_gives_it_as_an_image_set_and_says_so(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_folder(data_folder / "imagenette2-160", tree(180, 160))
    images = image_sets.load("imagenette")
    assert (images.name, images.label) == ("imagenette-scaled", "Imagenette, scaled to 128 px")
    assert images.train_images.shape == (20, 3, 128, 128) and images.train_images.dtype == torch.uint8
    assert torch.bincount(images.test_labels).tolist() == [1] * 10
    assert capsys.readouterr().out.splitlines() == [
        "data: decoding the 30 images of data/imagenette2-160, once",
        "data: Imagenette, scaled to 128 px: 20 train and 10 test images, from data/imagenette2-160",
    ]


# --- where it is looked for ----------------------------------------------------------------------------------------


def test_each_choice_is_preferred_to_those_before(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From last to first: in data/ then in CLRLIB_DATA, in both the scaled one then the one of 128 pixels."""
    assert imagenette.find() is None
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("CLRLIB_DATA", str(elsewhere))
    for place in (data_folder, elsewhere):
        scaled = put_folder(place / "imagenette2-160", tree(200, 160))
        assert imagenette.find() == ("imagenette-scaled", scaled)
        copy = put_archive(place / "imagenette-128-jpeg.tar.xz", tree())
        assert imagenette.find() == ("imagenette-128", copy)


@pytest.mark.parametrize("named", ["digits", "gone", "file"])
def test_a_clrlib_data_without_it_leaves_data(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    (tmp_path / "file").write_bytes(b"CIFAR-10, say")
    monkeypatch.setenv("CLRLIB_DATA", "digits" if named == "digits" else str(tmp_path / named))
    source = put_folder(data_folder / "imagenette2-160", tree())
    assert imagenette.find() == ("imagenette-scaled", source)


def test_what_is_no_image_folder_is_passed_over(data_folder: Path) -> None:
    """An archive as torchvision leaves it, a folder half made, another data set."""
    put_archive(data_folder / "imagenette2-160.tgz", tree())
    (data_folder / "imagenette2-320" / "val").mkdir(parents=True)
    put_folder(data_folder / "imagewoof2-160", tree())
    (data_folder / "imagenette-128.txt").write_text("a note")
    assert imagenette.find() is None


def test_where_there_is_none_the_error_says_what_to_do() -> None:
    with pytest.raises(DataError) as caught:
        image_sets.load("imagenette")
    assert str(caught.value) == (
        "Imagenette is not at data/. Put fast.ai's imagenette2-160 folder, or a copy of 128 px named imagenette-128*, "
        "into data/ or CLRLIB_DATA."
    )


# --- what is refused -----------------------------------------------------------------------------------------------


def refused(match: str) -> None:
    with pytest.raises(DataError, match=match):
        imagenette.read()


def test_a_missing_class_is_refused(data_folder: Path) -> None:
    put_archive(data_folder / "imagenette-128.tar.xz", {n: c for n, c in tree().items() if "n03028079" not in n})
    refused(r"imagenette-128\.tar\.xz is not Imagenette: class 'n03028079' is missing or foreign; get it again")


def test_a_foreign_class_is_refused(data_folder: Path) -> None:
    foreign = {f"{split}/n02086240/0.png": picture(0) for split in ("train", "val")}
    put_folder(data_folder / "imagenette2-160", tree() | foreign)
    fix = "delete data/imagenette2-160 and call `make data`"
    refused(f"imagenette2-160 is not Imagenette: class 'n02086240' is missing or foreign; {fix}")


@pytest.mark.parametrize(
    ("split", "counts"), [("train", "19 and 10"), ("val", "20 and 11")], ids=["one too few", "one too many"]
)
def test_other_counts_are_refused(data_folder: Path, split: str, counts: str) -> None:
    files = tree()
    if split == "train":
        del files[f"train/{imagenette.CLASSES[3]}/1.png"]
    else:
        files[f"val/{imagenette.CLASSES[3]}/1.png"] = picture(0)
    put_folder(data_folder / "imagenette-128", files)
    refused(rf"imagenette-128 has {counts} images to train and test on, not 20 and 10; get it again")


# --- the download --------------------------------------------------------------------------------------------------


def test_the_download_is_fast_ais_160_pixels_into_data(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def fetch(url: str, root: Path, md5: str) -> None:
        calls.append((url, Path(root), md5))
        put_folder(Path(root) / "imagenette2-160", {k.replace(".png", ".JPEG"): c for k, c in tree(200, 160).items()})

    monkeypatch.setattr(torchvision.datasets.imagenette, "download_and_extract_archive", fetch)
    imagenette.download()
    assert calls == [(TRAIN_URL, data_folder / ".imagenette.part", "e793b78cc4c9e9a4ccc0c1155377a412")]
    assert imagenette.find() == ("imagenette-scaled", data_folder / "imagenette2-160")
    assert capsys.readouterr().out == "data: downloading fast.ai's imagenette2-160 (99 MB)\n"
    assert [path.name for path in data_folder.iterdir()] == ["imagenette2-160"]


def test_a_download_that_was_killed_half_way_is_begun_anew(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = data_folder / ".imagenette.part" / "imagenette2-160" / "train" / "n01440764"
    half.mkdir(parents=True)

    def fetch(url: str, root: Path, md5: str) -> None:
        assert not half.exists()
        put_folder(Path(root) / "imagenette2-160", {k.replace(".png", ".JPEG"): c for k, c in tree(200, 160).items()})

    monkeypatch.setattr(torchvision.datasets.imagenette, "download_and_extract_archive", fetch)
    imagenette.download()
    assert [path.name for path in data_folder.iterdir()] == ["imagenette2-160"]


def test_the_download_looks_at_both_splits_and_fetches_once(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    part = data_folder / ".imagenette.part"

    def fetch(*args: Any, **more: Any) -> None:
        calls.append((*args, more))
        (part / "imagenette2-160").mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(torchvision.datasets, "Imagenette", fetch)
    imagenette.download()
    assert calls == [(part, "train", "160px", {"download": True}), (part, "val", "160px", {"download": False})]
    imagenette.download()
    assert len(calls) == 2, "another process had it meanwhile"


@pytest.mark.parametrize(
    "error",
    [
        URLError("Name or service not known"),
        TimeoutError("timed out"),
        RuntimeError("File not found or corrupted."),
        OSError(28, "No space left on device"),
        BadStatusLine("an answer of a proxy"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failing_download_is_one_line_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def fetch(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(torchvision.datasets.imagenette, "download_and_extract_archive", fetch)
    imagenette.download()
    out, err = capsys.readouterr()
    why = f"it could not be downloaded ({reason(error)})"
    begun, ended = out.splitlines()
    assert begun == "data: downloading fast.ai's imagenette2-160 (99 MB)"
    assert ended == f"data: no Imagenette, its trainings are left out: {why}. {imagenette.REMEDY}" and err == ""


def test_a_download_without_val_is_a_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetch(_: str, root: Path, md5: str) -> None:
        files = {k.replace(".png", ".JPEG"): c for k, c in tree().items() if k.startswith("train/")}
        put_folder(Path(root) / "imagenette2-160", files)

    monkeypatch.setattr(torchvision.datasets.imagenette, "download_and_extract_archive", fetch)
    imagenette.download()
    assert "\ndata: no Imagenette, its trainings are left out: " in capsys.readouterr().out
