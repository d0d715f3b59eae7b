"""One image as pixels: as Pillow has them, upright, above white, in 8 bits, of bounded size."""

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from trees import put_folder, tree

from lab.data import imagenet, pictures
from lab.data.arrays import DataError
from lab.data.folders import read_image_folder
from lab.data.pictures import rgb

pytestmark = pytest.mark.usefixtures("data_folder")
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 36, 3), np.uint8)
ALPHA = np.random.default_rng(1).integers(0, 256, (24, 36), np.uint8)
BILINEAR = Image.Resampling.BILINEAR


def saved(image: Image.Image, kind: str, **settings: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def read(content: bytes) -> np.ndarray:
    return np.asarray(rgb("it", io.BytesIO(content), "get it again")[0])


def assert_read_everywhere(folder: Path, content: bytes, expected: Image.Image) -> None:
    """Alone, from a folder under a wrong name, and streamed."""
    assert np.array_equal(read(content), expected)
    files = dict.fromkeys(tree("ab", 1, 1), content)
    assert np.array_equal(read_image_folder(put_folder(folder, files)).test_images[0].transpose(1, 2, 0), expected)
    streamed = imagenet.decode(put_folder(folder, {"a.jpg": content}) / "a.jpg", 9)
    assert np.array_equal(streamed.transpose(1, 2, 0), expected.resize((9, 9), BILINEAR))


@pytest.mark.parametrize("kind", [kind for kind in pictures.KINDS if kind != "DIB"] + ["MPO"])
def test_every_kind_is_read_as_pillow_reads_it_whatever_its_name_says(kind: str, tmp_path: Path) -> None:
    if kind == "AVIF" and ".avif" not in pictures.suffixes():
        pytest.skip("this Pillow has no AVIF")
    content = saved(Image.fromarray(PIXELS), kind)
    assert_read_everywhere(tmp_path, content, Image.open(io.BytesIO(content)).convert("RGB"))
    assert rgb("it", io.BytesIO(content), "")[1] == ("JPEG" if kind == "MPO" else kind)


def test_of_several_frames_the_first_is_read() -> None:
    for kind in ("MPO", "TIFF", "GIF", "WEBP"):
        first, second = Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)
        content = saved(first, kind, save_all=True, append_images=[second])
        assert np.array_equal(read(content), Image.open(io.BytesIO(content)).convert("RGB"))
        assert np.abs(read(content) - PIXELS.astype(int)).mean() < 60 < np.abs(255 - 2 * PIXELS.astype(int)).mean()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_photo_stands_upright(kind: str, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(Image.fromarray(PIXELS), kind, exif=exif)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
    assert expected.size == ((36, 24) if orientation < 5 else (24, 36))
    assert_read_everywhere(tmp_path, content, expected)


@pytest.mark.parametrize("exif", [b"garbage", b"II*\0\x08\0\0\0\xff\xff"])
def test_odd_metadata_do_not_matter(exif: bytes) -> None:
    assert read(saved(Image.fromarray(PIXELS), "JPEG", exif=b"Exif\0\0" + exif)).shape == PIXELS.shape


def test_transparent_parts_show_white() -> None:
    """By the formula, for each way in which a file can be transparent."""
    image = Image.fromarray(np.dstack([PIXELS, ALPHA]))
    share = ALPHA[:, :, None] / 255
    for kind in ("PNG", "TIFF", "TGA"):
        assert np.abs(read(saved(image, kind)) - (share * PIXELS + (1 - share) * 255)).max() <= 1
    grey = Image.merge("LA", (Image.fromarray(PIXELS[:, :, 0]), Image.fromarray(ALPHA)))
    assert np.abs(read(saved(grey, "PNG")) - (share * PIXELS[:, :, :1] + (1 - share) * 255)).max() <= 1
    palette = Image.fromarray(PIXELS).quantize(8)
    hidden, colours = np.asarray(palette) == 3, np.asarray(palette.convert("RGB"))
    for transparency in (3, bytes([255, 255, 255, 0])):
        shown = read(saved(palette, "PNG", transparency=transparency))
        assert hidden.any() and (shown[hidden] == 255).all() and np.array_equal(shown[~hidden], colours[~hidden])
    key = tuple(map(int, PIXELS[0, 0]))
    assert read(saved(Image.fromarray(PIXELS), "PNG", transparency=key))[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["1", "L", "CMYK"])
def test_other_colours_become_rgb(mode: str) -> None:
    image = Image.fromarray(PIXELS).convert(mode)
    assert np.array_equal(read(saved(image, "TIFF")), image.convert("RGB"))


@pytest.mark.parametrize(("pixels", "kind"), [(np.full((9, 9), 4000, "u2"), "PNG"), (np.ones((9, 9), "f4"), "TIFF")])
def test_more_than_8_bits_are_refused_from_the_disk_too(tmp_path: Path, pixels: np.ndarray, kind: str) -> None:
    deep = saved(Image.fromarray(pixels), kind)
    put_folder(tmp_path, tree("ab", 1, 1) | {"train/a/0.png": deep})
    says = r"train/a/0\.png has more than 8 bits a colour; save it with 8"
    with pytest.raises(DataError, match=says):
        imagenet.decode(tmp_path / "train" / "a" / "0.png", 9)
    with pytest.raises(DataError, match=says):
        read_image_folder(tmp_path, 4, fit=True)


def test_a_large_jpeg_is_decoded_no_larger_than_it_need_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor smaller than twice what is wanted. One that would be over the limit whole is read, a PNG is not."""
    photo = Image.linear_gradient("L").convert("RGB").resize((1600, 800), BILINEAR)
    jpeg, png = saved(photo, "JPEG"), saved(photo, "PNG")
    for enough, width in ((0, 1600), (50, 200), (51, 400), (100, 400), (200, 800), (201, 1600), (999, 1600)):
        assert rgb("it", io.BytesIO(jpeg), "", enough)[0].size == (width, width // 2)
    monkeypatch.setattr(pictures, "LARGEST_PIXELS", 800 * 400)
    assert rgb("it", io.BytesIO(jpeg), "", 200)[0].size == (800, 400)
    for content, enough in ((jpeg, 201), (jpeg, 0), (png, 20)):
        with pytest.raises(DataError, match="it is 1600x800 pixels, over 0 million; scale it down"):
            rgb("it", io.BytesIO(content), "", enough)


def test_pillows_own_limit_and_the_warnings_are_as_they_were() -> None:
    before = Image.MAX_IMAGE_PIXELS, warnings.filters[:]
    read(saved(Image.fromarray(PIXELS), "PNG"))
    with pytest.raises(DataError, match="it is not a readable image; get it again"):
        read(b"text")
    assert (Image.MAX_IMAGE_PIXELS, warnings.filters[:]) == before and before[0] is not None
