"""The bounds from the recorded LR range tests of all seeds, compared with the paper's from figure 3."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from clrlib import Bounds, RangeTest
from lab.claims.answer import NOT_RESOLVED, NOT_RUN, ONE_RUN, OTHER_SIZE, Answer
from lab.claims.groups import comparable, where
from lab.claims.summary import seeds
from lab.claims.traced import FIGURE_3_BOUNDS
from lab.experiments import RANGE_TEST, Experiment
from lab.records.record import Record


def measured_range_tests(records: Iterable[Record], row: Experiment = RANGE_TEST) -> list[Record]:
    """The range tests of a row with at least one measurement."""
    return [r for r in records if r.run.experiment == row.name and r.curves["lr"]]


def read_range_test(records: Iterable[Record], row: Experiment = RANGE_TEST) -> RangeTest:
    """The recorded range tests of all seeds as one, up to the rate where the first diverged, for its bounds().

    Raises ValueError without such a record.
    """
    tests = measured_range_tests(records, row)
    if not tests:
        raise ValueError("no range test with a measurement among the records; train it first")
    curves, n = [r.curves for r in tests], min(len(r.curves["lr"]) for r in tests)
    lost = [f"seed {r.run.seed} diverged at iteration {r.diverged_at:,}" for r in tests if r.diverged_at is not None]
    accuracy = np.array([c["test_accuracy"][:n] for c in curves])
    return RangeTest(np.array(curves[0]["lr"][:n]), accuracy, "; ".join(lost) or None)


def read_bounds(records: Sequence[Record], row: Experiment = RANGE_TEST) -> Bounds:
    """The bounds of the recorded range tests of all seeds."""
    if not measured_range_tests(records, row):
        return Bounds(None, None, "no clear answer: no training went as far as its first measurement")
    return read_range_test(records, row).bounds()


def bounds_of_loss(record: Record, share: float = 0.95) -> tuple[float, float]:
    """Bounds read off one range test's training loss: the first measured rate, and the rate where the loss has fallen.

    max_lr: the smallest rate at which the loss has done a given share of its whole fall. Raises ValueError where the
    loss does not fall from the first rate on.
    """
    rates, losses = record.curves["lr"], np.array(record.curves["train_loss"])
    if len(losses) < 2 or not losses[1:].min() < losses[0]:
        raise ValueError(f"the training loss of {record.run.name} does not fall; no bounds can be read off it")
    enough = losses <= losses[0] - share * (losses[0] - losses.min())
    return rates[0], rates[int(enough.argmax())]


def bounds_verdict(bounds: Bounds) -> str:
    """The paper's reading of figure 3 against ours: reproduced within a factor of two on both sides.

    A base_lr at the first measured rate may really lie below it, so it gets no verdict.
    """
    base_lr, max_lr = FIGURE_3_BOUNDS
    if bounds.base_lr is None or bounds.max_lr is None or not 0.5 <= bounds.max_lr / max_lr <= 2:
        return "not reproduced"
    if bounds.at_first_rate:
        return NOT_RESOLVED
    return "reproduced" if 0.5 <= bounds.base_lr / base_lr <= 2 else "not reproduced"


@dataclass(frozen=True)
class BoundsClaim:
    """The bounds that the paper reads off its figure 3, against those of our range tests."""

    text: str = "The LR range test gives these bounds"
    notebook: str = "03"
    row: Experiment = RANGE_TEST
    rival: None = None

    def answer(self, group: Sequence[Record]) -> Answer:
        tests = [r for r in group if r.run.experiment == self.row.name]
        paper = " to ".join(f"{bound:g}" for bound in FIGURE_3_BOUNDS)
        train = "" if tests else f"`make publish ROWS={self.row.name}`"
        answer = Answer(self.notebook, self.text, paper, bounds_text(tests), "", "-", self.verdict(tests), train)
        return replace(answer, source=self.row.source, n=len(tests), **where(tests))

    def verdict(self, tests: Sequence[Record]) -> str:
        if not tests:
            return NOT_RUN
        if not comparable(tests):
            return OTHER_SIZE
        return ONE_RUN if len(tests) == 1 else bounds_verdict(read_bounds(tests))


def bounds_text(tests: Sequence[Record]) -> str:
    """The bounds of all range tests, to two digits: the rates are too far apart for more."""
    if not tests:
        return "-"
    bounds, lost = read_bounds(tests), sum(r.diverged_at is not None for r in tests)
    diverged = f", {lost} diverged" if lost else ""
    if bounds.base_lr is None or bounds.max_lr is None:
        return f"no clear answer{diverged}"
    first = "≤ " if bounds.at_first_rate else ""
    return f"{first}{bounds.base_lr:.2g} to {bounds.max_lr:.2g} {seeds(len(tests), diverged)}"


BOUNDS = BoundsClaim()
