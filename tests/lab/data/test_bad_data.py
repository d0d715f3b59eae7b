"""Bad data at the command: one sentence, and every file as it was. The readers' tests have all the other faults."""

import hashlib
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import network
import pytest
from refusals import Act, Lab
from trees import encoded, put_archive, put_folder, tree

from lab.data import cifar_archive
from lab.data.cifar_archive import ARCHIVE, CLASSES, FOLDER
from lab.data.image_sets import DataError

CACHE = r"data/cache(/[0-9a-f]{64}\.pt)?"  # a decoded copy, kept for the next call
DO_NOT_TRUST = "do not trust this file"


class Payload:
    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("owned",)  # in the current folder, which is the test's


def images(lab: Lab, **more: bytes) -> None:
    """CIFAR-10's classes with an image each, and more in train/cat/."""
    files = {f"train/cat/{name}.png": content for name, content in more.items()}
    lab.data(put_folder(lab.user / "images", tree(CLASSES, 1, 1, 32) | files))


def cut(lab: Lab) -> None:
    path = put_archive(lab.user / "images.tar.gz", tree(CLASSES, 1, 1, 32))
    path.write_bytes(path.read_bytes()[:-12])
    lab.data(path)


def original(lab: Lab, content: bytes, trusted: bool = True) -> None:
    """CIFAR-10's archive in data/, with this content for all its batches."""
    path = put_archive(lab.user / ARCHIVE, {f"{FOLDER}/{name}": content for name in cifar_archive.MD5})
    if trusted:
        lab.patch.setattr(cifar_archive, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    shutil.move(path, lab.root / "data" / ARCHIVE)


def locked_folder(lab: Lab) -> None:
    """No permission for CIFAR-10's folder; as root chmod would change nothing."""
    is_dir = Path.is_dir

    def refuse(path: Path) -> Any:
        if path.name == FOLDER:
            raise PermissionError(13, "Permission denied", str(path))
        return is_dir(path)

    lab.patch.setattr(Path, "is_dir", refuse)


def circle(lab: Lab) -> None:
    (lab.user / "circle").symlink_to("circle")
    lab.data(lab.user / "circle")


def no_network(lab: Lab) -> None:
    network.sends(lab.patch, URLError(OSError(-2, "Name or service not known")))


def login_page(lab: Lab) -> None:
    network.sends(lab.patch, b"<html>Please log in to this network</html>")


CASES: dict[str, tuple[Act, str, str, str]] = {  # the fault; the words for it; the remedy; the files that may be made
    "archive cut": (cut, r"images\.tar\.gz is truncated or corrupt", "get it again", ""),
    "checksum": (
        lambda lab: original(lab, b"", trusted=False),
        rf"{ARCHIVE} has SHA-256 [0-9a-f]{{64}}, not 6d958be",
        rf"delete data/{ARCHIVE} and call `make data`",
        "",
    ),
    "payload": (lambda lab: original(lab, pickle.dumps(Payload())), r"not a batch .*posix\.mkdir", DO_NOT_TRUST, ""),
    "another size": (lambda lab: images(lab, a=encoded((0, 0, 0), 31)), "is 31x31 pixels, not 32x32", "get the r", ""),
    "too few images": (images, "train/airplane has 1 images, not 5000", "give a complete copy", CACHE),
    "link in a circle": (circle, "CLRLIB_DATA is '.*circle', where there is no CIFAR-10", "name its folder", ""),
    "nobody's folder": (lambda lab: lab.data("~nobody-at-all/x"), "'~nobody-at-all/x' leads nowhere", "name a f", ""),
    "locked folder": (locked_folder, rf"data/{FOLDER} cannot be used \(Permission denied\)", "fix that", ""),
    "no network": (
        no_network,
        r"CIFAR-10 is not at data/ and could not be downloaded \(no network: Name or service not known\)",
        "Put it there, set CLRLIB_DATA, or run with DATA=digits",
        "",
    ),
    "another file from the network": (login_page, "the download http.* has 42 bytes", "call again", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_data(case: str, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lab.root)
    make, says, does, made = CASES[case]
    make(lab)
    error = OSError if case == "locked folder" else DataError
    lab.refuses("data --profile paper", says, does, error=error, made=made or "(?!)")
