"""Files that are whole or not there."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any


def write_atomically(path: Path, content: bytes) -> None:
    """Write content to path: to a temporary file beside it, flushed to disk, then renamed into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
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
