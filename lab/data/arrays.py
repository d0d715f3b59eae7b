"""A decoded image set, and its copy in data/cache/: mapped into memory, so that processes side by side share it."""

import hashlib
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from lab import paths
from lab.files import alone, put_in_place, reason
from lab.paths import shown

NAMES = ("train_images", "train_labels", "test_images", "test_labels")


class DataError(Exception):
    """A data set that is missing, damaged or another one: one sentence with the file and the remedy."""


@dataclass(frozen=True, eq=False)
class Arrays:
    """A decoded image set: images (N, 3, H, W) uint8, labels (N,) int64 that index `classes`."""

    classes: tuple[str, ...]
    encoding: str  # of the files it was read from: "jpeg", "png" or another, "mixed", "original" or "own"
    train_images: np.ndarray = field(repr=False)
    train_labels: np.ndarray = field(repr=False)
    test_images: np.ndarray = field(repr=False)
    test_labels: np.ndarray = field(repr=False)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the bytes of train images, train labels, test images, test labels, in this order."""
        digest = hashlib.sha256()
        for array in (getattr(self, name) for name in NAMES):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


def kept(key: str, decode: Callable[[], Arrays]) -> Arrays:
    """The result of decode, from its copy in data/cache/ where that verifies; else decode, and keep a copy there.

    key: identifies all that decode reads. Processes that use one copy share its memory. One process decodes while
    others wait. In a folder that cannot be written to no copy is kept, and the data are returned all the same.
    """
    copy = paths.cached(f"{key}.pt")
    if (arrays := _read(copy)) is not None:
        return arrays
    with ExitStack() as stack:
        try:
            stack.enter_context(alone(paths.lock(key, copy.parent), f"decoding {shown(copy)}"))
        except OSError as error:
            _tell_not_kept(copy, error)
            return decode()
        if (arrays := _read(copy)) is not None:  # by the process that was waited for
            return arrays
        arrays = decode()
        try:
            _write(copy, arrays)
        except OSError as error:
            _tell_not_kept(copy, error)
            return arrays
        return _read(copy) or arrays


def _seal(arrays: Arrays) -> str:
    """SHA-256 of everything in a copy."""
    return hashlib.sha256(repr((arrays.classes, arrays.encoding, arrays.sha256)).encode()).hexdigest()


def _read(copy: Path) -> Arrays | None:
    """The content of a copy, its arrays mapped from the file; None where it is missing or does not verify."""
    if not copy.exists():
        return None
    with suppress(Exception):  # a damaged file can raise anything
        saved = torch.load(copy, map_location="cpu", mmap=True, weights_only=True)
        arrays = Arrays(tuple(saved["classes"]), saved["encoding"], *(saved[name].numpy() for name in NAMES))
        if saved["seal"] == _seal(arrays):
            return arrays
    print(f"data: the decoded copy {shown(copy)} is damaged; decoding again", flush=True)
    with suppress(OSError):
        copy.unlink(missing_ok=True)
    return None


def _write(copy: Path, arrays: Arrays) -> None:
    """Write a copy, complete or not at all. It is never changed in place: other processes have it mapped."""
    part = copy.with_name(f".{copy.stem}.part")
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        with part.open("wb") as file:
            saved = {name: torch.from_numpy(getattr(arrays, name)) for name in NAMES}
            torch.save({"classes": arrays.classes, "encoding": arrays.encoding, "seal": _seal(arrays), **saved}, file)
        put_in_place(part, copy)
    finally:
        part.unlink(missing_ok=True)


def _tell_not_kept(copy: Path, error: OSError) -> None:
    print(f"data: no decoded copy is kept, {shown(copy.parent)} cannot be written ({reason(error)})", flush=True)
