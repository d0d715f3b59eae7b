"""Tables of what was tuned on held-out images, as Markdown."""

import math
from collections.abc import Sequence

from lab.claims import Summary, by_seed, main_group
from lab.experiments import CONTESTS, SEARCH, Experiment
from lab.experiments.beyond import RATES, TITLES, tuning
from lab.records.record import Record
from lab.show.tables import markdown


def tuning_table(records: Sequence[Record]) -> str:
    """Validation accuracy (%) of each schedule at each of its rates; the best in bold."""
    own = by_seed(main_group(records, "validation"))
    rows = []
    titles = {**TITLES, "schedule-free": f"{TITLES['schedule-free']} (ten times these rates)"}
    for schedule, title in titles.items():
        ends = [Summary(tuple(100 * r.accuracy for r in own[tuning(schedule, lr).name].values())) for lr in RATES]
        best = max((end.mean for end in ends if end.values and not math.isnan(end.mean)), default=None)
        cells = [end.text() if end.values else "not run" for end in ends]
        rows.append(
            [title, *(f"**{c}**" if e.values and e.mean == best else c for c, e in zip(cells, ends, strict=True))]
        )
    return markdown(["schedule", *(f"top rate {lr:g}" for lr in RATES)], rows)


def fewest_table(records: Sequence[Record]) -> str:
    """Validation accuracy of each length: how few iterations do what the fixed schedule does in 70,000."""
    own = by_seed(main_group(records, "validation"))
    rows = []
    for row in SEARCH:
        ends = Summary(tuple(100 * record.accuracy for record in own[row.name].values()))
        rows.append([row.title, f"{row.iterations:,}", ends.text() if ends.values else "not run"])
    return markdown(["schedule", "iterations", "validation accuracy (%)"], rows)


def contests_table(records: Sequence[Record]) -> str:
    """Each net's fixed rates and bounds on the validation images, the best of each side in bold; then those whole."""
    tuned, whole = by_seed(main_group(records, "validation")), by_seed(main_group(records))
    nothing, rows = ["-", "-"], []
    for contest in CONTESTS:
        fixed, cyclical = contest.tuning()[:3], contest.tuning()[3:]
        best = [f"{row.title.split(', ', 1)[1]}: {_told(row, whole)}" for row in contest.best()]
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
