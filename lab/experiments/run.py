"""Run, the frozen description of one training."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from clrlib import Policy
from lab.experiments import as_json


@dataclass(frozen=True)
class Run:
    """All settings that decide a training's result, apart from the machine. Another value makes another run.

    experiment: the row of the catalogue it belongs to. profile: paper, laptop, quick or smoke. data: the image set's
    name. iterations, evaluate_every: optimizer steps. momentum: a number, or a policy of its own. order: of the images
    in training, "file" (Caffe's: as they are stored, never shuffled, so that seeds differ in their initial weights
    alone), "once" (one shuffled order a seed) or "epoch" (a new one each epoch). precision: "float32" or "bfloat16"
    (forward and backward pass of the training; weights and evaluation stay float32). test_on: "test", or "validation":
    a tenth of the training images, held out. snapshots: iterations after which the net is kept for the ensemble and
    the average of lab.training.snapshots. hold_out: train without that tenth, though tested on the test images.
    Augmentation in training: flip: mirror with probability 1/2; shift: by up to so many pixels each way; crop: to a
    random square of so many pixels a side (0: no crop).
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
    order: str = "file"
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
        settings: dict[str, Any] = as_json.write(self)
        return settings

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> "Run":
        """Read a run; a missing setting gets its default. Raises ValueError for an unknown setting or a bad value."""
        return as_json.read(settings, cls)
