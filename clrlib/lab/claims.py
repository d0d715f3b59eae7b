"""What the paper claims, what was measured, the verdict.

The rules for accuracies were committed before the trainings that they judge had ended; the one for the range test
together with its records. An accuracy is "reproduced" within TOLERANCE of the paper's. A difference between two
policies, seed by seed, is "reproduced" within TOLERANCE of the paper's, and "direction only" where it has the paper's
sign beyond doubt: its 95 % interval keeps off zero, or with one seed it is over half of TOLERANCE.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from clrlib.lab.experiments import (
    CLR_TABLE_2,
    CLR_TRIANGULAR,
    CLR_TRIANGULAR2,
    DECAY_2000,
    DECAY_4000,
    EXP,
    EXP_RANGE,
    EXP_RANGE_AMPLITUDE,
    FIXED,
    RANGE_TEST,
    TABLE_3,
    TABLE_3_CONSTANT,
    Experiment,
)
from clrlib.lab.paper import FIGURE_3_BOUNDS
from clrlib.lab.runs import Record
from clrlib.range_test import Bounds, RangeTest

TOLERANCE = 1.0  # percentage points of test accuracy
Group = tuple[str, ...]  # profile, data label, SHA-256, device, precision: what may be averaged together


@dataclass(frozen=True)
class Summary:
    """Numbers from n seeds: mean, standard deviation and 95 % interval (Student's t); no spread with one seed."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def sd(self) -> float | None:
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None

    @property
    def interval(self) -> tuple[float, float] | None:
        if self.sd is None or math.isnan(self.sd):
            return None
        half = float(stats.t.ppf(0.975, len(self.values) - 1)) * self.sd / len(self.values) ** 0.5
        return self.mean - half, self.mean + half

    def text(self, sign: str = "") -> str:
        """For tables.

        >>> Summary((81.0, 82.0)).text(), Summary((0.5,)).text(sign="+"), Summary((81.0, math.nan)).text()
        ('81.5 ± 0.7 (n = 2)', '+0.5 (n = 1)', '(1 of 2 diverged)')
        """
        if diverged := sum(map(math.isnan, self.values)):
            return f"({diverged} of {len(self.values)} diverged)"
        spread = "" if self.sd is None else f" ± {self.sd:.1f}"
        return f"{self.mean:{sign}.1f}{spread} (n = {len(self.values)})"


@dataclass(frozen=True)
class Claim:
    """A sentence with a number: the accuracy of a row, or its difference to a rival's, in percentage points.

    at_least: more than the paper's difference also counts as reproduced ("as good in fewer iterations").
    at, rival_at: after how many iterations (of the paper's size) the accuracy is taken; at the end where None.
    """

    text: str
    row: Experiment
    notebook: str
    rival: Experiment | None = None
    at_least: bool = False
    at: int | None = None
    rival_at: int | None = None

    @property
    def paper(self) -> float | None:
        if self.row.paper is None or self.rival is None:
            return self.row.paper
        return None if self.rival.paper is None else self.row.paper - self.rival.paper

    def measured(self, records: Iterable[Record]) -> Summary | None:
        """Ours, from the records of one group: percent, or differences of the seeds that both rows have."""
        ours = by_seed(records)
        row = _accuracies(ours[self.row.name], self.row, self.at)
        if self.rival is not None:
            rival = _accuracies(ours[self.rival.name], self.rival, self.rival_at)
            row = {seed: row[seed] - rival[seed] for seed in row if seed in rival}
        return Summary(tuple(row[seed] for seed in sorted(row))) if row else None

    def verdict(self, measured: Summary | None) -> str:
        """ "reproduced", "direction only", "not reproduced" or "not run"; "-" where the paper has no number."""
        if measured is None:
            return "not run"
        if self.paper is None:
            return "-"
        excess = round(measured.mean - self.paper, 9)  # 78.5 - 81.4 is -2.9000000000000057
        if self.at_least and measured.interval and measured.interval[1] < self.paper:
            return "not reproduced"  # worse beyond doubt, however little
        if abs(excess) <= TOLERANCE or (self.at_least and excess > 0):
            return "reproduced"
        return "direction only" if self.rival and _same_direction(self.paper, measured) else "not reproduced"


def _same_direction(paper: float, measured: Summary) -> bool:
    low, high = measured.interval or (measured.mean - TOLERANCE / 2, measured.mean + TOLERANCE / 2)
    return (low > 0 and paper > 0) or (high < 0 and paper < 0)


def _accuracies(own: Mapping[int, Record], row: Experiment, at: int | None) -> dict[int, float]:
    """Test accuracy (%) by seed: at the end, or after `at` iterations of the paper's size (fewer in short runs).

    NaN for a run that diverged, so no mean hides it.
    """
    return {seed: 100 * _accuracy(record, row, at) for seed, record in own.items()}


def _accuracy(record: Record, row: Experiment, at: int | None) -> float:
    if at is None or record.diverged_at is not None:
        return record.accuracy
    return record.accuracy_at(at * record.run.iterations // row.iterations)


def by_seed(records: Iterable[Record]) -> dict[str, dict[int, Record]]:
    """Records by row and seed.

    Raises ValueError for two records of one row and seed: settings changed in between, and nothing says which counts.
    """
    table: dict[str, dict[int, Record]] = defaultdict(dict)
    names: dict[tuple[str, int], str] = {}
    for record in records:
        run = record.run
        other = names.setdefault((run.experiment, run.seed), run.name)
        if other != run.name:
            raise ValueError(f"{other} and {run.name} are one row and seed with other settings; remove the stale one")
        table[run.experiment][run.seed] = record
    return table


def groups(records: Iterable[Record]) -> dict[Group, list[Record]]:
    """Records that may be averaged together, the group with the most records first."""
    table: dict[Group, list[Record]] = defaultdict(list)
    for record in records:
        run, data = record.run, record.data
        table[run.profile, data["label"], data["sha256"], record.machine["device"], run.precision].append(record)
    return dict(sorted(table.items(), key=lambda item: (-len(item[1]), item[0])))


def main_group(records: Sequence[Record]) -> list[Record]:
    """The group with the most records; empty where there are none."""
    return next(iter(groups(records).values()), [])


def comparable(records: Sequence[Record]) -> bool:
    """Whether these are the paper's experiment: its size, on CIFAR-10. Others get no verdict."""
    return all(r.run.profile == "paper" and r.data["label"].startswith("CIFAR-10") for r in records)


def finished_range_tests(records: Iterable[Record]) -> list[Record]:
    """The range tests that went through to their last rate."""
    return [r for r in records if r.run.experiment == RANGE_TEST.name and r.diverged_at is None]


def read_range_test(records: Iterable[Record]) -> RangeTest:
    """The recorded range tests of all seeds as one, for its bounds(). Raises ValueError where there are none."""
    curves = [r.curves for r in finished_range_tests(records)]
    if not curves:
        raise ValueError("no finished range test among the records; train it first")
    return RangeTest(np.array(curves[0]["lr"]), np.array([c["test_accuracy"] for c in curves]))


def read_bounds(records: Sequence[Record]) -> Bounds:
    """What the recorded range tests say together."""
    if not finished_range_tests(records):
        return Bounds(None, None, "no clear answer: no training went through to the last rate")
    return read_range_test(records).bounds()


def bounds_verdict(bounds: Bounds) -> str:
    """The paper's reading of figure 3 against ours: reproduced within a factor of two on both sides.

    A base_lr at the first rate that was measured is only known to lie at or below it, so it is not judged.
    """
    base_lr, max_lr = FIGURE_3_BOUNDS
    if bounds.base_lr is None or bounds.max_lr is None or not 0.5 <= bounds.max_lr / max_lr <= 2:
        return "not reproduced"
    if bounds.at_first_rate:
        return "max_lr reproduced, base_lr not resolved"
    return "reproduced" if 0.5 <= bounds.base_lr / base_lr <= 2 else "not reproduced"


def _table_3_claims(rows: Sequence[Experiment]) -> list[Claim]:
    """Each row's accuracy; then, for each solver, CLR's minus that of its fixed rate."""
    accuracies = [Claim(f"{row.title}: {row.paper} %", row, "06") for row in rows]
    differences = []
    fixed = rows[0]
    for row in rows:
        if ", fixed," in row.title:
            fixed = row
        else:
            differences.append(Claim(f"{row.title}, against its fixed rate", row, "06", fixed))
    return accuracies + differences


AS_GOOD = Claim("CLR (25,000) is as good as the fixed schedule (70,000)", CLR_TABLE_2, "03", FIXED, at_least=True)
ONLY_THE_FALL = Claim("Falling alone is 2.9 points worse than CLR", DECAY_4000, "04", CLR_TABLE_2)
CLAIMS = (
    Claim("The fixed schedule reaches 81.4 % after 70,000 iterations", FIXED, "03"),
    Claim("CLR by table 2 reaches 81.4 % after 25,000 iterations", CLR_TABLE_2, "03"),
    AS_GOOD,
    Claim(
        "Triangular 0.001-0.006 (section 3.1, 25,000) is as good as the fixed schedule",
        CLR_TRIANGULAR,
        "03",
        FIXED,
        at_least=True,
    ),
    Claim("Triangular2 0.001-0.006 (in neither text)", CLR_TRIANGULAR2, "03"),
    Claim("Falling alone (decay over 4,000) reaches only 78.5 %", DECAY_4000, "04"),
    ONLY_THE_FALL,
    Claim("Falling alone over 2,000 (a variant)", DECAY_2000, "04"),
    Claim("exp reaches 79.1 % after 70,000 iterations", EXP, "05"),
    Claim("exp_range, both bounds falling, reaches 82.2 % after 42,000 iterations", EXP_RANGE, "05", at=42_000),
    Claim(
        "exp_range, only the amplitude falling, reaches 82.2 % after 42,000 iterations",
        EXP_RANGE_AMPLITUDE,
        "05",
        at=42_000,
    ),
    Claim("exp_range (42,000) is 3.1 points better than exp (70,000)", EXP_RANGE, "05", EXP, at=42_000),
    Claim("Going on to 70,000 does not improve exp_range", EXP_RANGE, "05", EXP_RANGE, rival_at=42_000),
    *_table_3_claims(TABLE_3),
    *_table_3_claims(TABLE_3_CONSTANT),
)
