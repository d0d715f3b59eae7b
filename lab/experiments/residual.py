"""Table 4: ResNet, stochastic depth and DenseNet, each at three fixed rates and with CLR.

The paper gives the rates, the cycle (a tenth of the training) and the originals' epochs and drops; its other settings
are the originals', but for what REPRODUCTION.md names: Nesterov 0.9, weight decay 1e-4 on every parameter, mirrored and
shifted images. Our choices where it leaves a gap: 56 layers for ResNet, 110 for stochastic depth, 40 for DenseNet; the
rate moves with each iteration and not with each epoch; the cycle goes on where the bounds drop; each epoch is
reshuffled. Profile laptop has 20 and 22 layers, quick and smoke have 8 and 7.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clrlib import MultiStep, Policy, Stages, Triangular
from lab.experiments import choices
from lab.experiments.experiment import QUARTER, Experiment

TRAINING: dict[str, Any] = {
    "optimizer": "torch_nesterov",
    "weight_decay": 1e-4,
    "order": "epoch",
    "flip": True,
    "shift": 4,
}


@dataclass(frozen=True)
class Family:
    """One of the three nets: the length of the original's training, in iterations, and its rows in table 4.

    step_size: a twentieth of the training, so that a cycle is a tenth. drops: where the rate or the range falls
    tenfold. nets: the net of each profile. laptop, quick, smoke: their divisors of the iterations. fixed, clr: accuracy
    (%) on CIFAR-10 and on CIFAR-100, fixed by rate. found: the bounds of the net's LR range test.
    """

    name: str
    title: str
    step_size: int
    drops: tuple[int, int]
    max_lr: float
    fixed: Mapping[float, tuple[float, float]]
    clr: tuple[float, float]
    nets: Mapping[str, str]
    laptop: int
    quick: int
    smoke: int
    settings: Mapping[str, Any]
    found: tuple[float, float] | None = None

    def rows(self, data: str = "cifar10") -> tuple[Experiment, ...]:
        """The rows of the table: CLR, then the fixed rates."""
        column = ("cifar10", "cifar100").index(data)
        clr = self._row("clr", f"CLR 0.1-{self.max_lr:g}", self.cyclical((0.1, self.max_lr)), self.clr[column], data)
        fixed = (
            self._row(f"fixed-{lr:g}", f"fixed {lr:g}", self.fixed_policy(lr), accuracies[column], data)
            for lr, accuracies in self.fixed.items()
        )
        return (clr, *fixed)

    def fixed_policy(self, lr: float) -> MultiStep:
        """The original's schedule from another rate."""
        return MultiStep(lr, self.drops)

    def cyclical(self, between: tuple[float, float]) -> Stages:
        """Triangular cycles between bounds that drop where the fixed rate does; the cycle goes on."""
        low, high = between
        first, second = self.drops
        lengths = (first, second - first, 20 * self.step_size - second)
        bounds = ((low / 10**k, high / 10**k) for k in range(3))
        stages = ((n, Triangular(*pair, self.step_size)) for n, pair in zip(lengths, bounds, strict=True))
        return Stages(*stages, restart=False)

    def range_test(self) -> Experiment:
        """The net's own LR range test, over some eight epochs (DenseNet: four), on held-out training images.

        In profile laptop it is as long as one training of the tuning, a quarter of the whole; in full six times that.
        """
        laptop = 20 * self.step_size // self.laptop // QUARTER
        iterations = 6 * laptop
        nets = self._nets()
        nets["settings"] = {k: v for k, v in nets["settings"].items() if k != "hold_out"} | {"test_on": "validation"}
        return Experiment(
            f"{self.name}-range-test",
            f"{self.title}: LR range test, 0-1.5",
            Triangular(0.0, 1.5, step_size=iterations - 1),
            iterations,
            evaluate_every={
                "paper": iterations // 40,
                "laptop": laptop // 20,
                "quick": iterations // 300,
                "smoke": 10,
            },
            shorter={"paper": 1, "laptop": 6, "quick": 30, "smoke": 75},
            **nets,
        )

    def _row(self, name: str, title: str, policy: Policy, paper: float, data: str) -> Experiment:
        profiles = {"paper": 1, "laptop": self.laptop, "quick": self.quick, "smoke": self.smoke}
        on = "" if data == "cifar10" else "-cifar100"
        return Experiment(
            f"{self.name}{on}-{name}",
            f"{self.title}{' on CIFAR-100' if on else ''}, {title}",
            policy,
            20 * self.step_size,
            paper,
            "Table 4",
            evaluate_every={
                "paper": self.step_size,
                "laptop": 2 * self.step_size // self.laptop,
                "quick": 10 * self.step_size // self.quick,
                "smoke": 10,
            },
            shorter={"paper": 1} if on else profiles,
            data=data,
            **self._nets(),
        )

    def _nets(self) -> dict[str, Any]:
        instead = {profile: {"net": self.nets[profile]} for profile in ("laptop", "quick", "smoke")}
        return {"settings": {**TRAINING, **self.settings, "net": self.nets["paper"]}, "instead": instead}


RESNET = Family(
    name="resnet",
    title="ResNet",
    step_size=3_200,  # 64,000 iterations of 128: 164 epochs; drops after 81 and 122
    drops=(31_648, 47_648),
    max_lr=0.3,
    fixed={0.1: (92.8, 71.2), 0.2: (93.3, 71.6), 0.3: (91.8, 71.9)},
    clr=(93.6, 72.5),
    nets={"paper": "resnet56", "laptop": "resnet20", "quick": "resnet8", "smoke": "resnet8"},
    laptop=32,
    quick=640,
    smoke=1_600,
    settings={"batch": 128},
    found=choices.bounds("resnet-bounds"),
)
STOCHASTIC_DEPTH = Family(
    name="sd",
    title="Stochastic depth",
    step_size=8_800,  # 176,000 iterations of 128: 500 epochs of 45,000 images, the rest is held out; drops at 50, 75 %
    drops=(88_000, 132_000),
    max_lr=0.3,
    fixed={0.1: (94.6, 75.2), 0.2: (94.5, 75.2), 0.3: (94.2, 74.6)},
    clr=(94.5, 75.4),
    nets={"paper": "resnet110_sd", "laptop": "resnet20_sd", "quick": "resnet8_sd", "smoke": "resnet8_sd"},
    laptop=80,
    quick=1_760,
    smoke=4_000,
    settings={"batch": 128, "hold_out": True},
    found=choices.bounds("sd-bounds"),
)
DENSENET = Family(
    name="densenet",
    title="DenseNet",
    step_size=11_700,  # 234,000 iterations of 64: 300 epochs; drops at 50 and 75 %
    drops=(117_000, 175_500),
    max_lr=0.2,
    fixed={0.1: (94.5, 75.2), 0.2: (94.5, 75.3), 0.3: (94.2, 74.5)},
    clr=(94.9, 75.9),
    nets={"paper": "densenet40", "laptop": "densenet22", "quick": "densenet7", "smoke": "densenet7"},
    laptop=150,
    quick=1_170,
    smoke=5_000,
    settings={"batch": 64},
    found=choices.bounds("densenet-bounds"),
)
FAMILIES = (RESNET, STOCHASTIC_DEPTH, DENSENET)
TABLE_4 = tuple(row for family in FAMILIES for row in family.rows())
TABLE_4_CIFAR100 = tuple(row for family in FAMILIES for row in family.rows("cifar100"))
RESIDUAL_RANGE_TESTS = tuple(family.range_test() for family in FAMILIES)
