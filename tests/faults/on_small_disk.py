"""In separate namespaces: the small sweep on a disk that is full, then read-only, then as it should be; no network.

    unshare --map-root-user --mount --net python on_small_disk.py FOLDER

Prints the three exit codes; leaves the results in FOLDER/results.
"""

import fcntl
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

from sweeps import make_small, reproduce_once

SIOCSIFFLAGS, UP_AND_RUNNING = 0x8914, 0x41


def loopback_alone() -> None:
    """The machine can reach itself, as a notebook's kernel must be reached, and nobody else."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", UP_AND_RUNNING))
    assert not Path("/proc/net/route").read_text().splitlines()[1:], "there is a way out"


def main(folder: Path) -> None:
    disk = folder / "build"
    disk.mkdir()

    def mount(*options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "none", disk], check=True)

    loopback_alone()
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
