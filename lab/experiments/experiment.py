"""Experiment: one row of a table, as data, at every size."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from clrlib import (
    Cyclical,
    Exponential,
    ExpRange,
    LinearDecay,
    MultiStep,
    PiecewiseLinear,
    Policy,
    Stages,
    WarmRestarts,
)
from lab.experiments.run import Run

FOLDER_COPIES = ("cifar10-jpeg", "cifar10-png")  # of CIFAR-10, as a folder for each class


@dataclass(frozen=True)
class Experiment:
    """One row: a policy at the paper's size, what the paper reports, and how a smaller profile shortens it.

    paper: test accuracy in percent, or None for a variant without a number in the paper. source: its place there.
    seeds: the least number of seeds, from first_seed on. shorter: the divisor of the iterations in each profile; other
    profiles leave the row out. settings: the Run's settings that are not defaults (net ...). instead: the settings that
    replace them in a smaller profile. data: the kind of images, "cifar10", "imagenette" ...
    waits_for: the name of a choice that the row needs and that is not made yet (lab.experiments.choices). Until then
    its policy shows only the kind of schedule, and it has no runs.
    evaluate_seed_0: replaces evaluate_every for seed 0 at the paper's size, to show the curve within an epoch.
    """

    name: str
    title: str
    policy: Policy
    iterations: int
    paper: float | None = None
    source: str = ""
    seeds: int = 1
    first_seed: int = 0
    evaluate_every: Mapping[str, int] = field(default_factory=lambda: {"paper": 500, "quick": 250, "smoke": 20})
    shorter: Mapping[str, int] = field(default_factory=lambda: {"paper": 1, "quick": 10, "smoke": 250})
    settings: Mapping[str, Any] = field(default_factory=dict)
    instead: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    data: str = "cifar10"
    evaluate_seed_0: int | None = None
    waits_for: str = ""

    def run(self, profile: str, seed: int, data: str, precision: str) -> Run:
        """This row as a run of the given profile.

        An image folder of CIFAR-10 is stored class by class, and the user's own images may be too: for these the order
        "file" becomes "once". Raises ValueError for a row that waits for a choice.
        """
        if self.waits_for:
            raise ValueError(f"row {self.name!r} waits for the choice {self.waits_for!r}; call `make choose`")
        by = self.shorter[profile]
        settings = {"batch": 100, "precision": precision, **self.settings, **self.instead.get(profile, {})}
        if profile == "smoke":
            settings["batch"] = 24  # so that several processes can share it, see lab.sweep.processes
        if data in FOLDER_COPIES or data.startswith("own"):
            settings.setdefault("order", "once")
        if isinstance(momentum := settings.get("momentum"), Policy):
            settings["momentum"] = shortened(momentum, by)
        if "snapshots" in settings:
            settings["snapshots"] = tuple(t // by for t in settings["snapshots"])
        every = self.evaluate_every[profile]
        if profile == "paper" and seed == 0 and self.evaluate_seed_0 is not None:
            every = self.evaluate_seed_0
        return Run(
            experiment=self.name,
            profile=profile,
            policy=shortened(self.policy, by),
            iterations=self.iterations // by,
            seed=seed,
            data=data,
            evaluate_every=min(every, self.iterations // by),
            **settings,
        )


QUARTER = 4  # of a whole training: the length of one that tunes it

# The rule of profile quick: all rows together train for some 20 minutes on two cores (docs/reproducing.md adds them
# up). Rows that are compared have one divisor; step sizes, drops and stages are divided by it as the iterations are.
# Most rows of the Caffe net are a tenth; what is long, and many, is shorter still:
LONG: dict[str, Any] = {
    "shorter": {"paper": 1, "quick": 50, "smoke": 500},
    "evaluate_every": {"paper": 500, "quick": 70, "smoke": 4},  # after 42,000 iterations, and at the cycles' ends near
}
VERY_LONG: dict[str, Any] = {
    "shorter": {"paper": 1, "quick": 125, "smoke": 500},
    "evaluate_every": {"paper": 500, "quick": 560, "smoke": 70},
}
NOT_IN_SMOKE: dict[str, Any] = {**VERY_LONG, "shorter": {"paper": 1, "quick": 125}}


def shortened(policy: Policy, by: int) -> Policy:
    """The same policy in 1/by of the iterations, with the same rates.

    >>> from clrlib import Triangular
    >>> shortened(Triangular(0.001, 0.006, step_size=2000), by=10)
    Triangular(base_lr=0.001, max_lr=0.006, step_size=200)
    """
    match policy:
        case Stages():
            stages = ((iterations // by, shortened(stage, by)) for iterations, stage in policy.stages)
            return Stages(*stages, restart=policy.restart)
        case MultiStep():
            return replace(policy, milestones=tuple(m // by for m in policy.milestones))
        case LinearDecay():
            return replace(policy, steps=policy.steps // by)
        case Exponential():
            return replace(policy, gamma=policy.gamma**by)
        case ExpRange():
            return replace(policy, step_size=policy.step_size // by, gamma=policy.gamma**by)
        case WarmRestarts():
            return replace(policy, cycle=policy.cycle // by)
        case PiecewiseLinear():
            return replace(policy, knots=tuple((t // by, lr) for t, lr in policy.knots))
        case Cyclical():
            return replace(policy, step_size=policy.step_size // by)
        case _:
            return policy
