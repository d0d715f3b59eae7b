"""Record, what a training produced."""

import dataclasses
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lab.experiments.run import Run
from lab.training.curves import OF_SNAPSHOTS, check_curves

HELD = {
    "run": {"experiment", "policy"},  # and more
    "data": {"name", "label", "sha256"},
    "machine": {"name", "device", "threads", "kernels"},
}


FORMAT = 2


class OtherFormat(ValueError):
    """A record that another version of clrlib wrote."""


@dataclass(frozen=True)
class Record:
    """The curves of a run, one value for each evaluation, and their origin.

    curves: "iteration" (steps done), "lr" (as read from the optimizer at the step just done), "test_accuracy"
    (fraction; of the images that the run was tested on, see test_on), "test_loss", "train_loss" (mean over the batches
    since the evaluation before); where the run keeps snapshots, one value for each of them so far:
    "snapshot_iteration", "ensemble_accuracy", "average_accuracy".
    diverged_at: the first iteration whose loss was not finite, else None; the curves end before it.
    seconds: of training and evaluating, over all sittings; iterations_per_second counts both.
    peak_memory: bytes, of the last sitting: "process", the most that its process ever held, earlier runs of that
    process included, None where the system does not say; on a GPU also "cuda", the most that its tensors took.
    machine: "kernels" are those of the CPU, or "torch".
    commits: of the code, one for each sitting that differed.
    """

    run: Run
    data: dict[str, Any]
    curves: dict[str, list[float]]
    diverged_at: int | None
    seconds: float
    iterations_per_second: float | None
    peak_memory: dict[str, int | None]
    machine: dict[str, Any]
    versions: dict[str, str]
    commits: list[dict[str, Any]]
    format: int = FORMAT

    @property
    def accuracy(self) -> float:
        """Accuracy (fraction) at the end, on the images that it was tested on; NaN where the run diverged."""
        return math.nan if self.diverged_at is not None else self.curves["test_accuracy"][-1]

    def accuracy_at(self, iteration: int, curve: str = "test_accuracy") -> float:
        """Accuracy (fraction) after an iteration. Raises ValueError where none was measured there."""
        measured = self.curves["iteration" if curve == "test_accuracy" else "snapshot_iteration"]
        if iteration not in measured:
            raise ValueError(f"{self.run.name} was not evaluated after {iteration} iterations; take one of {measured}")
        return self.curves[curve][measured.index(iteration)]

    def to_json(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "run": self.run.to_json()}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Record":
        form = content.get("format") if isinstance(content, dict) else None
        if type(form) is not int:
            raise ValueError("it has no format number")
        if form != FORMAT:
            mend = "update clrlib" if form > FORMAT else "delete it and train the run again"
            raise OtherFormat(f"record format is {form!r}, this clrlib reads {FORMAT}; {mend}")
        for part, names in HELD.items():
            held = content.get(part)
            if not isinstance(held, dict) or not held.keys() >= names:
                raise ValueError(f"its {part!r} does not hold {', '.join(sorted(names))}")
        check_curves(content.get("curves"))
        _check_origin(content)
        record = cls(**{**content, "run": Run.from_json(content["run"])})
        _check_end(record)
        return record


def _check_origin(content: dict[str, Any]) -> None:
    """Refuse data, machine, versions and commits that no training writes."""
    texts = {f"{part}'s {name}": content[part][name] for part in ("data", "machine") for name in HELD[part]}
    threads = texts.pop("machine's threads")
    if type(threads) is not int:
        raise ValueError(f"its machine's threads are {threads!r}, no number")
    versions, commits = content.get("versions"), content.get("commits")
    if not isinstance(versions, dict):
        raise ValueError("it has no versions")
    texts |= {f"version of {name}": version for name, version in versions.items()}
    for name, value in texts.items():
        if type(value) is not str:
            raise ValueError(f"its {name} is {value!r}, no text")
    memory = content.get("peak_memory")
    if not isinstance(memory, dict) or "process" not in memory or not all(map(_is_count_or_none, memory.values())):
        raise ValueError(f"its peak memory is {memory!r}, not bytes of the process")
    if not isinstance(commits, list) or not all(map(_is_commit, commits)):
        raise ValueError(f"its commits are {commits!r}, no list of commits")


def _is_count_or_none(value: Any) -> bool:
    return value is None or (type(value) is int and value > 0)


def _is_commit(commit: Any) -> bool:
    """True for what provenance.git gives; None is for what is outside a checkout."""
    return (
        isinstance(commit, dict)
        and isinstance(commit.get("commit", 0), str | None)
        and isinstance(commit.get("dirty", 0), bool | None)
    )


def _check_end(record: Record) -> None:
    """Refuse a record of a training that neither came to its end nor diverged."""
    run, curves, end = record.run, record.curves, record.diverged_at
    iteration = curves["iteration"]
    if any(type(t) is not int for t in iteration) or any(a >= b for a, b in pairwise([0, *iteration])):
        raise ValueError("its curve 'iteration' does not rise in whole numbers")
    if end is not None:
        if type(end) is not int or not 0 <= end <= run.iterations:
            raise ValueError(f"diverged_at is {end!r}, no iteration of the run")
        return
    if iteration[-1:] != [run.iterations]:
        raise ValueError(f"it ends after {[0, *iteration][-1]} of {run.iterations} iterations")
    for name in OF_SNAPSHOTS if run.snapshots else ():
        if len(values := curves.get(name, [])) != len(run.snapshots):
            raise ValueError(f"its curve {name!r} has {len(values)} values for {len(run.snapshots)} snapshots")
