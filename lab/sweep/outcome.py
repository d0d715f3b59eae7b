"""The outcome of a run in a sweep, and the interface of other machines that train runs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from lab.experiments.run import Run
from lab.files import Busy
from lab.records.record import Record
from lab.records.trainer import OutOfTime

Outcome = tuple[Run, Record | type[Busy] | type[OutOfTime]]


class Trainers(Protocol):
    """Other machines that train runs, such as a Dask cluster."""

    def places(self) -> int:
        """The number of runs that are trained at a time."""

    def train(self, runs: Sequence[Run], folder: Path, wait: bool) -> Iterator[Outcome]:
        """Train the runs; yield each with its outcome as it ends."""
