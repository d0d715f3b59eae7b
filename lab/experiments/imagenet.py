"""Section 4.2: AlexNet and GoogLeNet on ImageNet, and the same schedules in as many epochs of Imagenette.

The paper gives rates, step sizes, gammas and lengths. Our choices where it leaves a gap: the range falls tenfold
where the fixed rate does, and the cycle goes on; AlexNet's rate falls every 100,000 iterations (Caffe's solver),
GoogLeNet's in thirds of its training; GoogLeNet's weight decay is that of Caffe's solver. The images are shuffled once
a seed, as Caffe's script does when it makes its database.

Imagenette has 9,469 images. Its rows are the paper's schedules divided by 34: batches of 64 (AlexNet) and 32
(GoogLeNet) then make as many epochs as 256 and 128 do on ImageNet. They train on random parts of 112 pixels, in
profile quick of 64.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from clrlib import Exponential, ExpRange, MultiStep, Policy, Stages, Triangular, Triangular2
from lab.experiments import choices
from lab.experiments.experiment import QUARTER, Experiment, shortened

IN_SMOKE = ("range-test", "fixed", "triangular2")  # the other rows train nothing that these do not
FEWER = 34  # 400,000 iterations of 256 on ImageNet are 80 epochs; 11,764 of 64 on Imagenette are too


@dataclass(frozen=True)
class Net:
    """One of the two nets: lengths in the paper's iterations, top-1 accuracies (%) of table 1.

    stage: iterations after which rate and range fall tenfold. bounds: the paper's for triangular2; exp_bounds: for
    exp_range, which ends after exp_range_iterations. exp_then: the accuracy of exp where exp_range ends. laptop, quick:
    the divisors of the iterations on Imagenette in these profiles. found: the bounds of the net's LR range test on
    Imagenette, or None until they are chosen.
    """

    name: str
    title: str
    iterations: int
    stage: int
    exp_range_iterations: int
    exp_iterations: int
    gamma: float
    bounds: tuple[float, float]
    exp_bounds: tuple[float, float]
    range_test: tuple[float, float]  # first rate, last rate
    accuracies: Mapping[str, float]
    settings: Mapping[str, Any]
    imagenet: Mapping[str, Any]
    imagenette: Mapping[str, Any]
    laptop: int
    quick: int
    exp_then: float | None = None
    found: tuple[float, float] | None = None

    def policies(self) -> dict[str, tuple[str, Policy, int]]:
        """Every row of table 1: title, policy, iterations."""
        low, high = self.exp_bounds
        return {
            "fixed": ("fixed 0.01", self.fixed(0.01), 0),
            "triangular2": (f"triangular2 {told(self.bounds)}", self.triangular2(self.bounds), 0),
            "exp": ("exp 0.01", Exponential(0.01, self.gamma), self.exp_iterations),
            "exp-range": (
                f"exp_range {told(self.exp_bounds)}",
                ExpRange(low, high, 30_000, self.gamma),
                self.exp_range_iterations,
            ),
        }

    def fixed(self, lr: float) -> MultiStep:
        """A rate that falls tenfold with each stage."""
        return MultiStep(lr, tuple(range(self.stage, self.iterations, self.stage)))

    def triangular2(self, bounds: tuple[float, float]) -> Stages:
        """Triangular2 with a step_size of 30,000, between bounds that fall tenfold with each stage."""
        low, high = bounds
        stages = range(-(-self.iterations // self.stage))
        falling = ((self.stage, Triangular2(low / 10**k, high / 10**k, 30_000)) for k in stages)
        return Stages(*falling, restart=False)

    def on_imagenet(self) -> tuple[Experiment, ...]:
        """The paper's rows."""
        return tuple(
            Experiment(
                f"{self.name}-{name}",
                f"{self.title} on ImageNet, {title}",
                policy,
                iterations or self.iterations,
                self.accuracies[name],
                "Table 1",
                evaluate_every={"paper": 5_000},
                shorter={"paper": 1},
                settings={**self.settings, **self.imagenet},
                data="imagenet",
            )
            for name, (title, policy, iterations) in self.policies().items()
        )

    def on_imagenette(self) -> tuple[Experiment, ...]:
        """The LR range test, then the same rows and triangular2 between the range test's own bounds."""
        rows = self.policies()
        rows["exp"] = (*rows["exp"][:2], self.exp_range_iterations)
        if self.found is not None:
            rows["triangular2-own"] = (f"triangular2 {told(self.found)}, own bounds", self.triangular2(self.found), 0)
        return (self.range_test_row(), *(self._small(name, *row) for name, row in rows.items()))

    def _small(self, name: str, title: str, policy: Policy, iterations: int) -> Experiment:
        return self._imagenette(
            name, title, shortened(policy, FEWER), (iterations or self.iterations) // FEWER, self.quick, 800, 210, 210
        )

    def range_test_row(self) -> Experiment:
        """The LR range test on Imagenette, from the paper's first rate to its last.

        It is as long as a training of the tuning and, like it, measured on held-out training images.
        """
        first, last = self.range_test
        iterations = self.iterations // FEWER // QUARTER
        policy = Triangular(first, last, step_size=iterations - 1)
        every, quick = iterations // self.laptop // 20, self.quick // QUARTER  # as long as a whole training of quick
        row = self._imagenette(
            "range-test",
            f"LR range test, {told(self.range_test)}",
            policy,
            iterations,
            quick,
            150,
            every,
            iterations // quick // 10,
        )
        return replace(row, settings={**row.settings, "test_on": "validation"})

    def _imagenette(
        self,
        name: str,
        title: str,
        policy: Policy,
        iterations: int,
        quick: int,
        smoke: int,
        every: int,
        every_quick: int,
    ) -> Experiment:
        return Experiment(
            f"{self.name}-imagenette-{name}",
            f"{self.title} on Imagenette, {title}",
            policy,
            iterations,
            evaluate_every={"paper": every, "laptop": every, "quick": every_quick, "smoke": 10},
            shorter={
                "paper": 1,
                "laptop": self.laptop,
                "quick": quick,
                **({"smoke": smoke} if name in IN_SMOKE else {}),
            },
            settings={**self.settings, **self.imagenette},
            instead={"quick": {"crop": 64}, "smoke": {"crop": 0}},
            data="imagenette",
        )


def told(bounds: tuple[float, float]) -> str:
    """0.01-0.015"""
    return f"{bounds[0]:g}-{bounds[1]:g}"


ALEXNET = Net(
    name="alexnet",
    title="AlexNet",
    iterations=400_000,
    stage=100_000,
    exp_range_iterations=300_000,
    exp_iterations=460_000,
    exp_then=56.0,
    gamma=0.999995,
    bounds=(0.01, 0.015),
    exp_bounds=(0.006, 0.014),
    range_test=(0.0, 0.04),  # figure 7, as far as its axis goes
    accuracies={"fixed": 58.0, "triangular2": 58.4, "exp": 56.5, "exp-range": 56.5},
    settings={"net": "alexnet", "weight_decay": 5e-4, "flip": True, "order": "once"},
    imagenet={"batch": 256, "crop": 227},
    imagenette={"batch": 64, "crop": 112},
    laptop=7,  # 11 epochs
    quick=196,  # 60 iterations
    found=choices.bounds("alexnet-bounds"),
)
GOOGLENET = Net(
    name="googlenet",
    title="GoogLeNet",
    iterations=420_000,
    stage=140_000,
    exp_range_iterations=240_000,
    exp_iterations=240_000,
    gamma=0.99998,
    bounds=(0.01, 0.026),
    exp_bounds=(0.01, 0.026),
    range_test=(0.001, 0.065),  # figure 11
    accuracies={"fixed": 63.0, "triangular2": 64.4, "exp": 58.2, "exp-range": 60.2},
    settings={"net": "googlenet", "weight_decay": 2e-4, "flip": True, "order": "once"},
    imagenet={"batch": 128, "crop": 224},
    imagenette={"batch": 32, "crop": 112},
    laptop=14,  # 3 epochs
    quick=308,  # 40 iterations
    found=choices.bounds("googlenet-bounds"),
)
IMAGENET_NETS = (ALEXNET, GOOGLENET)
IMAGENETTE = tuple(row for net in IMAGENET_NETS for row in net.on_imagenette())
IMAGENET = tuple(row for net in IMAGENET_NETS for row in net.on_imagenet())
