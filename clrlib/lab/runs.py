"""Run, the frozen description of one training, and Record, what it produced."""

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import clrlib
from clrlib import Function, Policy, Stages

CURVES = ("iteration", "lr", "test_accuracy", "test_loss", "train_loss")  # what every training measures
OF_SNAPSHOTS = ("snapshot_iteration", "ensemble_accuracy", "average_accuracy")  # what one that keeps them does too
HELD = {
    "run": {"experiment", "policy"},  # and more
    "data": {"name", "label", "sha256"},
    "machine": {"name", "device", "threads"},
}


class NewerFormat(ValueError):
    """A record that another version of clrlib wrote."""


@dataclass(frozen=True)
class Run:
    """All that decides a training's result, but for the machine. Another value anywhere is another run.

    experiment: the row of the catalogue it belongs to. profile: "paper", "quick" or "smoke". data: the image set's
    name. iterations, evaluate_every: optimizer steps. momentum: a number, or a policy of its own. shuffle: "once"
    (Caffe: one order, the same in each epoch) or "each epoch". precision: "float32" or "bfloat16" (the forward and
    backward pass; weights stay float32). test_on: "test", or "validation": a tenth of the training images, held out.
    snapshots: iterations after which the net is kept for the ensemble and the average of clrlib.lab.snapshots.
    hold_out: train without that tenth, though tested on the test images. Of the images, in training: flip: every
    second one is mirrored; shift: by up to so many pixels each way; crop: a part of so many pixels a side (0: all).
    """

    experiment: str
    policy: Policy
    iterations: int
    seed: int = 0
    profile: str = "paper"
    data: str = "cifar10"
    net: str = "caffe_cifar10_full"
    optimizer: str = "caffe_sgd"
    momentum: float | Policy = 0.9
    weight_decay: float = 0.004
    batch: int = 100
    shuffle: str = "once"
    precision: str = "float32"
    evaluate_every: int = 500
    test_on: str = "test"
    snapshots: tuple[int, ...] = ()
    hold_out: bool = False
    flip: bool = False
    shift: int = 0
    crop: int = 0

    def __post_init__(self) -> None:
        for name, least in (("seed", 0), ("iterations", 1), ("batch", 1), ("evaluate_every", 1)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise ValueError(f"{name} is {value!r}; give a whole number, {least} or more")

    @cached_property  # the tables ask for it thousands of times
    def name(self) -> str:
        """Experiment, policy, seed and a hash of every setting: the record's file name without its ending."""
        return f"{self.experiment}-{type(self.policy).__name__.lower()}-seed{self.seed}-{self.hash}"

    @property
    def hash(self) -> str:
        """First 8 digits of the SHA-256 of all settings; defaults are left out, so a new setting renames no old run."""
        defaults = {f.name: f.default for f in dataclasses.fields(self)} | {"snapshots": []}
        settings = {k: v for k, v in self.to_json().items() if v != defaults[k]}
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]

    def to_json(self) -> dict[str, Any]:
        settings = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        plain = {k: policy_to_json(v) if isinstance(v, Policy) else v for k, v in settings.items()}
        return {**plain, "snapshots": list(self.snapshots)}

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> "Run":
        known: dict[str, Any] = {k: policy_from_json(v) if isinstance(v, dict) else v for k, v in settings.items()}
        known["snapshots"] = tuple(settings.get("snapshots", ()))
        return cls(**known)


@dataclass(frozen=True)
class Record:
    """What a run produced: curves, one value for each evaluation, and where they come from.

    curves: "iteration" (steps done), "lr" (as read from the optimizer at the step just done), "test_accuracy"
    (fraction; of the images that the run was tested on, see test_on), "test_loss", "train_loss" (mean over the batches
    since the evaluation before); where the run keeps snapshots, one value for each of them so far:
    "snapshot_iteration", "ensemble_accuracy", "average_accuracy".
    diverged_at: the first iteration whose loss was not finite, else None; the curves end before it.
    seconds: of training and evaluating, over all sittings; iterations_per_second counts both.
    commits: of the code, one for each sitting that differed.
    """

    run: Run
    data: dict[str, Any]
    curves: dict[str, list[float]]
    diverged_at: int | None
    seconds: float
    iterations_per_second: float | None
    machine: dict[str, Any]
    versions: dict[str, str]
    commits: list[dict[str, Any]]
    format: int = 1

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
        if form != 1:
            raise NewerFormat(f"record format is {form!r}, this clrlib reads 1; update clrlib")
        for part, names in HELD.items():
            held = content.get(part)
            if not isinstance(held, dict) or not held.keys() >= names:
                raise ValueError(f"its {part!r} does not hold {', '.join(sorted(names))}")
        check_curves(content.get("curves"))
        _check_origin(content)
        record = cls(**{**content, "run": Run.from_json(content["run"])})
        _check_end(record)
        return record


def check_curves(curves: Any) -> None:
    """Refuse curves that no training leaves: one missing, of another length, without numbers, no accuracy."""
    if not isinstance(curves, dict) or (missing := [name for name in CURVES if name not in curves]):
        raise ValueError(f"it has no curve {missing[0]!r}" if isinstance(curves, dict) else "it has no curves")
    for name, values in curves.items():
        if not isinstance(values, list) or any(type(value) not in (int, float) for value in values):
            raise ValueError(f"its curve {name!r} is no list of numbers")
        if name in CURVES and len(values) != len(curves["iteration"]):
            raise ValueError(f"its curve {name!r} has {len(values)} values for {len(curves['iteration'])} evaluations")
        if name.endswith("accuracy") and not all(0 <= value <= 1 for value in values):
            raise ValueError(f"its curve {name!r} is no share of the images, from 0 to 1")


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
    if not isinstance(commits, list) or not all(map(_is_commit, commits)):
        raise ValueError(f"its commits are {commits!r}, no list of commits")


def _is_commit(commit: Any) -> bool:
    """Whether it is what provenance.git gives; None is for what is outside a checkout."""
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


def policy_to_json(policy: Policy) -> dict[str, Any]:
    """{"name": class, then its numbers}; Stages as a list of [iterations, policy].

    Raises TypeError for a Function, whose code no record could hold.

    >>> policy_to_json(Fixed(0.1))
    {'name': 'Fixed', 'lr': 0.1}
    """
    name = {"name": type(policy).__name__}
    if isinstance(policy, Function):
        raise TypeError(f"{policy} cannot be written into a record; give a policy that is made of numbers")
    if isinstance(policy, Stages):
        on = {} if policy.restart else {"restart": False}
        return {**name, "stages": [[n, policy_to_json(p)] for n, p in policy.stages], **on}
    numbers = {f.name: getattr(policy, f.name) for f in dataclasses.fields(policy)}  # type: ignore[arg-type]
    return {**name, **{k: _plain(v) for k, v in numbers.items()}}


def _plain(value: Any) -> Any:
    """Tuples as lists, as JSON has them, and a policy within a policy as policy_to_json has it."""
    if isinstance(value, Policy):
        return policy_to_json(value)
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def policy_from_json(content: dict[str, Any]) -> Policy:
    """The inverse of policy_to_json; only policies of clrlib are made."""
    name, numbers = content["name"], {k: v for k, v in content.items() if k != "name"}
    kind = getattr(clrlib, name, None)
    if not (isinstance(kind, type) and issubclass(kind, Policy)):
        raise ValueError(f"policy {name!r} is not one of clrlib; was the record made by a newer clrlib?")
    if kind is Stages:
        return Stages(*((n, policy_from_json(p)) for n, p in numbers["stages"]), restart=numbers.get("restart", True))
    return kind(**{k: policy_from_json(v) if isinstance(v, dict) else v for k, v in numbers.items()})
