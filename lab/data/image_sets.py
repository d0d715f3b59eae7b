"""Image sets as tensors: CIFAR-10 from disk or network, the user's own images, or scikit-learn's digits.

    images = load("cifar10", download=True).to("cuda")

CIFAR-10 is looked for in the folder or archive that CLRLIB_DATA names, then in data/, then on the network. An exact
copy and a re-encoded one are different data sets with different labels, and a broken source is always an error.
A .npz that CLRLIB_DATA names replaces it as the user's own data set, named by its content: "own-1a2b3c4d".
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from lab import paths
from lab.data import cifar100, cifar_archive, imagenet, imagenette
from lab.data.arrays import Arrays, DataError
from lab.data.download import Unavailable
from lab.data.folders import expanded, is_archive, read_image_folder
from lab.data.imagenet import StreamedImages
from lab.data.npz import OWN, is_npz, read_npz
from lab.data.order import Order, generator
from lab.paths import shown

__all__ = ["DataError", "ImageSet", "Images", "load"]

TRAIN_PER_CLASS, TEST_PER_CLASS = 5000, 1000
NAMES = {
    "original": ("cifar10", "CIFAR-10"),
    "jpeg": ("cifar10-jpeg", "CIFAR-10, JPEG copy"),
    "png": ("cifar10-png", "CIFAR-10, PNG copy"),
}
SETS = ("cifar10", "cifar100", "imagenette", "imagenet", "own", "digits", "digits-64")
REMEDY = "Put it there, set CLRLIB_DATA, or run with DATA=digits."


@dataclass(frozen=True, eq=False)
class ImageSet:
    """A data set in memory: images (N, 3, H, W) uint8, labels (N,) int64 that index `classes`."""

    name: str
    label: str  # for people, on figures and in tables
    classes: tuple[str, ...]
    train_images: torch.Tensor = field(repr=False)
    train_labels: torch.Tensor = field(repr=False)
    test_images: torch.Tensor = field(repr=False)
    test_labels: torch.Tensor = field(repr=False)
    sha256: str  # of train images, train labels, test images, test labels, in this order
    source: str  # for people: relative to the project, or a bare file name

    @property
    def side(self) -> int:
        """The side of an image, in pixels."""
        return self.train_images.shape[-1]

    @property
    def device(self) -> torch.device:
        """The device of the tensors."""
        return self.train_images.device

    def to(self, device: torch.device | str) -> "ImageSet":
        """The same set with its tensors on a device."""
        names = ("train_images", "train_labels", "test_images", "test_labels")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    def batches(self, order: Order, start: int, stop: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Images and labels of the training batches from start to before stop."""
        for batch in (order(t).to(self.device) for t in range(start, stop)):
            yield self.train_images[batch], self.train_labels[batch]

    def test_batches(self, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Images and labels of all test images, in order."""
        yield from zip(torch.split(self.test_images, size), torch.split(self.test_labels, size), strict=True)

    def beside(self, processes: int) -> "ImageSet":
        """Return the set itself: it has no workers to divide among the processes of this machine."""
        return self

    def loader_rate(self, batch: int) -> None:
        """Always None: images in memory need no loader."""

    def validation_split(self) -> "ImageSet":
        """The same set with a tenth of the training images, drawn once for all seeds, in place of the test images."""
        order = torch.randperm(len(self.train_labels), generator=generator(0, "validation split"))
        held_out, kept = (part.sort().values for part in order.tensor_split([len(order) // 10]))
        device = self.train_labels.device
        train, test = kept.to(device), held_out.to(device)
        return replace(
            self,
            train_images=self.train_images[train],
            train_labels=self.train_labels[train],
            test_images=self.train_images[test],
            test_labels=self.train_labels[test],
        )

    def without_validation(self) -> "ImageSet":
        """The same set without the tenth of validation_split."""
        split = self.validation_split()
        return replace(split, test_images=self.test_images, test_labels=self.test_labels)

    def test_share(self, share: Callable[[torch.Tensor], torch.Tensor]) -> "ImageSet":
        """The same set with a share of the test images."""
        return replace(self, test_images=share(self.test_images), test_labels=share(self.test_labels))

    def mean_image(self) -> torch.Tensor:
        """The mean of the training images, pixel by pixel: (3, H, W) float32, from an exact sum."""
        total = torch.zeros_like(self.train_images[0], dtype=torch.int64)
        for some in torch.split(self.train_images, 500):  # all at once would be a copy eight times the set's size
            total += some.sum(0, dtype=torch.int64)
        return (total.double() / len(self.train_images)).float()


Images = ImageSet | StreamedImages


def load(wanted: str = "cifar10", *, download: bool = False, fallback: bool = False) -> Images:
    """Load one of SETS ("digits-64": 64 pixels a side), and say in one line what came from where.

    Sources of CIFAR-10, in order: CLRLIB_DATA ("digits" asks for those instead), data/, the network (only with
    download=True). fallback=True loads the digits, with a warning line, where CIFAR-10 is missing. Raises DataError
    for a missing data set otherwise, and always for a broken source.

    >>> load("digits").train_images.shape
    data: scikit-learn digits, 32x32: 1437 train and 360 test images, from scikit-learn
    torch.Size([1437, 3, 32, 32])
    """
    images: Images
    if wanted == "digits-64":
        images = _digits(side=64)
    elif wanted == "digits" or os.environ.get("CLRLIB_DATA") == "digits":
        images = _digits()
    elif wanted == "imagenette":
        name, label, arrays, source = imagenette.read()
        images = _image_set(name, label, arrays, shown(source))
    elif wanted == "imagenet":
        images = imagenet.read()
    elif wanted == "cifar100":
        arrays, source = cifar100.read()
        images = _image_set("cifar100", "CIFAR-100", arrays, shown(source))
    elif wanted in ("cifar10", OWN):
        images = _cifar10(download, fallback and wanted != OWN)
        if wanted == OWN and not images.name.startswith(OWN):
            raise DataError(
                f"what is asked for is data of one's own, but here is {images.label}; set CLRLIB_DATA to it"
            )
    else:
        raise DataError(f"data set {wanted!r} is not known; give one of {', '.join(SETS)}")
    counts = f"{len(images.train_labels)} train and {len(images.test_labels)} test images"
    print(f"data: {images.label}: {counts}, from {images.source}")
    return images


def find() -> tuple[Callable[[Path], Arrays], Path] | None:
    """The reader and path of CIFAR-10 in the place that CLRLIB_DATA names, else in data/. Reads no images.

    Raises DataError where CLRLIB_DATA names a place without it.
    """
    named = os.environ.get("CLRLIB_DATA", "")
    if not named or imagenet.is_imagenet(expanded(named)):
        return _find(paths.DATA)
    if source := _find(expanded(named)):
        return source
    raise DataError(
        f"CLRLIB_DATA is {named!r}, where there is no CIFAR-10; name its folder, archive or .npz, or unset it"
    )


def _cifar10(download: bool, fallback: bool) -> ImageSet:
    if source := find():
        return _checked(*source)
    try:
        if not download:
            raise Unavailable("run `make data` to download it")
        return _checked(cifar_archive.read_archive, cifar_archive.download(paths.DATA))
    except Unavailable as why:
        missing = f"CIFAR-10 is not at {shown(paths.DATA)}/{' and could not be downloaded' * download} ({why})."
        if not fallback:
            raise DataError(f"{missing} {REMEDY}") from why
    print(
        f"{'!' * 100}\n{missing}\nThe digits stand in for it: nothing below says anything about CIFAR-10.\n{'!' * 100}"
    )
    return _digits()


def _find(place: Path) -> tuple[Callable[[Path], Arrays], Path] | None:
    """The reader and path of CIFAR-10 at a place, the original before any copy. A .npz must be named itself."""
    if is_npz(place) and place.is_file():
        return partial(read_npz, size=32), place
    if (place / cifar_archive.FOLDER).is_dir():
        return cifar_archive.read_folder, place / cifar_archive.FOLDER
    for archive in (place, place / cifar_archive.ARCHIVE):
        if archive.name == cifar_archive.ARCHIVE and archive.is_file():
            return cifar_archive.read_archive, archive
    if is_archive(place) or ((place / "train").is_dir() and any((place / test).is_dir() for test in ("test", "val"))):
        return _read_copy, place
    copies = sorted(path for pattern in ("cifar10*", "cifar-10*") for path in place.glob(pattern) if is_archive(path))
    return (_read_copy, copies[0]) if copies else None


def _read_copy(source: Path) -> Arrays:
    return read_image_folder(source, size=32)


def _checked(read: Callable[[Path], Arrays], source: Path) -> ImageSet:
    """Read a source; refuse anything but the whole of CIFAR-10 or the user's own .npz."""
    arrays = read(source)
    if arrays.encoding == OWN:
        return _own(arrays, source)
    if arrays.classes != cifar_archive.CLASSES:
        wrong = sorted(set(arrays.classes) ^ set(cifar_archive.CLASSES))
        raise DataError(f"{source} is not CIFAR-10: class {wrong[0]!r} is missing or foreign; give a complete copy")
    if arrays.encoding not in NAMES:
        raise DataError(f"{source} is of {arrays.encoding} files; give a copy that is all JPEG or all PNG")
    for split, labels, count in (
        ("train", arrays.train_labels, TRAIN_PER_CLASS),
        ("test", arrays.test_labels, TEST_PER_CLASS),
    ):
        for label, number in zip(arrays.classes, np.bincount(labels, minlength=10), strict=True):
            if number != count:
                raise DataError(f"{source}: {split}/{label} has {number} images, not {count}; give a complete copy")
    return _image_set(*NAMES[arrays.encoding], arrays, shown(source))


def _digits(side: int = 32) -> ImageSet:
    """The 8x8 digits of scikit-learn, each pixel drawn as a square; every fifth image is a test image."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    grey = np.round(bunch.images * (255 / 16)).astype(np.uint8).repeat(side // 8, axis=1).repeat(side // 8, axis=2)
    images, labels = np.repeat(grey[:, None], 3, axis=1), bunch.target.astype(np.int64)
    test = np.arange(len(labels)) % 5 == 0
    arrays = Arrays(tuple("0123456789"), "original", images[~test], labels[~test], images[test], labels[test])
    name = "digits" if side == 32 else f"digits-{side}"
    return _image_set(name, f"scikit-learn digits, {side}x{side}", arrays, "scikit-learn")


def from_folder(source: Path, side: int) -> ImageSet:
    """The user's own images, cut to side x side: a .npz, a folder or archive of train/<class>/* and test/<class>/*."""
    if is_npz(source):
        arrays = read_npz(source, side, fit=True)
        return _own(arrays, source) if arrays.encoding == OWN else _image_set(*NAMES["original"], arrays, shown(source))
    return _image_set(OWN, f"{source.name}, {side}x{side}", read_image_folder(source, side, fit=True), shown(source))


def _own(arrays: Arrays, source: Path) -> ImageSet:
    """An image set of the user's own, named by its content, so that records of different images are never mixed up."""
    label = f"{OWN} ({source.name}), {arrays.train_images.shape[3]}x{arrays.train_images.shape[2]}"
    return _image_set(f"{OWN}-{arrays.sha256[:8]}", label, arrays, shown(source))


def _image_set(name: str, label: str, arrays: Arrays, source: str) -> ImageSet:
    train = torch.from_numpy(arrays.train_images), torch.from_numpy(arrays.train_labels)
    test = torch.from_numpy(arrays.test_images), torch.from_numpy(arrays.test_labels)
    return ImageSet(name, label, arrays.classes, *train, *test, arrays.sha256, source)
