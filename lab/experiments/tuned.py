"""CLR between the range test's bounds against a fixed rate, each tuned with three trainings.

Fixed: the original's rate, a third of it and three times it. CLR: the LR range test itself, its bounds, and half of
them. Each is a quarter of the net's training in profile laptop, on nine tenths of the training images, measured on
the last tenth. The best of each side is trained whole, at every size, and measured on the test images.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from clrlib import Policy
from lab.experiments import choices
from lab.experiments.experiment import QUARTER, Experiment, shortened
from lab.experiments.imagenet import ALEXNET, FEWER, GOOGLENET, Net
from lab.experiments.residual import DENSENET, RESNET, STOCHASTIC_DEPTH, Family

Bounds = tuple[float, float]


@dataclass(frozen=True)
class Contest:
    """A net with a fixed rate and with CLR, both tuned.

    rows: of the net's table; they differ only in their policies. found: the bounds of its range test. chosen_rate,
    chosen_bounds: the best of each side by seed 0 on the validation images, None until they are chosen.
    """

    name: str
    title: str
    rows: tuple[Experiment, ...]
    fixed: Callable[[float], Policy]
    cyclical: Callable[[Bounds], Policy]
    rate: float
    found: Bounds | None
    chosen_rate: float | None = None
    chosen_bounds: Bounds | None = None

    @property
    def rates(self) -> tuple[float, float, float]:
        return round(self.rate / 3, 4), self.rate, round(3 * self.rate, 4)

    @property
    def bounds(self) -> tuple[Bounds, ...]:
        if self.found is None:
            return ()
        low, high = self.found
        return self.found, (low / 2, high / 2)

    def tuning(self) -> tuple[Experiment, ...]:
        """The short trainings on the validation split: the fixed rates, then CLR."""
        policies = {f"fixed-{lr:g}": self.fixed(lr) for lr in self.rates}
        policies |= {f"clr-{low:g}-{high:g}": self.cyclical((low, high)) for low, high in self.bounds}
        return tuple(self._short(name, policy) for name, policy in policies.items())

    def best(self) -> tuple[Experiment, ...]:
        """The whole trainings of the chosen rate and the chosen bounds; no rows until both are chosen."""
        if self.chosen_rate is None or self.chosen_bounds is None:
            return ()
        rate, (low, high) = self.chosen_rate, self.chosen_bounds
        return (
            self._whole(f"tuned-fixed-{self.name}", f"fixed {rate:g}", self.fixed(rate)),
            self._whole(f"tuned-clr-{self.name}", f"CLR {low:g}-{high:g}", self.cyclical((low, high))),
        )

    def _whole(self, name: str, title: str, policy: Policy) -> Experiment:
        """The row of the table with this policy if there is one, else a new row."""
        known = (row for row in self.rows if row.policy == policy)
        return next(known, None) or self._row(name, title, policy)

    def _row(self, name: str, title: str, policy: Policy) -> Experiment:
        return replace(self.rows[0], name=name, title=f"{self.title}, {title}", policy=policy, paper=None, source="")

    def _short(self, name: str, policy: Policy) -> Experiment:
        row = self._row(f"tune-{self.name}-{name}", f"{name}, validation", shortened(policy, QUARTER))
        settings = {k: v for k, v in row.settings.items() if k != "hold_out"} | {"test_on": "validation"}
        only = {"laptop": row.shorter["laptop"]}  # in full it would cost as much as table 4 itself
        return replace(row, iterations=row.iterations // QUARTER, settings=settings, shorter=only)


def _chosen(name: str) -> tuple[float | None, Bounds | None]:
    return choices.rate(f"tuned-fixed-{name}"), choices.bounds(f"tuned-clr-{name}")


def _residual(family: Family) -> Contest:
    return Contest(
        family.name,
        family.title,
        family.rows(),
        family.fixed_policy,
        family.cyclical,
        0.1,
        family.found,
        *_chosen(family.name),
    )


def _imagenette(net: Net) -> Contest:
    return Contest(
        net.name,
        f"{net.title} on Imagenette",
        tuple(row for row in net.on_imagenette()[1:] if row.iterations == net.iterations // FEWER),
        lambda lr: shortened(net.fixed(lr), FEWER),
        lambda bounds: shortened(net.triangular2(bounds), FEWER),
        0.01,
        net.found,
        *_chosen(net.name),
    )


CONTESTS = (*map(_residual, (RESNET, STOCHASTIC_DEPTH, DENSENET)), *map(_imagenette, (ALEXNET, GOOGLENET)))
TUNED_TUNING = tuple(row for contest in CONTESTS for row in contest.tuning())
TUNED = tuple(row for contest in CONTESTS for row in contest.best() if row.name.startswith("tuned-"))
