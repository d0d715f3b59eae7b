"""The title of each figure: what the records show, or the figure's subject where they show nothing yet.

Two policies are compared seed by seed, at the paper's size alone; a side is ahead where the 95 % interval says so.
"""

from collections.abc import Sequence
from itertools import pairwise

from clrlib import Bounds
from lab.claims import Claim, Summary
from lab.experiments import CLR_TABLE_2, FIXED, Experiment
from lab.records.record import Record
from lab.show import plots


def difference(
    row: Experiment, rival: Experiment, group: Sequence[Record], at: int | None = None, rival_at: int | None = None
) -> Summary | None:
    """A row's accuracy less its rival's, seed by seed; None where it has no interval, or at another size."""
    if any(r.run.profile != "paper" for r in group):
        return None
    measured = Claim("", row, "", rival, at=at, rival_at=rival_at).measured(group)
    return measured if measured and measured.interval else None


def sign(measured: Summary) -> int:
    """1 for an interval above zero, -1 for one below, else 0."""
    low, high = measured.interval or (0.0, 0.0)
    return (low > 0) - (high < 0)


def ahead(group: Sequence[Record]) -> str:
    """CLR by table 2 and the fixed schedule, after as many iterations as CLR's and at both ends."""
    early = difference(CLR_TABLE_2, FIXED, group, rival_at=CLR_TABLE_2.iterations)
    late = difference(CLR_TABLE_2, FIXED, group)
    if early is None or late is None:
        return "Test accuracy of the fixed schedule and of CLR"
    sides = {1: "CLR", -1: "the fixed schedule", 0: "neither"}
    first, second = sides[sign(early)], sides[sign(late)]
    at, end = f"{CLR_TABLE_2.iterations:,}", f"{FIXED.iterations:,}"
    if first == second:
        return f"{_capital(first)} is ahead at {at} and at {end} iterations"
    return f"{_capital(first)} is ahead at {at} iterations, {second} at {end}"


def against(names: tuple[str, str], measured: Summary | None, neutral: str) -> str:
    """How far the first ends from the second, in points."""
    if measured is None:
        return neutral
    if not sign(measured):
        return f"{names[0]} and {names[1]}: no clear difference"
    return f"{names[0]} ends {abs(measured.mean):.1f} points {'above' if sign(measured) > 0 else 'below'} {names[1]}"


def count(what: str, pairs: Sequence[tuple[Experiment, ...]], group: Sequence[Record], neutral: str) -> str:
    """In how many of the pairs that were run the first ends above the second."""
    differences = [measured for row, rival in pairs if (measured := difference(row, rival, group))]
    if not differences:
        return neutral
    return f"{what} in {sum(sign(one) > 0 for one in differences)} of {len(differences)} comparisons"


def last_losses(group: Sequence[Record]) -> str:
    """Who ends with the lower training loss and the lower test loss."""
    ends = {}
    for curve in ("train_loss", "test_loss"):
        by_row = [_last(row, group, curve) for row in (FIXED, CLR_TABLE_2)]
        both = sorted(by_row[0].keys() & by_row[1].keys())
        ends[curve] = Summary(tuple(by_row[0][seed] - by_row[1][seed] for seed in both)) if len(both) > 1 else None
    train, test = ends.values()
    if train is None or test is None or any(r.run.profile != "paper" for r in group):
        return "Training and test loss of the fixed schedule and of CLR"
    lower = {1: "CLR", -1: "the fixed schedule", 0: "neither"}
    first, second = lower[sign(train)], lower[sign(test)]
    if first == second == "neither":
        return "The losses of the fixed schedule and of CLR end without a clear difference"
    if first == second:
        return f"{_capital(first)} ends with the lower training loss and the lower test loss"
    return f"{_capital(first)} ends with the lower training loss, {second} with the lower test loss"


def bounds(read: Bounds, tests: Sequence[Record], neutral: str) -> str:
    """The bounds that several range tests give."""
    if read.base_lr is None or read.max_lr is None or len(tests) < 2:
        return neutral
    return f"The range test reads {'≤ ' if read.at_first_rate else ''}{read.base_lr:.2g} to {read.max_lr:.2g}"


def phases(group: Sequence[Record], ends: Sequence[int]) -> str:
    """Where in its cycles the accuracy is highest, if it is at the end of all of them, in the mean of the seeds."""
    if len(group) < 2:
        return "Test accuracy over the phase of the cycle"
    iterations, values = plots.common(group)
    mean = dict(zip(iterations.tolist(), values.mean(0).tolist(), strict=True))
    cycles = [{t: a for t, a in mean.items() if start <= t <= end} for start, end in pairwise(ends)]
    best = [max(cycle, key=cycle.__getitem__) for cycle in cycles]
    at_end = sum(t == end for t, end in zip(best, ends[1:], strict=True))
    return f"Accuracy peaks at the end of {at_end} of {len(cycles)} cycles, where the rate is lowest"


def _last(row: Experiment, group: Sequence[Record], curve: str) -> dict[int, float]:
    own = (r for r in group if r.run.experiment == row.name and r.diverged_at is None)
    return {r.run.seed: r.curves[curve][-1] for r in own}


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
