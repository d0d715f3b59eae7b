"""Run a command while no other make in this folder sets up: two must not install into one .venv at a time.

python3 scripts/alone.py COMMAND ARGUMENT ...
"""

import fcntl
import subprocess
import sys
from pathlib import Path


def main(command: list[str]) -> int:
    """Wait for the lock, run the command, give its exit code."""
    try:
        lock = Path(".setup.lock").open("w")  # noqa: SIM115  # held until this process ends
    except OSError as error:
        sys.exit(f"error: this folder cannot be written to ({error.strerror}); make it writable and call again")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return subprocess.call(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
