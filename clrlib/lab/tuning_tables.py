"""Tables of what was tuned on held-out images, as Markdown."""

import math
from collections.abc import Sequence

from clrlib.lab.claims import Summary, by_seed, main_group
from clrlib.lab.experiments import Experiment
from clrlib.lab.experiments.beyond import RATES, TITLES, tuning
from clrlib.lab.runs import Record
from clrlib.lab.tables import markdown


def tuning_table(records: Sequence[Record]) -> str:
    """Validation accuracy (%) of each schedule at each of its rates; the best in bold."""
    own = by_seed(main_group(records, "validation"))
    rows = []
    for schedule, title in TITLES.items():
        ends = [Summary(tuple(100 * r.accuracy for r in own[tuning(schedule, lr).name].values())) for lr in RATES]
        best = max((end.mean for end in ends if end.values and not math.isnan(end.mean)), default=None)
        cells = [end.text() if end.values else "not run" for end in ends]
        nothing = ["-", "-"]
        rows.append([contest.title, *_side(fixed, tuned), *(_side(cyclical, tuned) or nothing), *(best or nothing)])
    head = ["net", "a third of the rate", "the rate", "three times", "own bounds", "half of them"]
    return markdown([*head, "whole, on test images: fixed", "CLR"], rows)


def _side(rows: Sequence[Experiment], own: dict[str, dict[int, Record]]) -> list[str]:
    ends = [_end(row, own) for row in rows]
    best = max((end.mean for end in ends if end.values and not math.isnan(end.mean)), default=None)
    told = [f"{_short(row)}: {end.text() if end.values else 'not run'}" for row, end in zip(rows, ends, strict=True)]
    return [f"**{t}**" if e.values and e.mean == best else t for t, e in zip(told, ends, strict=True)]


def _short(row: Experiment) -> str:
    """The rate or the bounds alone."""
    return row.title.split(", ")[1].removeprefix("fixed-").removeprefix("clr-")


def _told(row: Experiment, own: dict[str, dict[int, Record]]) -> str:
    end = _end(row, own)
    return end.text() if end.values else "not run"


def _end(row: Experiment, own: dict[str, dict[int, Record]]) -> Summary:
    return Summary(tuple(100 * record.accuracy for record in own.get(row.name, {}).values()))
