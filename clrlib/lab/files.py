"""Files that are whole or not there."""

import errno
import json
import os
import tempfile
from pathlib import Path
from typing import Any


def write_atomically(path: Path, content: bytes) -> None:
    """Write content to path: to a temporary file beside it, flushed to disk, then renamed into place.

    Raises OSError, one sentence with the folder and the mend, where that cannot be done; what was there is still there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, content)
    except OSError as error:
        raise _cannot_write(path.parent, error) from error


def check_writable(folder: Path) -> None:
    """Refuse a folder that takes no file now, before hours of work for it; leaves nothing and makes no folder."""
    try:
        there = next(place for place in (folder, *folder.parents) if place.exists())
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(2**20))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _cannot_write(folder, error) from error


def reason(error: BaseException) -> str:
    """What an error says, without its number.

    >>> reason(OSError(28, "No space left on device")), reason(ValueError("no number"))
    ('No space left on device', 'no number')
    """
    return getattr(error, "strerror", None) or str(error)


def _cannot_write(folder: Path, error: OSError) -> OSError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    mend = "free some space there" if full else "make it a folder that you may write to"
    return OSError(f"{folder} cannot be written to ({reason(error)}); {mend} and call again")


def _write(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)  # the 0600 of temporary files would keep a shared folder's other readers out
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def to_json(content: dict[str, Any]) -> bytes:
    """Strict JSON (no NaN), one line for each key.

    >>> to_json({"a": 1, "b": [2, 3]})
    b'{\\n "a": 1,\\n "b": [2, 3]\\n}\\n'
    """
    lines = (f" {json.dumps(key)}: {json.dumps(value, allow_nan=False)}" for key, value in content.items())
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()
