"""Forest plot: every claim's number less the paper's, with its 95 % interval, by notebook and by verdict."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lab.claims import ONE_RUN, OTHER_SIZE, TOLERANCE, VERDICTS, Answer
from lab.show import plots, tables
from lab.show.style import NO_VERDICT, PAPER_MARK, SMALL, VERDICT_STYLE

FARTHEST = 6.0  # points from the paper's number; what lies beyond stands at the edge, with its number
LINE = 0.2  # inches
BELOW = (
    "The number beside the 95 % interval is ours. Grey diamond: the paper; grey arrow: it only says better. "
    "Shaded: within one point."
)


def shown(answers: Sequence[Answer]) -> list[Answer]:
    """The answers to claims that the paper makes, by notebook; the bounds of the range test are no such number."""
    return sorted((a for a in answers if a.mean is not None and a.paper != "-"), key=lambda a: a.notebook)


def draw(answers: Sequence[Answer], title: str, below: str = "") -> Figure:
    """Each claim in words, its interval below them; those of one notebook below its name."""
    rows = shown(answers)
    reach = min(FARTHEST, max([1.5, *(abs(side) for a in rows for side in _ends(a))]) * 1.05)
    names = [plots.fill(_label(a).replace(" %", "\xa0%"), 54) for a in rows]
    places, heads, height = _places(rows, names)
    figure, (axes,) = plots.new_figure(height=LINE * height + 2.3)
    for answer, name, place in zip(rows, names, places, strict=True):
        _write(axes, name, place - 0.45, va="bottom")
        _draw_row(axes, answer, place, reach)
    for notebook, place in heads.items():
        _write(axes, tables.NOTEBOOKS[notebook].replace("_", " "), place, va="center", weight="bold")
    axes.axvline(0, color="0.7", linewidth=1, zorder=0)
    axes.set(xlim=(-reach, 1.25 * reach), ylim=(height, 0), yticks=[], xlabel="ours less the paper's (points)")
    axes.spines["left"].set_visible(False)
    if rows:
        _legend(axes, rows)
    else:
        axes.annotate("nothing was run yet", (0.5, 0.5), xycoords="axes fraction", ha="center")
    plots.explain(figure, title, f"{BELOW}\n{below}" if rows else "")
    return figure


def _write(axes: Axes, text: str, place: float, **how: Any) -> None:
    """Text at the left edge, on white: lines behind it would be read as letters."""
    white = {"facecolor": "white", "edgecolor": "none", "pad": 0}
    axes.annotate(text, (0, place), xycoords=("axes fraction", "data"), bbox=white, annotation_clip=False, **how)


def in_words(answers: Sequence[Answer]) -> str:
    """What the plot shows, row by row."""
    said = (
        f"{a.claim}: paper {a.paper}, ours {a.ours}, 95 % interval {a.interval}, {a.verdict}" for a in shown(answers)
    )
    return "; ".join(said) or "nothing was run yet"


def _label(answer: Answer) -> str:
    """The claim, with the paper's number where its words do not have it."""
    number = answer.paper.lstrip("+-")
    in_it = number in answer.claim or not number[-1:].isdigit() or answer.expected == 0
    return answer.claim if in_it else f"{answer.claim} (paper: {answer.paper})"


def _places(rows: Sequence[Answer], names: Sequence[str]) -> tuple[list[float], dict[str, float], float]:
    """The height of each interval and of each notebook's name, and of all together, in lines of text from the top."""
    places, heads, at = [], dict[str, float](), 0.0
    for row, name in zip(rows, names, strict=True):
        if row.notebook not in heads:
            heads[row.notebook] = at + 0.8
            at += 1.5
        at += name.count("\n") + 2.1
        places.append(at - 0.55)
    return places, heads, at + 0.3 if rows else 3.0


def _ends(answer: Answer) -> list[float]:
    """Ours and its interval, less the paper's number; nothing where a training diverged."""
    sides = [side for side in (answer.mean, answer.low, answer.high) if side is not None]
    return [side - (answer.expected or 0.0) for side in sides if not math.isnan(side)]


def _draw_row(axes: Axes, answer: Answer, place: float, reach: float) -> None:
    style = VERDICT_STYLE.get(answer.verdict, NO_VERDICT)
    only_better = answer.expected is None
    if not only_better:
        axes.broken_barh([(-TOLERANCE, 2 * TOLERANCE)], (place - 0.4, 0.8), color="0.93", zorder=0)
    axes.plot(0, place, **PAPER_MARK | ({"marker": ">"} if only_better else {}))
    if not (ends := _ends(answer)):
        axes.annotate(f"  {answer.ours}", (0, place), va="center", fontsize=SMALL)
        return
    middle, *sides = (min(reach, max(-reach, end)) for end in ends)
    axes.plot(sides, [place] * len(sides), color=style["color"], linewidth=2, solid_capstyle="butt", zorder=3)
    axes.plot(middle, place, linestyle="none", markersize=8, zorder=4, clip_on=False, **style)
    number = f"{answer.mean:{'+' if answer.unit == ' points' else ''}.1f}"
    axes.annotate(number, (max([middle, 0.0, *sides]), place), (9, 0), textcoords="offset points", va="center")


def _legend(axes: Axes, rows: Sequence[Answer]) -> None:
    kinds = [kind for kind in (*VERDICTS, ONE_RUN, OTHER_SIZE) if any(a.verdict == kind for a in rows)]
    marks = [Line2D([], [], linestyle="none", markersize=8, **VERDICT_STYLE.get(kind, NO_VERDICT)) for kind in kinds]
    names = [kind.removeprefix("no verdict: ") for kind in kinds]
    axes.legend(marks, names, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, handletextpad=0.1, columnspacing=1)
