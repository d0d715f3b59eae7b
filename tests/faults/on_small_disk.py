"""In a mount namespace of its own: the small sweep on a disk that is full, then read-only, then as it should be.

    unshare --map-root-user --mount python on_small_disk.py FOLDER

Prints the three exit codes; leaves the results in FOLDER/results.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from sweeps import make_small, reproduce_once


def main(folder: Path) -> None:
    disk = folder / "build"
    disk.mkdir()

    def mount(*options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "none", disk], check=True)

    make_small(folder)
    mount("size=1200k")  # room for one checkpoint, not for two
    codes = [reproduce_once()]
    mount("remount", "size=64m", "ro")
    codes.append(reproduce_once())
    mount("remount", "size=64m", "rw")
    codes.append(reproduce_once())
    shutil.copytree(disk / "smoke" / "results", folder / "results")
    print(f"exit codes: {codes}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
