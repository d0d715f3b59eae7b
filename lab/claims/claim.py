"""Claim: a sentence of the paper with its number, and the rules by which it is judged.

An accuracy is "reproduced" within TOLERANCE of the paper's. A difference between two policies, seed by seed, is
"reproduced" within TOLERANCE of the paper's, and "direction only" where its 95 % interval lies on the paper's side of
zero. Where the interval lies wholly on the other side the verdict is "opposite", however near the numbers are. If
the paper calls two policies equivalent, its difference is 0; if it calls one better, "reproduced" needs an interval
above zero. All else is "not reproduced". One run gets no verdict.

These rules were committed before the trainings that they judge had ended, with four exceptions: seed 0 of FIXED and
CLR_TABLE_2 was there when the rule for `at_least` was made stricter; the rule for the range test came together with
its records; questions that one training of CLR_TRIANGULAR answers were asked after its seed 0 was there, so that only
later seeds count for them (`first_seed`); and "opposite" became a verdict of its own when one seed of FIXED and of
CLR_TABLE_2 was there, and five on the JPEG copy, which is not judged.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.claims.answer import NO_NUMBER, NOT_RUN, ONE_RUN, OTHER_SIZE, Answer
from lab.claims.groups import KINDS, by_seed, comparable, where
from lab.claims.summary import Summary
from lab.experiments import Experiment
from lab.records.record import Record

TOLERANCE = 1.0  # percentage points of test accuracy
CHANCE = 10.0  # accuracy (%) of a net that knows nothing, ten classes


@dataclass(frozen=True)
class Claim:
    """A sentence with a number: a row's accuracy, or its difference from a rival's, in percentage points.

    at_least: more than the paper's difference also counts as reproduced ("as good in fewer iterations"). at, rival_at:
    after how many iterations (of the paper's size) the accuracy is taken; at the end where None. said: the difference
    that the paper's words stand for where it gives no number, 0 for "equivalent". better: it only says which of the
    two is better; a training that diverged counts as CHANCE. at_most: less than the paper's difference also counts
    ("does not improve"). reading: its words are ours, drawn from a rule of the paper's. curve: which of the record's
    accuracies is meant, for the row. first_seed: smaller seeds do not count at the paper's size. place: the section
    that says it, where the rows' own sources are not meant.
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
    place: str = ""

    @property
    def source(self) -> str:
        """Where it stands: the places of both rows in the paper, or that of the advice; "-" for our own questions."""
        rows = dict.fromkeys(row.source for row in (self.row, self.rival) if row is not None and row.source)
        return self.place or ("-" if self.reading else "; ".join(rows) or "-")

    @property
    def paper(self) -> float | None:
        if self.said is not None or self.better:
            return self.said
        if self.row.paper is None or self.rival is None:
            return self.row.paper
        return None if self.rival.paper is None else self.row.paper - self.rival.paper

    def measured(self, records: Iterable[Record]) -> Summary | None:
        """Our number from one group of records: percent, or the differences of the seeds that both rows have."""
        ours = by_seed(r for r in records if r.run.profile != "paper" or r.run.seed >= self.first_seed)
        diverged = CHANCE if self.better else math.nan
        row = _accuracies(ours[self.row.name], self.row, self.at, diverged, self.curve)
        if self.rival is not None:
            both = {seed: record for seed, record in ours[self.rival.name].items() if seed in row}
            rival = _accuracies(both, self.rival, self.rival_at, diverged)
            row = {seed: row[seed] - rival[seed] for seed in rival}
        return Summary(tuple(row[seed] for seed in sorted(row))) if row else None

    def verdict(self, measured: Summary | None) -> str:
        """One of VERDICTS, or the reason for giving no verdict."""
        if measured is None:
            return NOT_RUN
        if self.paper is None and not self.better:
            return NO_NUMBER
        if len(measured.values) == 1:
            return ONE_RUN
        paper = 0.0 if self.paper is None else self.paper
        wanted = 1 if self.better else _sign(paper, paper) if self.rival else 0
        shown = _sign(*(measured.interval or (0, 0)))
        if wanted and shown == -wanted:
            return "opposite"
        if self.better:
            return "reproduced" if shown == wanted else "not reproduced"
        if self.at_least and measured.interval and measured.interval[1] < paper:
            return "not reproduced"  # worse beyond doubt, however little
        excess = round(measured.mean - paper, 9)  # 78.5 - 81.4 is -2.9000000000000057
        if abs(excess) <= TOLERANCE or (self.at_least and excess > 0) or (self.at_most and excess < 0):
            return "reproduced"
        return "direction only" if wanted and shown == wanted else "not reproduced"

    def answer(self, group: Sequence[Record]) -> Answer:
        """The answer of one group of records; without any at the paper's size, with the command that trains them."""
        measured, sign = self.measured(group), "+" if self.rival else ""
        verdict = self.verdict(measured)
        if measured and not comparable([r for r in group if _data(r) == self.row.data]):
            verdict = OTHER_SIZE
        return Answer(
            self.notebook,
            self.text,
            self._paper_text(sign),
            measured.text(sign) if measured else "-",
            " points" if self.rival else " %",
            measured.spread(paired=self.rival is not None) if measured else "-",
            verdict,
            self._train() if measured is None and all(r.run.profile == "paper" for r in group) else "",
            self.source,
            self.paper,
            p=measured.p_value if measured and self.rival else None,
            **_numbers(measured, [r for r in group if r.run.experiment == self.row.name]),
        )

    def _paper_text(self, sign: str) -> str:
        if self.better or self.said == 0:
            words = "better" if self.better else "equivalent"
            return f"{words} (our reading)" if self.reading else words
        return "-" if self.paper is None else f"{self.paper:{sign}.1f}"

    def _train(self) -> str:
        rows = {row.name: row for row in (self.row, self.rival) if row is not None}
        if any(row.waits_for for row in rows.values()):
            return "waits for `make choose`"
        return f"`make publish ROWS={','.join(rows)}`"


def _numbers(measured: Summary | None, records: Sequence[Record]) -> dict[str, Any]:
    """The numbers of an answer, and what its records were measured on; none without a measurement."""
    if measured is None:
        return {}
    low, high = measured.interval or (None, None)
    numbers = {"mean": measured.mean, "sd": measured.sd, "n": len(measured.values), "low": low, "high": high}
    return {**numbers, **where(records)}


def _sign(low: float, high: float) -> int:
    """1 for an interval above zero, -1 for one below, else 0."""
    return (low > 0) - (high < 0)


def _data(record: Record) -> str:
    return KINDS.get(record.run.experiment, ("cifar10", ""))[0]


def _accuracies(
    records: Mapping[int, Record], row: Experiment, at: int | None, diverged: float, curve: str = "test_accuracy"
) -> dict[int, float]:
    """Accuracy (%) by seed: at the end, or after `at` iterations of the paper's size (fewer in short runs).

    diverged: the value for a training that diverged. NaN makes every mean with it NaN, so that no mean hides it.
    """
    return {
        seed: diverged if record.diverged_at is not None else 100 * _accuracy(record, row, at, curve)
        for seed, record in records.items()
    }


def _accuracy(record: Record, row: Experiment, at: int | None, curve: str) -> float:
    return record.accuracy_at((at or row.iterations) * record.run.iterations // row.iterations, curve)
