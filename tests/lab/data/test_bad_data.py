"""Bad data, as one who calls a command meets it."""

import gzip
import hashlib
import io
import os
import pickle
import shutil
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import network
import pytest
from PIL import Image
from refusals import Act, Lab

from lab.data import cifar_archive, folders
from lab.data.cifar_archive import ARCHIVE, CLASSES, FOLDER
from lab.data.image_sets import DataError

CACHE = r"data/cache(/[0-9a-f]{64}\.pt)?"  # a decoded copy, kept for the next call


def picture(side: int = 32, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side)).save(file, kind)
    return file.getvalue()


def claims(side: int) -> bytes:
    """A PNG of a few bytes whose header says that it has so many pixels a side."""
    header = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    end = b"\0\0\0\0IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + end


def tree(lab: Lab, **files: bytes | None) -> Path:
    """CIFAR-10's classes with an image each, but for some files (airplane=..., as train/airplane/1.png)."""
    for split in ("train", "test"):
        for label in CLASSES:
            folder = lab.user / "images" / split / label
            folder.mkdir(parents=True)
            content = files.get(label, picture()) if split == "train" else picture()
            if content is not None:
                (folder / "1.png").write_bytes(content)
    lab.data(lab.user / "images")
    return lab.user / "images"


def member(name: str, content: bytes = b"", **settings: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in settings.items():
        setattr(info, key, value)
    return info, content


def archive(lab: Lab, *members: tuple[tarfile.TarInfo, bytes], name: str = "images.tar.gz") -> Path:
    path = lab.user / name
    with tarfile.open(path, "w:gz") as file:
        for info, content in (member("train/cat/1.png", picture()), *members):
            file.addfile(info, io.BytesIO(content))
    lab.data(path)
    return path


def original(lab: Lab, content: bytes, trusted: bool = True) -> None:
    """CIFAR-10's own archive in data/, all of whose batches are this."""
    names = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]
    path = archive(lab, *(member(f"{FOLDER}/{name}", content) for name in names), name=ARCHIVE)
    lab.patch.delenv("CLRLIB_DATA")
    shutil.move(path, lab.root / "data" / ARCHIVE)
    if trusted:
        found = hashlib.sha256((lab.root / "data" / ARCHIVE).read_bytes()).hexdigest()
        lab.patch.setattr(cifar_archive, "SHA256", found)


class Payload:
    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("owned",)  # in the current folder, the test's own


def cut(lab: Lab) -> None:
    path = archive(lab)
    path.write_bytes(path.read_bytes()[:-12])


def bomb(lab: Lab, size: int) -> None:
    """An archive whose one image says that it has so many bytes."""
    path = lab.user / "images.tar.gz"
    path.write_bytes(gzip.compress(member("train/cat/1.png", size=size)[0].tobuf() + bytes(1024)))
    lab.data(path)


def denied(lab: Lab, function: str, *names: str) -> None:
    """No permission for what lies under these names; as root chmod would change nothing."""
    real = getattr(Path, function)

    def refuse(self: Path, *arguments: Any, **settings: Any) -> Any:
        if self.name in names:
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, *arguments, **settings)

    lab.patch.setattr(Path, function, refuse)


def no_network(lab: Lab) -> None:
    network.sends(lab.patch, URLError(OSError(-2, "Name or service not known")))


def another_download(lab: Lab) -> None:
    network.sends(lab.patch, b"<html>Please log in to this network</html>")


def long_header(lab: Lab, *, name: str = "1.png", comment: str = "") -> None:
    """A header that tarfile would read whole, however large: a name, or anything else about a file."""
    lab.patch.setattr(tarfile, "DEFAULT_FORMAT", tarfile.PAX_FORMAT if comment else tarfile.GNU_FORMAT)
    archive(lab, member(f"train/dog/{name}", picture(), pax_headers={"comment": comment}))


def many_headers(lab: Lab) -> None:
    """A file that one header after another says something about."""
    path = lab.user / "images.tar.gz"
    header = member("header", size=512)[0]
    header.type = tarfile.GNUTYPE_LONGNAME
    path.write_bytes(gzip.compress((header.tobuf() + bytes(512)) * 2000))
    lab.data(path)


def small_limit(lab: Lab) -> None:
    lab.patch.setattr(folders, "LARGEST_ARCHIVE", 50)
    archive(lab)


def mixed(lab: Lab) -> None:
    folder = tree(lab) / "test" / "cat"
    (folder / "2.jpg").write_bytes(picture(kind="JPEG"))


def linked(kind: bytes) -> Act:
    return lambda lab: archive(lab, member("train/dog/1.png", type=kind, linkname="../../../secret"))


def named(name: str) -> Act:
    return lambda lab: archive(lab, member(name, picture()))


def other_kind(lab: Lab) -> None:
    (lab.user / "cifar.zip").write_bytes(b"PK\x03\x04")
    lab.data(lab.user / "cifar.zip")


def round_in_a_circle(lab: Lab) -> None:
    (lab.user / "circle").symlink_to("circle")
    lab.data(lab.user / "circle")


DO_NOT_TRUST = "do not trust this file"
CASES: dict[str, tuple[Act, str, str, str]] = {  # what is there; what is said; the fix; what may be made
    "archive cut": (cut, r"images\.tar\.gz is truncated or corrupt", "get it again", ""),
    "archive empty": (lambda lab: archive(lab).write_bytes(b""), r"images\.tar\.gz is truncated", "get it again", ""),
    "archive of another kind": (other_kind, r"CLRLIB_DATA is '.*cifar\.zip', where there is no CIFAR-10", "name", ""),
    "checksum": (
        lambda lab: original(lab, b"", trusted=False),
        rf"{ARCHIVE} has SHA-256 [0-9a-f]{{64}}, not 6d958be",
        rf"delete data/{ARCHIVE} and call `make data`",
        "",
    ),
    "payload": (
        lambda lab: original(lab, pickle.dumps(Payload())),
        rf"{ARCHIVE}: data_batch_1 is not a batch .*posix\.mkdir",
        DO_NOT_TRUST,
        "",
    ),
    "batch of text": (lambda lab: original(lab, b"text"), "data_batch_1 is not a batch", DO_NOT_TRUST, ""),
    "batch of few pixels": (
        lambda lab: original(lab, pickle.dumps({"data": [], "labels": []})),
        "data_batch_1 does not hold 10000 images of 3072 bytes",
        "get it again",
        "",
    ),
    "image bomb": (lambda lab: tree(lab, cat=claims(50_000)), "50000x50000 pixels, over 67 million", "scale it", ""),
    "mixed sizes": (lambda lab: tree(lab, cat=picture(31)), r"cat/1\.png is 31x31 pixels, not 32x32", "get the ri", ""),
    "text as image": (lambda lab: tree(lab, cat=b"my notes"), r"cat/1\.png is not a readable", "get it again", ""),
    "class empty": (lambda lab: tree(lab, cat=None), "class 'cat' has no images in train/", "get a complete copy", ""),
    "too few images": (tree, "train/airplane has 1 images, not 5000", "give a complete copy", CACHE),
    "two encodings": (mixed, "images is of mixed files", "give a copy that is all JPEG or all PNG", CACHE),
    "climbs out": (named("../../out.png"), r"member '../../out\.png' climbs out of the archive", DO_NOT_TRUST, ""),
    "absolute path": (named("/etc/out.png"), r"member '/etc/out\.png' climbs out of the archive", DO_NOT_TRUST, ""),
    "symbolic link": (linked(tarfile.SYMTYPE), r"'train/dog/1\.png' is a link or a device", "pack plain files", ""),
    "hard link": (linked(tarfile.LNKTYPE), r"'train/dog/1\.png' is a link or a device", "pack plain files", ""),
    "device": (linked(tarfile.CHRTYPE), r"'train/dog/1\.png' is a link or a device", "pack plain files", ""),
    "pipe": (linked(tarfile.FIFOTYPE), r"'train/dog/1\.png' is a link or a device", "pack plain files", ""),
    "huge member": (lambda lab: bomb(lab, 2**33), r"'train/cat/1\.png' is larger than \d+ bytes", "remove it", ""),
    "long comment": (lambda lab: long_header(lab, comment="c" * 2**17), "has a header of more than", DO_NOT_TRUST, ""),
    "long name": (lambda lab: long_header(lab, name="n" * 2**17), "has a header of more than", DO_NOT_TRUST, ""),
    "headers without end": (many_headers, "has a header of more than 65536 bytes", DO_NOT_TRUST, ""),
    "huge archive": (small_limit, "holds more than 50 bytes of images", DO_NOT_TRUST, ""),
    "folder missing": (lambda lab: lab.data(lab.user / "none"), "CLRLIB_DATA is '.*none', where there", "unset", ""),
    "folder empty": (lambda lab: lab.data(lab.user), "CLRLIB_DATA is '.*user', where there is no", "name its", ""),
    "link in a circle": (
        round_in_a_circle,
        "CLRLIB_DATA is '.*circle', where there is no CIFAR-10",
        "name its folder",
        "",
    ),
    "nobody's folder": (lambda lab: lab.data("~nobody-at-all/x"), "'~nobody-at-all/x', which leads", "name a f", ""),
    "archive locked": (
        lambda lab: denied(lab, "open", archive(lab).name),
        r"images\.tar\.gz cannot be read \(Permission denied\)",
        "give",
        "",
    ),
    "image locked": (
        lambda lab: denied(lab, "open", *[tree(lab).name, "1.png"]),
        r"train/airplane/1\.png cannot be read \(Permission denied\)",
        "allow that",
        "",
    ),
    "folder locked": (
        lambda lab: denied(lab, "is_dir", FOLDER),
        rf"data/{FOLDER} cannot be used \(Permission denied\)",
        "fix that",
        "",
    ),
    "no network": (
        no_network,
        r"CIFAR-10 is not at data/ and could not be downloaded \(no network: Name or service not known\)",
        "Put it there, set CLRLIB_DATA, or run with DATA=digits",
        "",
    ),
    "another file from the network": (another_download, "the download http.* has 42 bytes", "call again", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_data(case: str, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lab.root)
    there, says, does, made = CASES[case]
    there(lab)
    error = OSError if case == "folder locked" else DataError
    lab.refuses("data --profile paper", says, does, error=error, made=made or "(?!)")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission(lab: Lab) -> None:
    folder = tree(lab) / "train" / "cat"
    before = folder.stat().st_mode
    folder.chmod(0)
    try:
        lab.refuses("data --profile paper", "cat", "; ", error=DataError)
    finally:
        folder.chmod(before)
