"""Table 4: ResNet, stochastic depth and DenseNet, each at three fixed rates and with CLR.

The paper gives the rates, the cycle (a tenth of the training) and the originals' epochs and drops; its other settings
are the originals': Nesterov 0.9, weight decay 1e-4 on every parameter, mirrored and shifted images. It leaves open and
we decided: 56 layers for ResNet, 110 for stochastic depth, 40 for DenseNet; the rate moves with each iteration and not
with each epoch; the cycle goes on where the bounds drop; epochs are shuffled anew. Short runs have 20 and 22 layers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clrlib.lab.experiments.experiment import Experiment
from clrlib.policy import Policy
from clrlib.range_test import range_test_policy
from clrlib.schedules import MultiStep, Stages, Triangular

TRAINING: dict[str, Any] = {
    "optimizer": "torch_nesterov",
    "weight_decay": 1e-4,
    "shuffle": "each epoch",
    "flip": True,
    "shift": 4,
}


@dataclass(frozen=True)
class Family:
    """One of the three nets: its originals' training in iterations, and what table 4 has for it.

    step_size: a twentieth of the training, so that a cycle is a tenth. drops: where the rate or the range falls
    tenfold. shorter: what quick and smoke divide the iterations by.
    """

    name: str
    title: str
    step_size: int
    drops: tuple[int, int]
    max_lr: float
    fixed: Mapping[float, float]  # test accuracy (%) by rate
    cyclical: float
    shorter: tuple[int, int]
    nets: tuple[str, str, str]  # for paper, quick, smoke
    range_test: int  # iterations
    settings: Mapping[str, Any]

    @property
    def iterations(self) -> int:
        return 20 * self.step_size

    def row(self, name: str, title: str, policy: Policy, paper: float | None) -> Experiment:
        """A whole training."""
        quick, smoke = self.shorter
        paper_net, quick_net, smoke_net = self.nets
        return Experiment(
            f"{self.name}-{name}",
            f"{self.title}, {title}",
            policy,
            self.iterations,
            paper,
            "Table 4, CIFAR-10",
            evaluate_every={"paper": self.step_size, "quick": 2 * self.step_size // quick, "smoke": 10},
            shorter={"paper": 1, "quick": quick, "smoke": smoke},
            settings={**TRAINING, **self.settings, "net": paper_net},
            instead={"quick": {"net": quick_net}, "smoke": {"net": smoke_net}},
        )

    def fixed_row(self, lr: float) -> Experiment:
        return self.row(f"fixed-{lr:g}", f"fixed {lr:g}", MultiStep(lr, self.drops), self.fixed[lr])

    def clr_row(self) -> Experiment:
        first, second = self.drops
        lengths = (first, second - first, self.iterations - second)
        bounds = [(0.1 / 10**k, self.max_lr / 10**k) for k in range(3)]
        stages = ((n, Triangular(*b, self.step_size)) for n, b in zip(lengths, bounds, strict=True))
        return self.row("clr", f"CLR 0.1-{self.max_lr:g}", Stages(*stages, restart=False), self.cyclical)

    def range_test_row(self) -> Experiment:
        return Experiment(
            f"{self.name}-range-test",
            f"{self.title}: LR range test, 0-1",
            range_test_policy(0.0, 1.0, self.range_test),
            self.range_test,
            evaluate_every={"paper": self.range_test // 40, "quick": self.range_test // 64, "smoke": 10},
            shorter={"paper": 1, "quick": 4, "smoke": 80},
            settings=self.row("", "", MultiStep(0.1, ()), None).settings,
            instead=self.row("", "", MultiStep(0.1, ()), None).instead,
        )


# ResNet: 164 epochs of 50,000 / 128 iterations, drops after 81 and 122.
RESNET = Family(
    *("resnet", "ResNet", 3_200, (31_648, 47_648), 0.3, {0.1: 92.8, 0.2: 93.3, 0.3: 91.8}, 93.6),
    *((32, 1_600), ("resnet56", "resnet20", "resnet8"), 3_200),
    settings={"batch": 128},
)
# Stochastic depth: 500 epochs of 45,000 / 128 iterations (a tenth of the images is held out), drops at 50 and 75 %.
STOCHASTIC_DEPTH = Family(
    *("sd", "stochastic depth", 8_800, (88_000, 132_000), 0.3, {0.1: 94.6, 0.2: 94.5, 0.3: 94.2}, 94.5),
    *((80, 4_000), ("resnet110_sd", "resnet20_sd", "resnet8_sd"), 3_200),
    settings={"batch": 128, "hold_out": True},
)
# DenseNet: 300 epochs of 50,000 / 64 iterations, drops at 50 and 75 %.
DENSENET = Family(
    *("densenet", "DenseNet", 11_700, (117_000, 175_500), 0.2, {0.1: 94.5, 0.2: 94.5, 0.3: 94.2}, 94.9),
    *((150, 5_000), ("densenet40", "densenet22", "densenet7"), 3_200),
    settings={"batch": 64},
)
FAMILIES = (RESNET, STOCHASTIC_DEPTH, DENSENET)
RESIDUAL = tuple(
    row
    for family in FAMILIES
    for row in (family.range_test_row(), family.fixed_row(0.1), family.clr_row(), *map(family.fixed_row, (0.2, 0.3)))
)
