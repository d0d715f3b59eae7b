"""Imagenette: the places it is looked for, the images read, the copies refused, and its download."""

import io
from collections.abc import Callable
from http.client import BadStatusLine
from pathlib import Path
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
    """The red value identifies class and file."""
    files = trees.tree(imagenette.CLASSES, 2, 1, (width, height), val="val")
    return {top + name: content for name, content in files.items()}


def test_it_is_9469_and_3925_images_of_torchvisions_ten_classes() -> None:
    assert TRUE_COUNTS == (9469, 3925)
    assert tuple(sorted(torchvision.datasets.Imagenette._WNID_TO_CLASS)) == imagenette.CLASSES


@pytest.mark.parametrize(("put", "name"), [(put_folder, "imagenette-128"), (put_archive, "imagenette-128-png.tar.gz")])
def test_a_copy_of_128_pixels_is_read_as_it_is(data_folder: Path, put: Put, name: str) -> None:
    source = put(data_folder / name, tree(top="imagenette-128/" if put is put_archive else ""))
    name, label, arrays, place = imagenette.read()
    assert (name, label, place) == ("imagenette-128", "Imagenette, 128 px", source)
    assert arrays.classes == imagenette.CLASSES
    assert arrays.train_images.shape == (20, 3, 128, 128) and arrays.test_images.shape == (10, 3, 128, 128)
    assert arrays.train_images[:, 0, 64, 64].tolist() == [20 * k + 2 * i + 1 for k in range(10) for i in range(2)]
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


@pytest.mark.parametrize("name", ["imagenette2-160", "imagenette2"])
def test_fast_ais_folders_are_scaled_and_cut_to_their_centre(
    data_folder: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    first, second = (f"train/{imagenette.CLASSES[0]}/{i}.png" for i in range(2))
    put_folder(data_folder / name, tree(200, 160) | {first: three_parts(160, 240), second: three_parts(300, 160)})
    images = image_sets.load("imagenette")
    assert (images.name, images.label) == ("imagenette-scaled", "Imagenette, scaled to 128 px")
    assert images.train_images.shape == (20, 3, 128, 128) and images.train_images.dtype == torch.uint8
    for image in images.train_images[:2].numpy():
        assert (image[:, 4:-4, 4:-4] == np.array([0, 200, 0])[:, None, None]).all()
    assert images.train_images[2:, 0, 0, 0].tolist() == [20 * k + 2 * i + 1 for k in range(1, 10) for i in range(2)]
    assert capsys.readouterr().out.splitlines() == [
        f"data: decoding the 30 images of data/{name}, once",
        f"data: Imagenette, scaled to 128 px: 20 train and 10 test images, from data/{name}",
    ]


@pytest.mark.parametrize("named", ["elsewhere", "digits", "gone", "file"])
def test_each_choice_is_preferred_to_those_before(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """From last to first: in data/ then in CLRLIB_DATA, in both the scaled one then the one of 128 pixels."""
    (tmp_path / "file").write_bytes(b"CIFAR-10, say")
    monkeypatch.setenv("CLRLIB_DATA", "digits" if named == "digits" else str(tmp_path / named))
    put_archive(data_folder / "imagenette2-160.tgz", tree())  # as torchvision leaves it
    (data_folder / "imagenette2-320" / "val").mkdir(parents=True)  # a folder half made
    put_folder(data_folder / "imagewoof2-160", tree())
    (data_folder / "imagenette-128.txt").write_text("a note")
    assert imagenette.find() is None
    for place in (data_folder, tmp_path / "elsewhere") if named == "elsewhere" else (data_folder,):
        scaled = put_folder(place / "imagenette2-160", tree(200, 160))
        assert imagenette.find() == ("imagenette-scaled", scaled)
        copy = put_archive(place / "imagenette-128-jpeg.tar.xz", tree())
        assert imagenette.find() == ("imagenette-128", copy)


def test_without_a_copy_the_error_says_what_to_do() -> None:
    with pytest.raises(DataError) as caught:
        image_sets.load("imagenette")
    assert str(caught.value) == (
        "Imagenette is not at data/. Put fast.ai's imagenette2-160 folder, or a copy of 128 px named imagenette-128*, "
        "into data/ or CLRLIB_DATA."
    )


FOREIGN = {f"{split}/n02086240/0.png": trees.encoded((0, 0, 255), 128) for split in ("train", "val")}
FOURTH = imagenette.CLASSES[3]


@pytest.mark.parametrize(
    ("without", "more", "says"),
    [
        (
            FOURTH,
            {},
            f"is not Imagenette: class '{FOURTH}' is missing or foreign; delete data/imagenette2-160",
        ),
        ("-", FOREIGN, "is not Imagenette: class 'n02086240' is missing or foreign"),
        (f"train/{FOURTH}/1", {}, "has 19 and 10 images to train and test on, not 20 and 10; delete"),
        ("-", {f"val/{FOURTH}/1.png": FOREIGN["val/n02086240/0.png"]}, "has 20 and 11 images to train and test on"),
    ],
)
def test_a_copy_that_is_not_all_of_it_is_refused(
    data_folder: Path, without: str, more: dict[str, bytes], says: str
) -> None:
    files = {name: content for name, content in tree().items() if without not in name} | more
    put_folder(data_folder / "imagenette2-160", files)
    with pytest.raises(DataError, match=f"imagenette2-160 {says}"):
        imagenette.read()


# --- the download --------------------------------------------------------------------------------------------------


def test_the_download_is_fast_ais_160_pixels_into_data(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A half that a kill left is thrown away, and a second call downloads nothing."""
    calls = []
    half = data_folder / ".imagenette.part" / "imagenette2-160" / "train" / "n01440764"
    half.mkdir(parents=True)

    def fetch(url: str, root: Path, md5: str) -> None:
        assert not half.exists()
        calls.append((url, Path(root), md5))
        put_folder(Path(root) / "imagenette2-160", {k.replace(".png", ".JPEG"): c for k, c in tree(200, 160).items()})

    monkeypatch.setattr(torchvision.datasets.imagenette, "download_and_extract_archive", fetch)
    for _ in range(2):
        imagenette.download()
    assert calls == [(TRAIN_URL, data_folder / ".imagenette.part", "e793b78cc4c9e9a4ccc0c1155377a412")]
    assert imagenette.find() == ("imagenette-scaled", data_folder / "imagenette2-160")
    assert capsys.readouterr().out == "data: downloading fast.ai's imagenette2-160 (99 MB)\n"
    assert [path.name for path in data_folder.iterdir()] == ["imagenette2-160"]


@pytest.mark.parametrize(
    "error",
    [
        URLError("Name or service not known"),
        TimeoutError("timed out"),
        RuntimeError("File not found or corrupted."),
        OSError(28, "No space left on device"),
        BadStatusLine("an answer of a proxy"),
        None,
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failing_download_is_one_line_and_nothing_else(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception | None
) -> None:
    """Without an error the download lacks val."""

    def fetch(url: str, root: Path, md5: str) -> None:
        if error:
            raise error
        put_folder(Path(root) / "imagenette2-160", {k: c for k, c in tree().items() if k.startswith("train/")})

    monkeypatch.setattr(torchvision.datasets.imagenette, "download_and_extract_archive", fetch)
    imagenette.download()
    out, err = capsys.readouterr()
    begun, ended = out.splitlines()
    why = reason(error) if error else ""
    assert begun == "data: downloading fast.ai's imagenette2-160 (99 MB)"
    assert ended.startswith(f"data: no Imagenette, its trainings are left out: it could not be downloaded ({why}")
    assert ended.endswith(f"). {imagenette.REMEDY}") and err == ""
    assert list(data_folder.iterdir()) == []
