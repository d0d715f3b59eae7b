"""Imagenette: ten classes of ImageNet that are easy to tell apart, from a 128 px copy or fast.ai's folders."""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

from lab import paths
from lab.data.arrays import Arrays, DataError
from lab.data.download import TIMEOUT
from lab.data.folders import again, expanded, is_archive, read_image_folder
from lab.files import alone, put_in_place, reason

SIDE = 128
LABELS = {"imagenette-128": "Imagenette, 128 px", "imagenette-scaled": "Imagenette, scaled to 128 px"}
CLASSES = (
    *("n01440764", "n02102040", "n02979186", "n03000684", "n03028079"),
    *("n03394916", "n03417042", "n03425413", "n03445777", "n03888257"),
)
TRAIN, VAL = 9469, 3925  # images
WHOLE, PART = "imagenette2-160", ".imagenette.part"
REMEDY = "Put fast.ai's imagenette2-160 folder, or a copy of 128 px named imagenette-128*, into data/ or CLRLIB_DATA."


def find() -> tuple[str, Path] | None:
    """The data set's name and path: in the folder that CLRLIB_DATA names, else in data/."""
    named = os.environ.get("CLRLIB_DATA", "")
    for place in ([expanded(named)] if named else []) + [paths.DATA]:
        for name, pattern in (("imagenette-128", "imagenette-128*"), ("imagenette-scaled", "imagenette2*")):
            for path in sorted(place.glob(pattern)):
                if is_archive(path) or (path / "train").is_dir():
                    return name, path
    return None


def download() -> None:
    """fast.ai's imagenette2-160 into data/ (99 MB, once), by torchvision. A failure prints a line without an error."""
    from torchvision.datasets import Imagenette  # here: it takes as long to import as torch

    part, whole = paths.DATA / PART, paths.DATA / WHOLE
    try:
        with alone(paths.download_lock(paths.DATA), f"downloading {whole.name}"):
            if whole.exists():  # by the process that was waited for
                return
            shutil.rmtree(part, ignore_errors=True)  # what a killed download left
            try:
                print("data: downloading fast.ai's imagenette2-160 (99 MB)", flush=True)
                with socket_timeout(TIMEOUT):
                    for split in ("train", "val"):
                        Imagenette(part, split, "160px", download=split == "train")
                put_in_place(part / whole.name, whole)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    except (OSError, RuntimeError, HTTPException) as error:
        print(
            f"data: no Imagenette, its trainings are left out: it could not be downloaded ({reason(error)}). {REMEDY}"
        )


@contextmanager
def socket_timeout(seconds: float) -> Iterator[None]:
    """Limit the seconds without a byte in torchvision's download, which has no setting for that."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def read() -> tuple[str, str, Arrays, Path]:
    """Name, label, images and source. Raises DataError where it is missing or incomplete."""
    place = find()
    if place is None:
        raise DataError(f"Imagenette is not at {paths.shown(paths.DATA)}/. {REMEDY}")
    name, source = place
    arrays = read_image_folder(source, SIDE, fit=name == "imagenette-scaled")
    if arrays.classes != CLASSES:
        wrong = sorted(set(arrays.classes) ^ set(CLASSES))
        raise DataError(f"{source} is not Imagenette: class {wrong[0]!r} is missing or foreign; {again(source)}")
    if (len(arrays.train_labels), len(arrays.test_labels)) != (TRAIN, VAL):
        counts = f"{len(arrays.train_labels)} and {len(arrays.test_labels)}"
        raise DataError(f"{source} has {counts} images to train and test on, not {TRAIN} and {VAL}; {again(source)}")
    return name, LABELS[name], arrays, source
