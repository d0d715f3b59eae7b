"""`make choose`: make choices from records and write them to results/choices.json."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from lab import files, paths
from lab.claims import bounds_of_loss, groups, read_bounds
from lab.experiments import CONTESTS, SIGMOID_RANGE_TEST, TUNE_FIXED, Experiment, choices, named
from lab.experiments.beyond import RATES as EQUAL_RATES
from lab.experiments.beyond import SCHEDULES, choice, tuning
from lab.experiments.controls import CHOICE, RATES
from lab.experiments.sigmoid import CHOICE as SIGMOID_CHOICE
from lab.experiments.tuned import Contest
from lab.records import store
from lab.records.record import Record

Choice = tuple[Any, list[str]]  # the value, and the names of the records that it was chosen from


class NotYet(ValueError):
    """Records that a choice needs are missing."""


def choose() -> None:
    """Make every choice whose records exist, published or not, and write them to the file.

    Raises ValueError, and writes nothing, where no choice can be made.
    """
    made: dict[str, Any] = {}
    missing: dict[str, NotYet] = {}
    for name, pick in picks(_records("published", "paper"), _records("published laptop", "laptop")):
        try:
            value, origin = pick()
        except NotYet as error:
            missing[name] = error
        else:
            made[name] = {"value": value, "from": origin}
    if not made:
        raise next(iter(missing.values()))
    files.write_atomically(choices.FILE, files.to_json(choices.read() | made))
    for name, content in made.items():
        print(f"{name} is {_told(content['value'])}; {paths.shown(choices.FILE)} says so")
    for name, why in missing.items():
        print(f"{name} is not chosen: {why}")


def picks(paper: Sequence[Record], laptop: Sequence[Record]) -> Iterator[tuple[str, Callable[[], Choice]]]:
    """Each choice's name, and the call that makes it. The records are those of the profiles paper and laptop."""
    yield CHOICE, partial(best_rate, paper)
    for schedule in SCHEDULES:
        yield choice(schedule), partial(best, paper, {lr: tuning(schedule, lr) for lr in EQUAL_RATES})
    yield SIGMOID_CHOICE, partial(_sigmoid_bounds, paper)
    for contest in CONTESTS:
        tuned = contest.tuning()
        yield f"{contest.name}-bounds", partial(_found, laptop, contest)
        yield f"tuned-fixed-{contest.name}", partial(best, laptop, dict(zip(contest.rates, tuned[:3], strict=True)))
        if contest.bounds:
            bounds = dict(zip(contest.bounds, tuned[3:], strict=True))
            yield f"tuned-clr-{contest.name}", partial(best, laptop, bounds)


def best_rate(records: Sequence[Record]) -> Choice:
    """The tuned controls' rate."""
    return best(records, dict(zip(RATES, TUNE_FIXED, strict=True)))


def best(records: Sequence[Record], rows: Mapping[Any, Experiment]) -> Choice:
    """The value whose row has the highest validation accuracy at seed 0 (the first in a tie), and all records' names.

    Raises NotYet unless exactly one device and precision has records of all rows.
    """
    names = [row.name for row in rows.values()]
    candidates = [r for r in records if r.run.experiment in names and r.run.seed == 0 and _on_their_images(r)]
    sets = [{r.run.experiment: r for r in group} for group in groups(candidates).values()]
    whole = [group for group in sets if len(group) == len(rows)]
    if not whole:
        most = max(sets, key=len, default={})
        missing = ",".join(name for name in names if name not in most)
        raise NotYet(f"{len(most)} of {len(rows)} tuning records are there; call `make publish ROWS={missing}`")
    if len(whole) > 1:
        raise NotYet(f"the tuning records are there {len(whole)} times; keep those of one device and precision")
    ends = {value: whole[0][row.name].accuracy for value, row in rows.items()}
    if all(map(math.isnan, ends.values())):
        raise NotYet("all tuning trainings diverged, so that nothing can be chosen; look at their records")
    value = max(ends, key=lambda value: -math.inf if math.isnan(ends[value]) else ends[value])
    return value, [whole[0][name].run.name for name in names]


def _found(records: Sequence[Record], contest: Contest) -> Choice:
    """The bounds that a net's own range test gives."""
    name = contest.name if contest.rows[0].data == "cifar10" else f"{contest.name}-imagenette"
    (row,) = named([f"{name}-range-test"])
    test = _one(records, row)
    bounds = read_bounds([test], row)
    if bounds.base_lr is None or bounds.max_lr is None:
        raise NotYet(f"{test.run.name} gives no bounds ({bounds.reason})")
    return [float(f"{bounds.base_lr:.3g}"), float(f"{bounds.max_lr:.3g}")], [test.run.name]


def _sigmoid_bounds(records: Sequence[Record]) -> Choice:
    test = _one(records, SIGMOID_RANGE_TEST)
    return [*bounds_of_loss(test)], [test.run.name]


def _one(records: Sequence[Record], row: Experiment) -> Record:
    matching = [r for r in records if r.run.experiment == row.name and r.run.seed == 0 and _on_their_images(r)]
    if len(matching) != 1:
        raise NotYet(
            f"{len(matching)} records of {row.name} with seed 0 are there; call `make publish ROWS={row.name}`"
        )
    return matching[0]


def _on_their_images(record: Record) -> bool:
    """True for a record on the row's kind of images, not on digits or the user's own images."""
    label: str = record.data["label"]
    return label.startswith(("CIFAR-10", "Imagenette"))


def _records(*places: str) -> list[Record]:
    return [*{record.run.name: record for place in places for record in store.load_all(paths.records(place))}.values()]


def _told(value: Any) -> str:
    return "-".join(f"{rate:g}" for rate in value) if isinstance(value, (list, tuple)) else f"{value:g}"
