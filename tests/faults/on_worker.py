"""Loaded by each Dask worker of the tests (dask worker --preload): a checkpoint after every iteration.

With ELSEWHERE set the worker is one that does not see the client's folder, and keeps its files there. With HELD_UNTIL
set a long training stops after its first checkpoint until that file is there.
"""

import os
import time
from pathlib import Path

from lab.records import checkpoints, trainer
from lab.sweep import dask
from lab.training import loop


def dask_setup(worker: object) -> None:
    """Called once by Dask, which loads this file twice."""
    trainer.SECONDS_BETWEEN_CHECKPOINTS = 0.0
    if elsewhere := os.environ.get("ELSEWHERE"):
        dask._place = lambda run, folder: Path(elsewhere, run.profile, "results")
    save = checkpoints.save

    def hold(path: Path, training: loop.Training) -> None:
        save(path, training)
        while training.run.iterations > 12 and not Path(os.environ["HELD_UNTIL"]).exists():
            time.sleep(0.05)

    if "HELD_UNTIL" in os.environ:
        checkpoints.save = hold
