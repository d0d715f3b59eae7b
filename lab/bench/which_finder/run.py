"""Fill in the records that are missing: the grid of fixed rates, then every contender."""

import itertools
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
    tasks: Sequence[Task],
    seeds: Sequence[int] = SEEDS,
    finders: Sequence[Finder] = FINDERS,
    say: Say = say,
) -> None:
    """Make every record that is missing; each is kept at once, so that a second call goes on from there."""
    pairs = list(itertools.product(tasks, seeds))
    costs = [task.iterations * task.batch * sum(p.numel() for p in task.net().parameters()) ** 0.5 for task, _ in pairs]
    began, done = time.monotonic(), 0.0
    for k, (task, seed) in enumerate(pairs):
        made = 0
        kept = records.read(task.name)
        for record in missing(task, seed, kept, finders):
            kept[record.name] = record
            records.write(task.name, kept.values())
            made += 1
        if made:
            done += costs[k]
            left = duration((time.monotonic() - began) / done * sum(costs[k + 1 :]))
            say(f"{k + 1}/{len(pairs)}  {task.name}, seed {seed}: {made} records, at most {left} left")


def forget(tasks: Sequence[Task], contenders: Collection[str]) -> None:
    """Drop the records of some contenders, to be made again by another commit or version."""
    for task in tasks:
        kept = records.read(task.name).values()
        if kept:
            records.write(task.name, (record for record in kept if record.contender not in contenders))


def missing(task: Task, seed: int, kept: dict[str, Record], finders: Sequence[Finder]) -> Iterator[Record]:
    """The records of a task and a seed that are not kept yet, one after the other as they are made."""
    for rate in task.grid:
        record = Record(task.name, seed, "fixed", (rate,), None, None, 0.0, 0, **records.origin())
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
    """What a finder suggests, not trained yet. An error that it raises is its reason for suggesting nothing."""
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    peers.load(finder.modules)  # not in the time
    hook = register_optimizer_step_post_hook(count)
    began = time.process_time()
    try:
        found = dict(finder.run(task, seed))
    except Exception as error:  # whatever another library raises; its words are in the record
        found = dict.fromkeys(finder.contenders, f"{type(error).__name__}: {error}")
    finally:
        hook.remove()
    seconds = time.process_time() - began
    return [record(task, seed, name, found[name], seconds, steps, finder) for name in finder.contenders]


def record(
    task: Task, seed: int, contender: str, found: Rates | str, seconds: float, steps: int, finder: Finder
) -> Record:
    """A contender's rates, or its reason for none, as a record. A rate that is not finite is a reason too."""
    reason = found if isinstance(found, str) else None
    if reason is None and not all(map(math.isfinite, found)):
        reason = f"suggests {found}"
    rates = () if reason is not None or isinstance(found, str) else tuple(map(float, found))
    origin = records.origin(finder.packages)
    return Record(task.name, seed, contender, rates, reason, None, round(seconds, 3), steps, **origin)
