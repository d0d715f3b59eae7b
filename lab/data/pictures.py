"""One encoded image, of any kind that Pillow decodes, as RGB pixels."""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageOps, UnidentifiedImageError

from lab.data.arrays import DataError
from lab.files import reason

KINDS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF", "PPM", "GIF", "AVIF", "JPEG2000", "TGA", "QOI", "PCX", "SGI")
LARGEST_PIXELS = 2**26  # of an image as it is decoded, 200 MB in RGB; more is taken for an image bomb
BACKGROUND = "white"  # below transparent pixels


@cache
def suffixes() -> frozenset[str]:
    """The suffixes of KINDS' files, as far as this Pillow has their decoders; ".mpo" is a JPEG of several frames."""
    Image.init()  # here: of all decoders, 5 MB
    kinds = Image.registered_extensions().items()
    return frozenset(suffix for suffix, kind in kinds if kind in KINDS and kind in Image.OPEN) | {".mpo"}


def rgb(name: str, file: Path | BinaryIO, remedy: str, enough: int = 0) -> tuple[Image.Image, str]:
    """An image as Pillow's RGB, and its kind ("JPEG") by its content, not by its name.

    Rotated upright (EXIF), transparent parts filled with BACKGROUND, the first of several frames.
    name, remedy: for the error. enough: pixels of the shorter side; a JPEG that has over twice as many is decoded at a
    half, a quarter or an eighth of its size.
    Raises DataError for an image that is broken, has more than LARGEST_PIXELS to decode or over 8 bits a colour.
    """
    try:
        with _of_any_size(), Image.open(file, formats=KINDS) as image:
            kind = "JPEG" if image.format == "MPO" else str(image.format)
            if enough:
                scale = 2 * enough / min(image.size)
                image.draft(None, (round(scale * image.width), round(scale * image.height)))
            if image.width * image.height > LARGEST_PIXELS:
                what = f"{name} is {image.width}x{image.height} pixels, over {LARGEST_PIXELS / 1e6:.0f} million"
                raise DataError(f"{what}; scale it down, or remove it where you do not know it")
            if image.mode.startswith(("I", "F")):  # Pillow would make all above 255 white
                raise DataError(f"{name} has more than 8 bits a colour; save it with 8")
            return _opaque(ImageOps.exif_transpose(image)), kind
    except UnidentifiedImageError as error:
        raise DataError(f"{name} is not a readable image; {remedy}") from error
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, EOFError, IndexError, struct.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(f"{name} cannot be read ({reason(error)}); allow that, or get it again") from error
        raise DataError(f"{name} is not a readable image ({reason(error)}); {remedy}") from error


def _opaque(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    below = Image.new("RGBA", image.size, BACKGROUND)
    return Image.alpha_composite(below, image.convert("RGBA")).convert("RGB")


@contextmanager
def _of_any_size() -> Iterator[None]:
    """Open a header of any stated size. LARGEST_PIXELS limits the decoded size, which Pillow's limit does not."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on odd metadata; pixels that cannot be read raise
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before
