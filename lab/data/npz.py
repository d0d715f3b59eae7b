"""The user's own images in a .npz, whose headers are checked before the arrays are read."""

import math
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from PIL import Image, ImageOps

from lab.data import cifar_archive
from lab.data.arrays import Arrays, DataError
from lab.data.folders import LARGEST_ARCHIVE, LARGEST_SIDE
from lab.files import reason
from lab.paths import shown

NAMES = ("x_train", "y_train", "x_test", "y_test")
OWN = "own"  # the encoding, and how the name and label of such a set begin
Header = tuple[tuple[int, ...], np.dtype]


def is_npz(path: Path) -> bool:
    """True for a file that read_npz is for, by its name."""
    return path.suffix.lower() == ".npz"


def read_npz(source: Path, size: int, fit: bool = False) -> Arrays:
    """Images and labels: x_train and x_test uint8, (N, H, W, 3) or (N, 3, H, W); y_train and y_test whole numbers.

    The labels are (N,) or (N, 1) and number the classes from 0 on. size, fit: as for read_image_folder. The arrays of
    CIFAR-10 itself, in its own order, are CIFAR-10 ("original"), all others "own". Nothing is unpickled.
    Raises DataError for a file that is missing, cut off, too large or of another form.
    """
    try:
        with source.open("rb") as file, zipfile.ZipFile(file) as archive:
            headers = {name: _header(source, archive, name) for name in NAMES}
            if (total := sum(math.prod(shape) * dtype.itemsize for shape, dtype in headers.values())) > LARGEST_ARCHIVE:
                raise DataError(f"{source} holds {total} bytes, more than {LARGEST_ARCHIVE}; give fewer images")
            axes = [_axes(source, headers, *names) for names in (NAMES[:2], NAMES[2:])]
            read = {name: _array(archive, name) for name in NAMES}
    except DataError:
        raise
    except Exception as error:  # a damaged zip or array header can raise anything
        raise DataError(f"{source} cannot be read as a .npz ({reason(error)}); save it again by np.savez") from error
    x_train, x_test = (
        np.ascontiguousarray(read.pop(x).transpose(order)) for x, order in zip(NAMES[::2], axes, strict=True)
    )
    if x_train.shape[1:] != x_test.shape[1:]:
        sizes = " and ".join(f"{x.shape[3]}x{x.shape[2]}" for x in (x_train, x_test))
        raise DataError(f"{source}: x_train and x_test hold images of {sizes} pixels; give all one size")
    y_train, y_test = _labels(source, read["y_train"].reshape(-1), read["y_test"].reshape(-1))
    arrays = Arrays(tuple(map(str, range(y_train.max() + 1))), OWN, x_train, y_train, x_test, y_test)
    if arrays.sha256 == cifar_archive.DECODED_SHA256:
        print(f"data: what {shown(source)} holds is CIFAR-10 itself, by its SHA-256")
        arrays = replace(arrays, classes=cifar_archive.CLASSES, encoding="original")
    return _of_size(source, arrays, size, fit)


def _header(source: Path, archive: zipfile.ZipFile, name: str) -> Header:
    """Shape and type of an array. Reads at most 64 KB, the limit of a header of version 1.0."""
    try:
        member = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise DataError(f"{source} has no array {name}; save {', '.join(NAMES)} in it by np.savez") from None
    with archive.open(member) as file:
        if npy.read_magic(file) != (1, 0):
            raise DataError(f"{source}: {name} is not an array of numbers; save it again by np.savez")
        shape, _, dtype = npy.read_array_header_1_0(file)
        wanted, kinds = ("uint8", "u") if name in NAMES[::2] else ("whole numbers", "iu")
        if dtype.kind not in kinds or (wanted == "uint8" and dtype != np.uint8):
            what = f"{source}: {name} is of type {str(dtype)[:40]}, not {wanted}"
            pixels = "save pixels from 0 to 255 as np.uint8"
            raise DataError(f"{what}; {pixels if wanted == 'uint8' else 'save each label as the number of its class'}")
        if min(shape, default=0) < 1:
            raise DataError(f"{source}: {name} has shape {shape}, so it is empty; give at least one image")
        if (size := member.file_size - file.tell()) != math.prod(shape) * dtype.itemsize:
            raise DataError(f"{source}: {name} has shape {shape}, but {size} bytes; it is damaged, save it again")
    return shape, dtype


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    with archive.open(f"{name}.npy") as file:
        array: np.ndarray = npy.read_array(file, allow_pickle=False)
    return array


def _axes(source: Path, headers: dict[str, Header], x: str, y: str) -> tuple[int, ...]:
    """The order of the axes that makes the images (N, 3, H, W)."""
    (images, _), (labels, _) = headers[x], headers[y]
    if labels not in ((images[0],), (images[0], 1)):
        counts = f"{x} has shape {images}, {y} has shape {labels}"
        raise DataError(f"{source}: {counts}; give one label for each image, as ({images[0]},) or ({images[0]}, 1)")
    first, last = (len(images) == 4 and images[axis] == 3 for axis in (1, -1))
    if first == last:
        why = "could be either order of axes, so scale the images" if first else "has no axis of 3 colours in its place"
        raise DataError(f"{source}: {x} of shape {images} {why}; give (N, H, W, 3) or (N, 3, H, W)")
    if max(images[1:]) > LARGEST_SIDE:
        raise DataError(
            f"{source}: {x} has shape {images}; give images of at most {LARGEST_SIDE}x{LARGEST_SIDE} pixels"
        )
    return (0, 1, 2, 3) if first else (0, 3, 1, 2)


def _labels(source: Path, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels as int64, checked: 0, 1, ... in train, at least two, and no other in test."""
    classes = np.unique(train)
    fix = "number the classes from 0 on"
    if classes[0] < 0:
        raise DataError(f"{source}: y_train has the label {classes[0]}; {fix}")
    if gaps := [label for k, label in enumerate(classes.tolist()) if label != k]:
        missing = f"no image of class {classes.tolist().index(gaps[0])}"
        raise DataError(f"{source}: y_train has a class {gaps[0]}, but {missing}; {fix} without a gap")
    if len(classes) < 2:
        raise DataError(f"{source}: y_train holds one class, {classes[0]}; give images of two or more")
    if unknown := sorted(set(np.unique(test).tolist()) - set(classes.tolist())):
        raise DataError(f"{source}: y_test has a class {unknown[0]}, which y_train has not; {fix} in both alike")
    return train.astype(np.int64), test.astype(np.int64)


def _of_size(source: Path, arrays: Arrays, size: int, fit: bool) -> Arrays:
    height, width = arrays.train_images.shape[2:]
    if (height, width) == (size, size):
        return arrays
    if not fit:
        raise DataError(
            f"{source} holds images of {width}x{height} pixels, not {size}x{size}; scale them and save it again"
        )
    train, test = (_fitted(images, size) for images in (arrays.train_images, arrays.test_images))
    return replace(arrays, encoding=OWN, train_images=train, test_images=test)


def _fitted(images: np.ndarray, size: int) -> np.ndarray:
    """The shorter side scaled to size, then the centre, as of a folder's images."""
    fitted = np.empty((len(images), 3, size, size), np.uint8)
    for to, image in zip(fitted, images, strict=True):
        pixels = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
        to[:] = np.asarray(ImageOps.fit(pixels, (size, size), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    return fitted
