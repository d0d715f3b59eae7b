"""`make choose`: what the validation split chooses, read from its records and written to results/choices.json."""

import math
from collections.abc import Sequence

from lab import files, paths
from lab.claims import comparable, groups
from lab.experiments import TUNE_FIXED, choices
from lab.experiments.controls import CHOICE, RATES
from lab.records import store
from lab.records.record import Record


def choose() -> None:
    """Choose the tuned controls' rate by seed 0 of the six tuning rows, published or not yet, and write it down."""
    places = (store.folder("published"), store.folder("paper"))
    records = {record.run.name: record for place in places for record in store.load_all(place)}
    value, names = best_rate([*records.values()])
    content = choices.read() | {CHOICE: {"value": value, "from": names}}
    files.write_atomically(choices.FILE, files.to_json(content))
    print(f"the fixed rate of the tuned controls is {value:g}; {paths.shown(choices.FILE)} says so")


def best_rate(records: Sequence[Record]) -> tuple[float, list[str]]:
    """The rate with the highest validation accuracy, of equal ones the smallest, and the six records' names.

    Raises ValueError where there is not exactly one set of all six on CIFAR-10 from one device in one precision.
    """
    rows = [row.name for row in TUNE_FIXED]
    own = [r for r in records if r.run.experiment in rows and r.run.seed == 0]
    found = [{r.run.experiment: r for r in group} for group in groups(own).values() if comparable(group)]
    whole = [group for group in found if len(group) == len(rows)]
    if not whole:
        most = max(found, key=len, default={})
        missing = ",".join(name for name in rows if name not in most)
        raise ValueError(f"{len(most)} of {len(rows)} tuning records are there; call `make publish ROWS={missing}`")
    if len(whole) > 1:
        raise ValueError(f"the tuning records are there {len(whole)} times; keep those of one device and precision")
    ends = [whole[0][name].accuracy for name in rows]
    if all(map(math.isnan, ends)):
        raise ValueError("all tuning trainings diverged, so that no rate can be chosen; look at their records")
    best = max(range(len(ends)), key=lambda k: -math.inf if math.isnan(ends[k]) else ends[k])
    return RATES[best], [whole[0][name].run.name for name in rows]
