"""Files that are complete or absent, and locks for work that one process does at a time."""

import errno
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

DIGEST = 32  # bytes of a SHA-256


class Busy(Exception):
    """Another process holds the lock."""


def sealed(file: io.BytesIO) -> bytes:
    """The bytes that were written to file, and their SHA-256."""
    digest = hashlib.sha256(file.getbuffer()).digest()
    file.seek(0, io.SEEK_END)
    file.write(digest)
    return file.getvalue()


def unsealed(written: bytes) -> bytes | None:
    """The bytes that were sealed, or None where they are cut off or changed.

    >>> whole = sealed(io.BytesIO(b"weights"))
    >>> unsealed(whole), unsealed(whole[:-1]), unsealed(b"")
    (b'weights', None, None)
    """
    content, digest = written[:-DIGEST], written[-DIGEST:]
    return content if hashlib.sha256(content).digest() == digest else None


def write_atomically(path: Path, content: bytes, before: Path | None = None) -> None:
    """Write content to path: to a temporary file beside it, flushed to disk, then renamed into place.

    before: the name that the old file is kept under. Raises OSError, one sentence with the folder and the fix, and
    leaves the old file as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, content, before)
    except OSError as error:
        raise _cannot_write(path.parent, error) from error


def check_writable(folder: Path) -> None:
    """Refuse a folder that cannot be written to, before hours of work for it. Creates no file and no folder."""
    try:
        with tempfile.TemporaryFile(dir=nearest(folder)) as file:
            file.write(bytes(2**20))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _cannot_write(folder, error) from error


def nearest(folder: Path) -> Path:
    """The folder if it exists, else its nearest parent that exists."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def reason(error: BaseException) -> str:
    """The message of an error, without its number.

    >>> reason(OSError(28, "No space left on device")), reason(ValueError("no number"))
    ('No space left on device', 'no number')
    """
    return getattr(error, "strerror", None) or str(error)


def _cannot_write(folder: Path, error: OSError) -> OSError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    fix = "free some space there" if full else "make it a folder that you may write to"
    return OSError(f"{folder} cannot be written to ({reason(error)}); {fix} and call again")


def _write(path: Path, content: bytes, before: Path | None) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)  # the 0600 of temporary files would keep a shared folder's other readers out
            if before is not None and path.exists():
                path.replace(before)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    _flush_names(path.parent)


def put_in_place(part: Path, whole: Path) -> None:
    """Flush a finished file or folder to disk, then rename it: after a power cut it is complete or absent."""
    if part.is_file():
        with part.open("rb+") as file:
            os.fsync(file.fileno())
    elif hasattr(os, "sync"):  # all of a folder's files in one call; Windows has none
        os.sync()
    part.replace(whole)
    _flush_names(whole.parent)


def _flush_names(folder: Path) -> None:
    """Flush the new name to disk: else a power cut could lose a record whose checkpoint is already deleted."""
    if os.name == "nt":
        return  # it cannot open a folder
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def clear_remains(folder: Path, name: str = "") -> None:
    """Delete temporary files of these names that killed processes left. The caller holds the lock on them."""
    for left in folder.glob(f".{name}*.tmp"):
        left.unlink(missing_ok=True)


def set_aside(path: Path, why: Exception) -> None:
    """Rename a damaged file to <name>.damaged, replacing an earlier one, and print a line."""
    aside = path.with_name(f"{path.name}.damaged")
    path.replace(aside)
    print(f"{why}: set aside as {aside.name}", flush=True)


@contextmanager
def alone(lock: Path, what: str, seconds: float = -1) -> Iterator[None]:
    """Hold a lock against all processes that see the file, on this machine or another that shares the folder.

    The system releases it when the process dies, for whatever reason. what: the work, for the line that says which
    work is waited for. seconds: how long to wait, -1 for ever. Raises Busy where another process still holds it then,
    OSError where the file system has no locks (flock).
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock, fallback_to_soft=False)  # a soft one would outlive a machine that dies
    try:
        held.acquire(timeout=0)
    except Timeout as error:
        if not seconds:
            raise Busy(f"another process is {what}") from error
        print(f"another process is {what}; waiting for it", flush=True)
        try:
            held.acquire(timeout=seconds, poll_interval=0.2)
        except Timeout:
            raise Busy(f"another process is {what}") from error
    except OSError as error:
        if error.errno == errno.ENOSYS:
            fix = "mount it with flock, or work in another folder"
            raise OSError(f"{lock.parent} lies on a file system without locks; {fix}") from error
        raise
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)  # while it is held; who waits for a file that is gone tries again
        held.release()


def to_json(content: dict[str, Any]) -> bytes:
    """Strict JSON (no NaN), one line for each key.

    >>> to_json({"a": 1, "b": [2, 3]})
    b'{\\n "a": 1,\\n "b": [2, 3]\\n}\\n'
    """
    lines = (f" {json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in content.items())
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()
