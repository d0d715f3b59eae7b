"""CIFAR-100, read by torchvision from its archive or folder."""

import os
from pathlib import Path

import numpy as np

from lab import paths
from lab.data.arrays import Arrays, DataError
from lab.data.folders import expanded
from lab.files import reason

FOLDER, ARCHIVE = "cifar-100-python", "cifar-100-python.tar.gz"
REMEDY = f"Put {ARCHIVE} there, or set CLRLIB_DATA."


def find() -> Path | None:
    """The folder that holds it, unpacked or not: the one that CLRLIB_DATA names, else data/."""
    named = os.environ.get("CLRLIB_DATA", "")
    places = ([expanded(named)] if named else []) + [paths.DATA]
    return next((place for place in places if (place / FOLDER).is_dir() or (place / ARCHIVE).is_file()), None)


def read() -> tuple[Arrays, Path]:
    """Images and source. Raises DataError where it is missing or differs from the published files (MD5)."""
    from torchvision.datasets import CIFAR100  # here: it takes as long to import as torch
    from torchvision.datasets.utils import check_integrity

    place = find()
    if place is None:
        raise DataError(f"CIFAR-100 is not at {paths.shown(paths.DATA)}/. {REMEDY}")
    unpack = not (place / FOLDER).is_dir()
    if unpack and not os.access(place, os.W_OK):
        raise DataError(
            f"{place} cannot be written to; unpack {ARCHIVE} there yourself, or copy it to {paths.shown(paths.DATA)}/"
        )
    try:
        if unpack and not check_integrity(place / ARCHIVE, CIFAR100.tgz_md5):  # torchvision would download another
            raise RuntimeError(f"its MD5 is not {CIFAR100.tgz_md5}")
        train, test = (CIFAR100(place, train=split, download=unpack) for split in (True, False))
    except (RuntimeError, OSError) as error:
        raise DataError(
            f"{place / (ARCHIVE if unpack else FOLDER)} is not whole ({reason(error)}); get it again"
        ) from error
    splits = (
        (np.ascontiguousarray(s.data.transpose(0, 3, 1, 2)), np.array(s.targets, np.int64)) for s in (train, test)
    )
    return Arrays(tuple(train.classes), "original", *next(splits), *next(splits)), place / FOLDER
