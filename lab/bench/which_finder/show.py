"""The figure and the page of the finders, from their records alone."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from lab import files, paths
from lab.bench.which_finder import records, scores, tasks
from lab.bench.which_finder.contenders import CLR, FIXED, USUAL
from lab.bench.which_finder.tasks import Task
from lab.cli import reproduce
from lab.show import plots
from lab.show.tables import markdown

MARKS = ("<!-- finders: written by `python -m lab.bench.which_finder` -->", "<!-- end of finders -->")
LOOK: dict[str, dict[str, Any]] = {
    "development": {"color": "#CC6677", "marker": "^"},
    "unseen": {"color": "#332288", "marker": "o"},
}


def load(chosen: Sequence[Task] = tasks.ALL) -> pd.DataFrame:
    """The scores of all published records, see `scores.frame`, with the part that a task belongs to."""
    kept = [list(records.read(task.name).values()) for task in chosen]
    table = scores.frame(record for task in kept for record in task)
    unseen = [task.name for task in tasks.UNSEEN]
    return table.assign(part=["unseen" if name in unseen else "development" for name in table.get("task", ())])


def draw(table: pd.DataFrame) -> tuple[Figure, str]:
    """Regret by contender, one dot for a task (the mean of its seeds), the mean over tasks marked; and its alt text."""
    means = scores.summary(table)["mean regret (%)"]
    figure, (axes,) = plots.new_figure(height=0.34 * len(means) + 1.1)
    mark: dict[str, Any] = {"color": "black", "marker": "|", "markersize": 18, "markeredgewidth": 1.8}
    for row, name in enumerate(means.index):
        for k, (part, look) in enumerate(LOOK.items()):
            regrets = table[(table["contender"] == name) & (table["part"] == part)].groupby("task")["regret"].mean()
            place = [row + 0.2 * k - 0.1] * len(regrets)
            label = f"{part} task" if row == 0 else None
            axes.plot(regrets, place, **look, linestyle="none", markersize=4.5, alpha=0.7, label=label)
        axes.plot(means[name], row, **mark, linestyle="none", label="mean of all" if row == 0 else None)
    axes.set_yticks(range(len(means)), labels=list(means.index))
    axes.set(xlabel="regret (% of what there is to gain)", ylim=(len(means) - 0.5, -0.5))
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    best = ", ".join(f"{name} {mean:.0f} %" for name, mean in means.items())
    return figure, f"Regret of each learning-rate finder, one dot for a task. Means: {best}."


def headline(table: pd.DataFrame) -> str:
    """The finder of the lowest mean regret beside clrlib's two and the usual rates, on the unseen tasks and on all."""
    every = f"tasks, {len(tasks.DEVELOPMENT)} of which served to improve clrlib,"
    return f"{_sentence(_part(table, 'unseen'), 'unseen tasks')} {_sentence(table, every)}"


def _sentence(table: pd.DataFrame, words: str) -> str:
    if table.empty:
        return f"The {words} were not run yet."
    means = scores.summary(table)["mean regret (%)"]
    others = [f"`{name}` {means[name]:.0f} %" for name in (CLR, FIXED, USUAL) if name in means.index[1:]]
    best = f"`{means.index[0]}` loses least, {means.iloc[0]:.0f} % of what there is to gain"
    return f"On {table['task'].nunique()} {words} {best} ({'; '.join(others)})."


def page(table: pd.DataFrame) -> str:
    """The part between the marks of docs/which_finder.md."""
    if table.empty:
        return "Not run yet."
    parts = [headline(table)]
    for title, part in (("Unseen tasks", _part(table, "unseen")), ("All tasks", table)):
        parts.append(f"**{title}** ({part['task'].nunique()}, {part['seed'].nunique()} seeds each):")
        parts.append(summary_table(part))
    figure_alt = draw(table)[1]
    parts += [f"![{figure_alt}](../results/bench/finders.png)", "Mean regret by task, in %:", regret_table(table)]
    parts += ["Where nothing was suggested, and why:", nothing_table(table)]
    return "\n\n".join(parts)


def _part(table: pd.DataFrame, part: str) -> pd.DataFrame:
    return table[table["part"] == part]


def summary_table(table: pd.DataFrame) -> str:
    """`scores.summary` as Markdown."""
    if table.empty:
        return "Not run yet."
    means = scores.summary(table)
    rows = [
        [
            name,
            f"{row['mean regret (%)']:.1f}",
            f"{row['median']:.1f}",
            f"{row['worst task']:.1f}",
            f"{row['nothing']:.0f} of {row['asked']:.0f}",
            f"{row['nonsense']:.0f} of {row['asked']:.0f}",
            f"{row['seconds']:.2f}",
            f"{row['steps']:.0f}",
        ]
        for name, row in means.iterrows()
    ]
    head = ["finder", "mean regret (%)", "median", "worst task", "nothing", "nonsense", "seconds", "steps"]
    return markdown(head, rows)


def regret_table(table: pd.DataFrame) -> str:
    """The mean regret of each task and contender, the best rate of the grid beside the task."""
    regrets = scores.by_task(table).T
    rates = table.groupby("task")["best rate"].first()
    order = [name for name in scores.summary(table).index if name in regrets]
    rows = [[task, f"{rates[task]:g}", *(f"{regrets.loc[task, name]:.0f}" for name in order)] for task in regrets.index]
    return markdown(["task", "best rate", *order], rows)


def nothing_table(table: pd.DataFrame) -> str:
    """Each task, seed and contender without a suggestion, and the contender's own reason; clrlib's two are one."""
    silent = table[table["nothing"] & (table["contender"] != FIXED)]
    columns = ["task", "seed", "contender", "reason"]
    rows = [
        [str(value).replace(CLR, "clrlib").replace("|", "/") for value in row] for row in silent[columns].to_numpy()
    ]
    return markdown(columns, rows)


def publish() -> None:
    """Write the figure, and the tables of docs/which_finder.md."""
    table = load()
    where = paths.page("docs/which_finder.md")
    if not table.empty:
        files.write_atomically(paths.finders_picture(), plots.encoded(draw(table)[0], "png"))
    files.write_atomically(where, reproduce.with_block(where.read_text(), MARKS, page(table)).encode())
