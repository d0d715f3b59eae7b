"""The original CIFAR-10: nothing unchecked is opened, nothing in a pickle runs, no network is waited for."""

import hashlib
import io
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import network
import numpy as np
import pytest
import torchvision
from trees import put_archive, put_folder

from lab.data import cifar_archive
from lab.data.arrays import DataError
from lab.data.cifar_archive import ARCHIVE, FOLDER, MD5, Unpickler, download, read_archive, read_folder
from lab.data.download import Unavailable

PINNED = list(MD5.items())
Source = tuple[Callable[[Path], Any], Path]


@pytest.fixture(autouse=True)
def two_images_a_batch(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar_archive, "BATCH", 2)


def batch(k: int) -> bytes:
    """A pickled batch of the original's shape; every byte of an image is its batch's number."""
    return pickle.dumps({"data": np.full((2, 3072), k, np.uint8), "labels": [k] * 2}, protocol=2)


BATCHES = {name: batch(k) for k, name in enumerate(MD5)}


def write_archive(path: Path, files: dict[str, bytes]) -> Path:
    return put_archive(path, {f"{FOLDER}/{name}": content for name, content in reversed(files.items())})


def trust(monkeypatch: pytest.MonkeyPatch, archive: Path) -> None:
    """Pin the checksum of a made-up archive in place of the original's."""
    monkeypatch.setattr(cifar_archive, "SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    monkeypatch.setattr(cifar_archive, "SIZE", archive.stat().st_size)


@pytest.fixture(params=["archive", "folder"])
def source(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """BATCHES as a trusted archive or folder, and the function that reads it."""
    if request.param == "archive":
        trust(monkeypatch, archive=write_archive(tmp_path / ARCHIVE, BATCHES))
        return read_archive, tmp_path / ARCHIVE
    monkeypatch.setattr(cifar_archive, "MD5", {name: hashlib.md5(b).hexdigest() for name, b in BATCHES.items()})
    return read_folder, put_folder(tmp_path / FOLDER, BATCHES)


def test_batches_are_read_in_order(source: Source) -> None:
    read, path = source
    arrays = read(path)
    assert arrays.train_images.shape == (10, 3, 32, 32) and arrays.train_images.dtype == np.uint8
    assert arrays.train_images[:, 2, 31, 31].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert arrays.train_labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4] and arrays.train_labels.dtype == np.int64
    assert arrays.test_images[:, 0, 0, 0].tolist() == arrays.test_labels.tolist() == [5, 5]
    assert (len(arrays.classes), arrays.encoding) == (10, "original")


def test_the_pinned_checksums_are_torchvisions() -> None:
    cifar10 = torchvision.datasets.CIFAR10
    assert [(name, md5) for name, md5 in cifar10.train_list + cifar10.test_list] == PINNED
    assert cifar_archive.SHA256 == "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


@pytest.mark.parametrize("copied", [True, False])
def test_a_damaged_source_is_refused_before_unpickling(
    source: Source, monkeypatch: pytest.MonkeyPatch, copied: bool
) -> None:
    """A decoded copy saves opening a sound source, but is not taken for a damaged one."""
    read, path = source
    first = read(path).sha256 if copied else ""
    monkeypatch.setattr(cifar_archive, "_batch", None)
    if copied:
        assert read(path).sha256 == first
    damaged = path / "test_batch" if path.is_dir() else path
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"{damaged.name} has (SHA-256|MD5) [0-9a-f]+, not"):
        read(path)


def test_a_source_without_a_batch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {name: content for name, content in BATCHES.items() if name != "data_batch_3"}
    archive = write_archive(tmp_path / ARCHIVE, files)
    trust(monkeypatch, archive)
    with pytest.raises(DataError, match=f"has no {FOLDER}/data_batch_3; get it again"):
        read_archive(archive)
    with pytest.raises(DataError, match=r"data_batch_1 cannot be read .*; extract cifar"):
        read_folder(tmp_path)


# --- the unpickler -------------------------------------------------------------------------------------------------


class Payload:
    """Runs a command when an ordinary unpickler reads it."""

    def __init__(self, run: Callable[..., Any], *args: Any) -> None:
        self.call = run, args

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def test_os_system_payload_is_refused(tmp_path: Path) -> None:
    proof = tmp_path / "ran"
    payload = pickle.dumps({"data": Payload(os.system, f"touch {proof}"), "labels": []}, protocol=2)
    with pytest.raises(DataError, match=r"test_batch is not a batch of CIFAR-10 \(it asks for (posix|nt)\.system\)"):
        cifar_archive._batch("test_batch", payload)
    assert not proof.exists()
    pickle.loads(payload)  # noqa: S301  the payload is live: an ordinary unpickler runs it
    assert proof.exists()


@pytest.mark.parametrize(
    "payload", [Payload(eval, "1"), Payload(getattr, "x", "y"), Payload(np.load, "x"), Payload(__import__, "os")]
)
def test_only_names_on_the_list_are_loaded(payload: Payload) -> None:
    with pytest.raises(pickle.UnpicklingError, match="it asks for"):
        Unpickler(io.BytesIO(pickle.dumps(payload))).load()


def python_2_batch(labels: bytes, data: bytes) -> bytes:
    """A batch as Python 2 wrote it in 2009: byte strings, numpy.core, numbers for booleans."""

    def string(value: bytes) -> bytes:
        return b"T" + len(value).to_bytes(4, "little") + value

    count = len(labels)
    dtype = b"cnumpy\ndtype\n" + string(b"u1") + b"K\x00K\x01\x87R(K\x03" + string(b"|") + b"NNN"
    dtype += b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + string(b"b") + b"\x87R"
    array += b"(K\x01K" + bytes([count]) + b"M\x00\x0c\x86" + dtype + b"\x89" + string(data) + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + string(b"labels") + numbers + string(b"data") + array + b"u."


@pytest.mark.parametrize("numpy", [b"numpy.core", b"numpy._core"])
def test_batch_as_python_2_wrote_it_is_read(numpy: bytes) -> None:
    """Newer Pythons spell numpy's inner module with an underscore."""
    data = np.random.default_rng(0).integers(0, 256, (2, 3072), np.uint8)
    written = python_2_batch(bytes([3, 9]), data.tobytes()).replace(b"numpy.core", numpy)
    images, labels = cifar_archive._batch("a batch", written)
    assert np.array_equal(images, data.reshape(2, 3, 32, 32)) and labels.tolist() == [3, 9]


@pytest.mark.parametrize(
    "content",
    [
        {"data": np.zeros((2, 3072), np.uint8), "labels": [1]},
        {"data": np.zeros((3, 3072), np.uint8), "labels": [1] * 3},
        {"data": np.zeros((2, 3072), np.float32), "labels": [1, 1]},
        {"data": np.zeros((2, 100), np.uint8), "labels": [1, 1]},
        {"data": [1, 2], "labels": [1, 1]},
        {"labels": [1, 1]},
        [1, 2, 3],
    ],
)
def test_pickle_of_another_shape_is_refused_by_name(content: object) -> None:
    with pytest.raises(DataError, match="data_batch_2"):
        cifar_archive._batch("data_batch_2", pickle.dumps(content, protocol=2))


def test_cut_pickle_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="data_batch_2 is not a batch"):
        cifar_archive._batch("data_batch_2", batch(1)[:-10])


# --- the download --------------------------------------------------------------------------------------------------


def test_download_is_checked_and_named_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = write_archive(tmp_path / "made.tar.gz", BATCHES)
    trust(monkeypatch, made)
    addresses = network.sends(monkeypatch, made.read_bytes())
    folder = tmp_path / "new" / "data"
    assert download(folder) == folder / ARCHIVE
    assert [path.name for path in folder.iterdir()] == [ARCHIVE]
    assert len(read_archive(folder / ARCHIVE).test_labels) == 2
    assert addresses == [torchvision.datasets.CIFAR10.url], "its authors first"


def test_another_file_from_every_place_is_refused_and_removed(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = network.sends(monkeypatch, b"<html>Please log in to the hotel's network</html>")
    with pytest.raises(DataError, match=r"the download https://\S+ has 49 bytes, not 170498071"):
        download(data_folder)
    assert addresses == [torchvision.datasets.CIFAR10.url, *cifar_archive.MIRRORS]
    assert list(data_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (URLError("Name or service not known"), "no network: .*Name or service"),
        (URLError(OSError(-2, "Name or service not known")), "^no network: Name or service not known$"),
        (TimeoutError("timed out"), "^nothing came for 20 s$"),
        (ConnectionResetError("reset"), "no network: reset"),
        (HTTPError("https://x", 404, "Not Found", None, None), "^HTTP Error 404: Not Found"),  # type: ignore[arg-type]
        (OSError(28, "No space left on device"), "^No space left on device$"),
    ],
)
def test_failed_download_says_why_and_leaves_nothing(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    network.sends(monkeypatch, error)
    with pytest.raises(Unavailable, match=reason):
        download(data_folder)
    assert list(data_folder.iterdir()) == []
    (data_folder / "file").write_text("not a folder")
    with pytest.raises(Unavailable, match=r"File exists|Not a directory"):
        download(data_folder / "file")
