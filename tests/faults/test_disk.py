"""A disk that is full or read-only: one sentence, nothing lost, and it goes on when it can be written to again.

The network is cut all the while: training, notebooks, figures and report need none.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sweeps import apart_from_timings, records

from lab.records import store

OWN = ("unshare", "--map-root-user", "--mount", "--net")
HERE = Path(__file__).parent


def can_mount() -> bool:
    if not shutil.which("unshare"):
        return False
    command = [*OWN, "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="the system lets nobody but root mount a small disk or cut the network")
def test_full_then_read_only_then_as_if_nothing_had_been(undisturbed: Path, folder: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1]), "OMP_NUM_THREADS": "1"}
    command = [*OWN, sys.executable, str(HERE / "on_small_disk.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "exit codes: [1, 1, 0]"
    full, read_only = done.stderr.splitlines()
    place = folder / "build" / "smoke"
    assert full == (
        f"error: {place}/checkpoints cannot be written to (No space left on device); "
        "free some space there and call again"
    )
    assert read_only == (
        f"error: {place}/results cannot be written to (Read-only file system); "
        "make it a folder that you may write to and call again"
    )
    assert "fixed seed 0 goes on from iteration 1\n" in done.stdout, "the checkpoint that fitted was kept"
    left = [apart_from_timings(record) for record in store.load_all(folder / "results")]
    assert left == records(undisturbed)
