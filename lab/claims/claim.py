"""Claim: a sentence of the paper with its number, and the rules by which it is judged.

An accuracy is "reproduced" within TOLERANCE of the paper's. A difference between two policies, seed by seed, is
"reproduced" within TOLERANCE of the paper's, and "direction only" where it has the paper's sign: its 95 % interval
keeps off zero. Where the paper says in words that two are equivalent its difference is 0; where it says that one is
better, "reproduced" asks for an interval that keeps off zero. One run gets no verdict in any table.

These rules were committed before the trainings that they judge had ended, with three exceptions: seed 0 of FIXED and
CLR_TABLE_2 was there when the rule for `at_least` was made stricter; the rule for the range test came together with
its records; and questions that one training of CLR_TRIANGULAR answers were asked after its seed 0 was there, so that
only later seeds count for them (`first_seed`).
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lab.claims.groups import by_seed
from lab.claims.summary import Summary
from lab.experiments import Experiment
from lab.records.record import Record

TOLERANCE = 1.0  # percentage points of test accuracy
CHANCE = 10.0  # accuracy (%) of a net that knows nothing, ten classes


@dataclass(frozen=True)
class Claim:
    """A sentence with a number: the accuracy of a row, or its difference to a rival's, in percentage points.

    at_least: more than the paper's difference also counts as reproduced ("as good in fewer iterations"). at, rival_at:
    after how many iterations (of the paper's size) the accuracy is taken; at the end where None. said: the difference
    that the paper's words stand for where it gives no number, 0 for "equivalent". better: it only says which of the
    two is better; a training that diverged counts as CHANCE. at_most: less than the paper's difference also counts
    ("does not improve"). reading: its words are ours, drawn from a rule of the paper's. curve: which of the record's
    accuracies is meant, for the row. first_seed: smaller seeds do not count at the paper's size.
    """

    text: str
    row: Experiment
    notebook: str
    rival: Experiment | None = None
    at_least: bool = False
    at: int | None = None
    rival_at: int | None = None
    said: float | None = None
    better: bool = False
    at_most: bool = False
    reading: bool = False
    curve: str = "test_accuracy"
    first_seed: int = 0

    @property
    def paper(self) -> float | None:
        if self.said is not None or self.better:
            return self.said
        if self.row.paper is None or self.rival is None:
            return self.row.paper
        return None if self.rival.paper is None else self.row.paper - self.rival.paper

    def measured(self, records: Iterable[Record]) -> Summary | None:
        """Ours, from the records of one group: percent, or differences of the seeds that both rows have."""
        ours = by_seed(r for r in records if r.run.profile != "paper" or r.run.seed >= self.first_seed)
        diverged = CHANCE if self.better else math.nan
        row = _accuracies(ours[self.row.name], self.row, self.at, diverged, self.curve)
        if self.rival is not None:
            both = {seed: record for seed, record in ours[self.rival.name].items() if seed in row}
            rival = _accuracies(both, self.rival, self.rival_at, diverged)
            row = {seed: row[seed] - rival[seed] for seed in rival}
        return Summary(tuple(row[seed] for seed in sorted(row))) if row else None

    def verdict(self, measured: Summary | None) -> str:
        """ "reproduced", "direction only", "not reproduced" or "not run"; "-" where the paper says nothing."""
        if measured is None:
            return "not run"
        if self.better:
            return "reproduced" if _same_direction(1, measured, TOLERANCE) else "not reproduced"
        if self.paper is None:
            return "-"
        excess = round(measured.mean - self.paper, 9)  # 78.5 - 81.4 is -2.9000000000000057
        if self.at_least and measured.interval and measured.interval[1] < self.paper:
            return "not reproduced"  # worse beyond doubt, however little
        if abs(excess) <= TOLERANCE or (self.at_least and excess > 0) or (self.at_most and excess < 0):
            return "reproduced"
        same = self.rival and _same_direction(self.paper, measured, TOLERANCE / 2)
        return "direction only" if same else "not reproduced"


def _same_direction(paper: float, measured: Summary, doubt: float) -> bool:
    """True where the sign is the paper's: by the interval, or with one seed by more than the doubt (points)."""
    low, high = measured.interval or (measured.mean - doubt, measured.mean + doubt)
    return (low > 0 and paper > 0) or (high < 0 and paper < 0)


def _accuracies(
    own: Mapping[int, Record], row: Experiment, at: int | None, diverged: float, curve: str = "test_accuracy"
) -> dict[int, float]:
    """Accuracy (%) by seed: at the end, or after `at` iterations of the paper's size (fewer in short runs).

    diverged: what counts for a training that did; NaN makes every mean with it NaN, so none hides it.
    """
    return {
        seed: diverged if record.diverged_at is not None else 100 * _accuracy(record, row, at, curve)
        for seed, record in own.items()
    }


def _accuracy(record: Record, row: Experiment, at: int | None, curve: str) -> float:
    return record.accuracy_at((at or row.iterations) * record.run.iterations // row.iterations, curve)
