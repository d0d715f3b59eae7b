"""Cost of a suggestion: the regret against the best fixed rate of the grid, and what is nothing or nonsense."""

from collections.abc import Iterable

import pandas as pd

from lab.bench.which_finder.records import Record

NONSENSE = 50.0  # % of what there is to gain


def regret(metric: float | None, best: float, oracle: float, chance: float) -> float:
    """The share of what there is to gain that is lost, in %: 100 (best - metric) / (oracle - chance).

    best: the metric of the task's best fixed rate with the same seed. oracle: its mean over the seeds. metric: None,
    where nothing was suggested or the training diverged, is a regret of 100; what is below chance counts as chance.
    Negative where the suggestion does better. Raises ValueError for an oracle that is no better than chance.

    >>> regret(0.80, best=0.90, oracle=0.90, chance=0.10), regret(None, best=0.90, oracle=0.90, chance=0.10)
    (12.5, 100.0)
    """
    if not oracle > chance:
        raise ValueError(f"the best fixed rate reaches {oracle}, chance {chance}; nothing can be gained on this task")
    if metric is None:
        return 100.0
    return round(100 * (best - max(metric, chance)) / (oracle - chance), 6)


def oracle(records: Iterable[Record]) -> tuple[float, dict[int, float]]:
    """The fixed rate of the grid whose metric has the highest mean over the seeds, and its metric by seed.

    Seeds whose grid is not finished do not count. A training that diverged counts as chance, and so does what is below
    it. Raises ValueError without any.
    """
    grid: dict[int, dict[float, float]] = {}
    for record in records:
        if record.contender == "fixed":
            value = record.chance if record.metric is None else max(record.metric, record.chance)
            grid.setdefault(record.seed, {})[record.rates[0]] = value
    if not grid:
        raise ValueError("there is no training at a fixed rate; run the grid first")
    most = max(map(len, grid.values()))
    whole = {seed: by_rate for seed, by_rate in grid.items() if len(by_rate) == most}
    rates = next(iter(whole.values()))
    rate = max(rates, key=lambda rate: sum(by_rate[rate] for by_rate in whole.values()))
    return rate, {seed: by_rate[rate] for seed, by_rate in whole.items()}


def frame(records: Iterable[Record]) -> pd.DataFrame:
    """A row for each task, seed and contender: rates, metric, regret (%), nothing, nonsense, seconds, steps."""
    by_task: dict[str, list[Record]] = {}
    for record in records:
        by_task.setdefault(record.task, []).append(record)
    rows = []
    for of_task in by_task.values():
        rate, best = oracle(of_task)
        mean = sum(best.values()) / len(best)
        for record in of_task:
            if record.contender != "fixed" and record.seed in best:
                lost = regret(record.metric, best[record.seed], mean, record.chance)
                rows.append(_row(record, rate, lost))
    return pd.DataFrame(rows)


def _row(record: Record, oracle_rate: float, lost: float) -> dict[str, object]:
    return {
        "task": record.task,
        "seed": record.seed,
        "contender": record.contender,
        "rates": record.rates,
        "best rate": oracle_rate,
        "metric": record.metric,
        "regret": lost,
        "nothing": not record.rates,
        "nonsense": bool(record.rates) and lost >= NONSENSE,
        "seconds": record.seconds,
        "steps": record.steps,
        "reason": record.reason,
    }


def by_task(table: pd.DataFrame) -> pd.DataFrame:
    """The mean regret over the seeds: a row for each contender, a column for each task."""
    return table.pivot_table(index="contender", columns="task", values="regret", aggfunc="mean", sort=False)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each contender, the lowest mean regret first; regrets are over tasks, each the mean of its seeds."""
    regrets, asked = by_task(table), table.groupby("contender")
    rows = pd.DataFrame(
        {
            "mean regret (%)": regrets.mean(axis=1),
            "median": regrets.median(axis=1),
            "worst task": regrets.max(axis=1),
            "nothing": asked["nothing"].sum(),
            "nonsense": asked["nonsense"].sum(),
            "asked": asked.size(),
            "seconds": asked["seconds"].median(),
            "steps": asked["steps"].median(),
        }
    )
    return rows.sort_values("mean regret (%)")
