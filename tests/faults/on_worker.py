"""Loaded by each Dask worker of the tests (dask worker --preload): a checkpoint after every iteration.

With ELSEWHERE set the worker is one that does not see the client's folder, and keeps its own there.
"""

import os
from pathlib import Path

from clrlib.lab import store, training


def dask_setup(worker: object) -> None:
    """Called once by Dask, which loads this file twice."""
    training.SECONDS_BETWEEN_CHECKPOINTS = 0.0
    if elsewhere := os.environ.get("ELSEWHERE"):
        is_dir = Path.is_dir
        Path.is_dir = lambda path: "client" not in path.parts and is_dir(path)  # type: ignore[method-assign]
        store.folder = lambda profile: Path(elsewhere, profile, "results")
