"""Record, the result of one training."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypedDict

from lab.experiments import as_json
from lab.experiments.run import Run
from lab.records.provenance import Commit, Machine, Memory
from lab.training.curves import OF_SNAPSHOTS, check_curves

FORMAT = 2


class OtherFormat(ValueError):
    """A record that another version of clrlib wrote."""


class Data(TypedDict):
    """The image set: its name, its name for people, and the SHA-256 of its pixels and labels."""

    name: str
    label: str
    sha256: str


@dataclass(frozen=True)
class Record:
    """The curves of a run, one value for each evaluation, and their origin.

    curves: "iteration" (steps done), "lr" (as read from the optimizer at the step just done), "test_accuracy"
    (fraction; of the images that the run was tested on, see test_on), "test_loss", "train_loss" (mean over the batches
    since the evaluation before); where the run keeps snapshots, one value for each of them so far:
    "snapshot_iteration", "ensemble_accuracy", "average_accuracy".
    diverged_at: the first iteration whose loss was not finite, else None; the curves end before it.
    seconds: of training and evaluating, over all sittings; iterations_per_second counts both.
    peak_memory: of the last sitting; "process" counts earlier runs of that process too.
    commits: of the code, one for each sitting that differed.
    """

    run: Run
    data: Data
    curves: dict[str, list[float]]
    diverged_at: int | None
    seconds: float
    iterations_per_second: float | None
    peak_memory: Memory
    machine: Machine
    versions: dict[str, str]
    commits: list[Commit]
    format: int = FORMAT

    @property
    def accuracy(self) -> float:
        """Accuracy (fraction) at the end, on the images that it was tested on; NaN where the run diverged."""
        return math.nan if self.diverged_at is not None else self.curves["test_accuracy"][-1]

    def accuracy_at(self, iteration: int, curve: str = "test_accuracy") -> float:
        """Accuracy (fraction) after an iteration. Raises ValueError where it was not measured."""
        measured = self.curves["iteration" if curve == "test_accuracy" else "snapshot_iteration"]
        if iteration not in measured:
            raise ValueError(f"{self.run.name} was not evaluated after {iteration} iterations; take one of {measured}")
        return self.curves[curve][measured.index(iteration)]

    def to_json(self) -> dict[str, Any]:
        content: dict[str, Any] = as_json.write(self)
        return content

    @classmethod
    def from_json(cls, content: Any) -> "Record":
        """The record. Raises OtherFormat, or ValueError for content that no finished training wrote."""
        form = content.get("format") if isinstance(content, dict) else None
        if type(form) is not int:
            raise ValueError("it has no format number")
        if form != FORMAT:
            advice = "update clrlib" if form > FORMAT else "delete it and train the run again"
            raise OtherFormat(f"record format is {form!r}, this clrlib reads {FORMAT}; {advice}")
        record = as_json.read(content, cls)
        check_curves(record.curves)
        _check_end(record)
        return record


def _check_end(record: Record) -> None:
    """Refuse a record of a training that neither came to its end nor diverged, or that took no memory."""
    run, curves, end, memory = record.run, record.curves, record.diverged_at, record.peak_memory
    if any(size is not None and size < 1 for size in (memory["process"], memory.get("cuda"))):
        raise ValueError(f"its peak memory is {memory}, not bytes of the process")
    iteration = curves["iteration"]
    if any(type(t) is not int for t in iteration) or any(a >= b for a, b in pairwise([0, *iteration])):
        raise ValueError("its curve 'iteration' does not rise in whole numbers")
    if end is not None:
        if not 0 <= end <= run.iterations:
            raise ValueError(f"diverged_at is {end!r}, no iteration of the run")
        return
    if iteration[-1:] != [run.iterations]:
        raise ValueError(f"it ends after {[0, *iteration][-1]} of {run.iterations} iterations")
    for name in OF_SNAPSHOTS if run.snapshots else ():
        if len(values := curves.get(name, [])) != len(run.snapshots):
            raise ValueError(f"its curve {name!r} has {len(values)} values for {len(run.snapshots)} snapshots")
