"""The user's ImageNet, train/<wnid>/*.JPEG and val/<wnid>/*.JPEG: too large for memory, so decoded during training.

Several worker processes decode ahead of the training. Each image is scaled to 256x256 pixels, both sides, as Caffe's
ImageNet script does, by Pillow's bilinear filter.
"""

import io
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from lab import paths
from lab.data.arrays import DataError
from lab.data.folders import expanded, listed, printable
from lab.data.order import BatchOrder, Order, generator
from lab.data.pictures import rgb
from lab.files import sealed, unsealed, write_atomically

FOLDERS, SPLITS, CLASSES = ("imagenet", "ILSVRC2012"), ("train", "val"), 1000
SIDE = 256  # pixels
SAMPLE = 10_000  # images that the mean image is of
TIMED = 24  # batches that the loader's rate is measured on, or a few more
REMEDY = "Put it there as a folder named imagenet, with train/<class>/* and val/<class>/*, or name it in CLRLIB_DATA."


@dataclass(frozen=True, eq=False)
class StreamedImages:
    """A data set on disk, with the interface of an ImageSet. workers: processes that decode; 0 decodes in this one."""

    folder: Path
    classes: tuple[str, ...]
    train_files: np.ndarray = field(repr=False)  # names in the folder; strings in one block, which no worker copies
    train_labels: Tensor = field(repr=False)
    test_files: np.ndarray = field(repr=False)
    test_labels: Tensor = field(repr=False)
    sha256: str  # of the sorted names and sizes of the files, not of what is in them
    source: str
    workers: int
    side: int = SIDE
    name: str = "imagenet"
    label: str = "ImageNet"

    @property
    def device(self) -> torch.device:
        """The device that the batches go to."""
        return self.train_labels.device

    @property
    def train_images(self) -> Tensor:
        raise ValueError(f"{self.label} is not held in memory; train a net that needs no more than the mean image")

    def to(self, device: torch.device | str) -> "StreamedImages":
        """The same set, its batches on a device."""
        return replace(self, train_labels=self.train_labels.to(device), test_labels=self.test_labels.to(device))

    def validation_split(self) -> "StreamedImages":
        raise ValueError(f"{self.label} has no training images held out; leave test_on and hold_out as they are")

    without_validation = validation_split

    def test_share(self, share: Callable[[Any], Any]) -> "StreamedImages":
        """The same set with a share of the test images."""
        return replace(self, test_files=share(self.test_files), test_labels=share(self.test_labels))

    def batches(self, order: Order, start: int, stop: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels of the batches from start to before stop."""
        batches = map(order, range(start, stop))
        return self._load(self.train_files, self.train_labels, batches, stop - start)

    def test_batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Images and labels of all test images, in order."""
        batches = torch.split(torch.arange(len(self.test_files)), size)
        return self._load(self.test_files, self.test_labels, batches, len(batches))

    def beside(self, processes: int) -> "StreamedImages":
        """The same set with workers for one of several processes of this machine."""
        return replace(self, workers=max(1, joblib.cpu_count() // processes - 1)) if processes > 1 else self

    def mean_image(self) -> Tensor:
        """The mean of SAMPLE training images, drawn once for all: (3, side, side) float32, kept in data/cache/."""
        kept = paths.cached(f"{self.name}-{self.side}-mean-of-{SAMPLE}-{self.sha256[:16]}.npy.sealed")
        content = unsealed(kept.read_bytes()) if kept.exists() else None
        if content is None:
            if kept.exists():
                print(f"data: the mean image {paths.shown(kept)} is damaged; made again", flush=True)
            file = io.BytesIO()
            np.save(file, self._mean_of_sample().numpy())
            content = file.getvalue()
            write_atomically(kept, sealed(file))
        return torch.from_numpy(np.load(io.BytesIO(content))).to(self.device)

    def loader_rate(self, batch: int) -> float:
        """Images a second that all workers decode on an idle machine: the limit of any training."""
        workers = max(1, self.workers)
        rounds = -(-TIMED // workers)  # whole ones: the workers finish theirs at about the same time
        batches = self.batches(BatchOrder(len(self.train_files), batch, 0, "once"), 0, workers * (1 + rounds))
        for _ in islice(batches, workers):  # until each of them has started
            pass
        started = time.perf_counter()
        images = sum(len(labels) for _, labels in batches)
        return images / (time.perf_counter() - started)

    def _mean_of_sample(self) -> Tensor:
        drawn = torch.randperm(len(self.train_files), generator=generator(0, "mean image"))[:SAMPLE]
        total = torch.zeros((3, self.side, self.side), dtype=torch.int64, device=self.device)
        print(f"data: taking the mean of {len(drawn):,} images, once", flush=True)
        parts = tqdm(torch.split(drawn, 100), "mean image", unit=" batches", leave=False, disable=None)
        for images, _ in self._load(self.train_files, self.train_labels, parts, len(parts)):
            total += images.sum(0, dtype=torch.int64)
        return (total.double() / len(drawn)).float().cpu()

    def _load(
        self, files: np.ndarray, labels: Tensor, batches: Iterable[Tensor], count: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images and labels of `count` batches of indices, on the device, decoded ahead."""
        loader: DataLoader[Any] = DataLoader(
            _Decoded(self.folder, files, labels.cpu(), self.side),
            batch_size=None,  # an index of the data set is a whole batch
            sampler=(batch.tolist() for batch in batches),
            # no worker without a batch: when the garbage collector ends a loader that has one, the pipe to that worker
            # is closed twice, and the second time it may be another file's (torch 2.15, Python 3.11)
            num_workers=min(self.workers, count),
            pin_memory=self.device.type == "cuda",
            generator=generator(0, "loader"),  # else it would draw from the one that dropout draws from
        )
        for decoded in loader:
            if isinstance(decoded, DataError):
                raise decoded
            images, targets = decoded
            yield images.to(self.device, non_blocking=True), targets.to(self.device, non_blocking=True)


@dataclass(frozen=True, eq=False)
class _Decoded(Dataset[tuple[Tensor, Tensor] | DataError]):
    """Batches by the indices of their images. Returns an error instead of raising it with a worker's traceback."""

    folder: Path
    files: np.ndarray
    labels: Tensor
    side: int

    def __getitem__(self, indices: list[int]) -> tuple[Tensor, Tensor] | DataError:
        images = torch.empty(len(indices), 3, self.side, self.side, dtype=torch.uint8)
        try:
            for image, name in zip(images, self.files[indices], strict=True):
                image.copy_(torch.from_numpy(decode(self.folder / name, self.side)))
        except DataError as error:
            return error
        return images, self.labels[indices]


def decode(path: Path, side: int) -> np.ndarray:
    """One image as (3, side, side) uint8 RGB. Raises DataError for one that is broken."""
    image, _ = rgb(printable(str(path)), path, "get it again")
    return np.array(image.resize((side, side), Image.Resampling.BILINEAR)).transpose(2, 0, 1)


def find() -> Path | None:
    """The folder that CLRLIB_DATA names, or one of FOLDERS in it, else one of FOLDERS in data/."""
    named = os.environ.get("CLRLIB_DATA", "")
    places = ([expanded(named)] if named else []) + [paths.DATA]
    return next(filter(is_imagenet, (place / name for place in places for name in ("", *FOLDERS))), None)


def is_imagenet(folder: Path) -> bool:
    """True where a folder has train/ and val/, and one of FOLDERS for a name or as many classes."""
    if not all((folder / split).is_dir() for split in SPLITS):
        return False
    return folder.name in FOLDERS or sum(entry.is_dir() for entry in os.scandir(folder / "train")) == CLASSES


def read() -> StreamedImages:
    """Read the data set. Raises DataError where it is missing or incomplete."""
    source = find()
    if source is None:
        raise DataError(f"ImageNet is not at {paths.shown(paths.DATA)}/. {REMEDY}")
    listing = {name: status.st_size for name, status in listed(source, SPLITS).items()}
    sizes = [{n: size for n, size in listing.items() if n.startswith(f"{split}/")} for split in SPLITS]
    classes = _classes(source, *sizes)
    labels = (torch.from_numpy(np.searchsorted(classes, [*map(_class, names)])) for names in sizes)
    files = (np.array([*names]) for names in sizes)
    digest = sha256(os.fsencode("\n".join(f"{name} {size}" for name, size in listing.items()))).hexdigest()
    workers = max(1, joblib.cpu_count() - 1)
    train, test = zip(files, labels, strict=True)
    return StreamedImages(source, tuple(classes), *train, *test, digest, paths.shown(source), workers)


def _classes(source: Path, *names: Iterable[str]) -> list[str]:
    """The classes, sorted, where both splits have images of all of them."""
    train, val = ({_class(name) for name in some} for some in names)
    for split, missing in (("train", val - train), ("val", train - val)):
        if missing:
            raise DataError(f"{source}: class {min(missing)!r} has no images in {split}/<class>/; get a complete copy")
    if len(train) != CLASSES:
        raise DataError(f"{source} has images of {len(train)} classes, not {CLASSES}; get a complete copy")
    return sorted(train)


def _class(name: str) -> str:
    return name.split("/")[1]
