"""Fill in the records that are missing: the grid of fixed rates, then every contender."""

import math
import time
from collections.abc import Collection, Iterator, Sequence

from torch.optim.optimizer import register_optimizer_step_post_hook

from lab.bench.which_finder import peers, records
from lab.bench.which_finder.contenders import FINDERS, Finder, Rates
from lab.bench.which_finder.records import Record
from lab.bench.which_finder.tasks import Task
from lab.bench.which_finder.training import train
from lab.lines import Say, duration, say

SEEDS = (0, 1, 2)


def fill(
    task: Task,
    seeds: Sequence[int] = SEEDS,
    finders: Sequence[Finder] = FINDERS,
    left: Sequence[Task] = (),
    say: Say = say,
) -> None:
    """Make every record of a task that is missing; each is kept at once, so that a second call goes on from there.

    left: the tasks that come later, for the line that says how long they may take.
    """
    began = time.monotonic()
    for k, seed in enumerate(seeds, 1):
        kept, made = records.read(task.name), 0
        for record in missing(task, seed, kept, finders):
            kept[record.name] = record
            records.write(task.name, kept.values())
            made += 1
        seconds = (time.monotonic() - began) / k * (len(seeds) - k + len(seeds) * len(left))
        say(f"{task.name}, seed {seed}: {made} records; about {duration(seconds)} left")


def forget(task: Task, contenders: Collection[str]) -> None:
    """Drop a task's records of some contenders, to be made again by another commit or version."""
    kept = records.read(task.name).values()
    if kept and contenders:
        records.write(task.name, (record for record in kept if record.contender not in contenders))


def missing(task: Task, seed: int, kept: dict[str, Record], finders: Sequence[Finder]) -> Iterator[Record]:
    """The records of a task and a seed that are not kept yet, one after the other as they are made."""
    for rate in task.grid:
        record = Record(task.name, seed, "fixed", (rate,), None, None, task.chance(), 0.0, 0, **records.origin())
        if record.name not in kept:
            yield with_metric(task, record)
    for finder in finders:
        if any(f"seed {seed}, {name}" not in kept for name in finder.contenders):
            for record in asked(finder, task, seed):
                yield with_metric(task, record)


def with_metric(task: Task, record: Record) -> Record:
    """The record with what its rates reach, trained now; as it is where they are no rates to train with."""
    if not record.rates or not all(math.isfinite(rate) and rate > 0 for rate in record.rates):
        return record
    return Record(**{**vars(record), "metric": train(task, record.seed, record.rates)})


def asked(finder: Finder, task: Task, seed: int) -> list[Record]:
    """Suggestions of one finder, not trained yet. An error that it raises is its reason for suggesting nothing."""
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    peers.load(finder.modules)  # not in the time
    hook = register_optimizer_step_post_hook(count)
    began = time.process_time()
    try:
        suggested = dict(finder.run(task, seed))
    except Exception as error:  # whatever another library raises; its words are in the record
        suggested = dict.fromkeys(finder.contenders, f"{type(error).__name__}: {error}")
    finally:
        hook.remove()
    seconds = time.process_time() - began
    return [record(task, seed, name, suggested[name], seconds, steps, finder) for name in finder.contenders]


def record(
    task: Task, seed: int, contender: str, suggestion: Rates | str, seconds: float, steps: int, finder: Finder
) -> Record:
    """A contender's rates, or its reason for none, as a record. A rate that is not finite is a reason too."""
    reason = suggestion if isinstance(suggestion, str) else None
    if not isinstance(suggestion, str) and not all(math.isfinite(rate) for rate in suggestion):
        reason = f"suggests {suggestion}"
    rates = () if reason is not None or isinstance(suggestion, str) else tuple(map(float, suggestion))
    origin = records.origin(finder.packages)
    return Record(task.name, seed, contender, rates, reason, None, task.chance(), round(seconds, 3), steps, **origin)
