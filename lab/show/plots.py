"""Figures, from records and policies only: nothing here trains."""

import io
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from clrlib import Policy
from lab.claims import CHANCE, TOLERANCE, Claim, read_range_test, traced
from lab.experiments import RANGE_TEST, Experiment
from lab.records.record import Record
from lab.show.style import PAPER_STYLE, STYLE, VARIANTS

LABEL_SIZE = 8.5  # points


def new_figure(
    rows: int = 1, height: float = 3.6, ratios: Sequence[float] | None = None, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure with panels below each other that share the x axis, and the y axis where it is wanted."""
    figure = Figure(figsize=(7.6, height), layout="constrained")
    axes = figure.subplots(rows, sharex=True, sharey=sharey, squeeze=False, height_ratios=ratios)
    return figure, list(axes[:, 0])


def draw_policies(policies: Mapping[str, Policy | Experiment], iterations: int) -> Figure:
    """Each policy in a panel of its own, its ends of cycles marked; a row's policy as far as the row is trained.

    All panels have one scale, so that half the rates look half as high.
    """
    figure, panels = new_figure(len(policies), height=1.35 * len(policies) + 0.5, sharey=True)
    for axes, (name, drawn) in zip(panels, policies.items(), strict=True):
        policy, length = (drawn.policy, drawn.iterations) if isinstance(drawn, Experiment) else (drawn, iterations)
        t = np.arange(min(length, iterations))
        axes.plot(t, policy(t), **STYLE[type(policy)])
        axes.set_title(name, loc="left", fontsize=10)
        for end in _cycle_ends(policy, len(t)):
            axes.axvline(end, color="0.8", linewidth=0.8, zorder=0)
    panels[-1].set_ylim(bottom=0)
    _over_iterations(panels[-1])
    figure.supylabel("learning rate", fontsize=10)
    return figure


def _cycle_ends(policy: Policy, iterations: int) -> Iterator[int]:
    """The ends of cycles before `iterations`; none for a policy without cycles."""
    t = 1
    while t < (end := policy.cycle_end_at_or_after(t)) < iterations:
        yield end
        t = end + 1


def draw_training(
    records: Sequence[Record], rows: Sequence[Experiment], paper_curves: Mapping[str, Mapping[int, float]]
) -> Figure:
    """Test accuracy over iterations, the rate that made it below; seeds as a band, the paper's curves in grey.

    The band is over the iterations that all seeds were evaluated after; a seed with more of them is a thin line too.
    """
    figure, (top, bottom) = new_figure(2, height=5.4, ratios=(3, 1.2))
    for (name, curve), dash in zip(paper_curves.items(), ("-", (0, (2, 1))), strict=False):
        look = {**PAPER_STYLE, "linestyle": dash}
        top.plot(list(curve), [100 * a for a in curve.values()], label=f"{name}, as in the paper", **look)
    drawn: Counter[type[Policy]] = Counter()
    for row in rows:
        own = [r for r in records if r.run.experiment == row.name]
        if not own:
            continue
        policy = own[0].run.policy
        style = STYLE[type(policy)] | VARIANTS[drawn[type(policy)]]
        drawn[type(policy)] += 1
        finished = [r for r in own if r.diverged_at is None]
        lost = f", {len(own) - len(finished)} diverged" if len(finished) < len(own) else ""
        curves = finished or own[:1]  # where none was finished: how far the first one got
        label = f"{row.title} (n = {len(finished)}{lost})"
        iterations, accuracy = _common(curves)
        _band(top, iterations, 100 * accuracy, label, style)
        for finer in (r.curves for r in curves if len(r.curves["iteration"]) > len(iterations)):
            top.plot(
                finer["iteration"],
                [100 * a for a in finer["test_accuracy"]],
                **{**style, "linewidth": 0.5, "marker": "", "linestyle": "-", "alpha": 0.6, "label": "_finer"},
            )
        t = np.linspace(0, own[0].run.iterations - 1, 2000).astype(int)
        bottom.plot(t, policy(t), **{**style, "linewidth": 1.0})
    top.set_ylabel("test accuracy (%)")
    label_ends(top)
    bottom.set(ylabel="learning rate", ylim=(0, None))
    _over_iterations(bottom)
    if records:
        top.set_title(_what_on_what(records), loc="left", fontsize=9, color="0.35")
    return figure


def _common(records: Sequence[Record]) -> tuple[np.ndarray, np.ndarray]:
    """The iterations that all seeds were evaluated after, and their accuracies there (seeds, iterations)."""
    shared = sorted(set.intersection(*({int(t) for t in r.curves["iteration"]} for r in records)))
    return np.array(shared), np.array([[r.accuracy_at(t) for t in shared] for r in records])


def draw_ends(records: Sequence[Record], rows: Sequence[Experiment], beside_paper: bool) -> Figure:
    """Accuracy at the end of each row: every seed a dot, their mean a bar, the paper's number a grey diamond."""
    figure, (axes,) = new_figure(height=0.32 * len(rows) + 1.3)
    labels = []
    for place, row in enumerate(rows):
        runs = [r for r in records if r.run.experiment == row.name]
        own = [100 * r.accuracy for r in runs if r.diverged_at is None]
        labels.append(textwrap.fill(_as_run(row, runs), 48))
        style = STYLE[type(row.policy)]
        if beside_paper and row.paper is not None:
            axes.plot(row.paper, place, marker="D", color="0.6", linestyle="none", zorder=1)
        axes.plot(own, [place] * len(own), marker="o", color=style["color"], linestyle="none", zorder=3)
        if own:
            axes.plot(np.mean(own), place, marker="|", markersize=14, color=style["color"], linestyle="none", zorder=2)
        else:
            axes.annotate(" not run", (0, place), xycoords=("axes fraction", "data"), fontsize=8.5, va="center")
    axes.set_yticks(range(len(rows)), labels, fontsize=8.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)  # the first row on top
    if not records:
        axes.set_xlim(0, 100)
    if axes.get_xlim()[0] < CHANCE:  # where a row came down to it; farther off it would press the rows together
        axes.axvline(CHANCE, color="0.4", linewidth=0.8, zorder=0)
        axes.annotate(" chance", (CHANCE, 1), xycoords=("data", "axes fraction"), fontsize=8.5, va="top", color="0.35")
    axes.set_xlabel(f"test accuracy at the end (%){', grey diamonds: the paper' if beside_paper else ''}")
    if records:
        axes.set_title(_what_on_what(records), loc="left", fontsize=9, color="0.35")
    return figure


def without_iterations(row: Experiment) -> str:
    """The row's title without the iterations of the paper's size that some end with."""
    return row.title.removesuffix(f", {row.iterations:,}")


def _as_run(row: Experiment, records: Sequence[Record]) -> str:
    """The row's title, with the iterations that its records were trained for where those are not the paper's."""
    short = {r.run.iterations for r in records} - {row.iterations}
    lengths = (f"{n:,}\xa0iterations" for n in sorted(short))
    return ", ".join((without_iterations(row), *lengths)) if short else row.title


def draw_differences(claims: Sequence[Claim], records: Sequence[Record]) -> Figure:
    """Each comparison a line: every seed's difference a dot, their mean a bar; grey what passes for "equivalent"."""
    figure, (axes,) = new_figure(height=0.4 * len(claims) + 1.3)
    axes.axvline(0, color="0.4", linewidth=1)
    for place, claim in enumerate(claims):
        if claim.said is not None:
            axes.broken_barh([(claim.said - TOLERANCE, 2 * TOLERANCE)], (place - 0.4, 0.8), color="0.9", zorder=0)
        measured = claim.measured(records)
        if measured is None:
            axes.annotate(" not run", (0, place), xycoords=("axes fraction", "data"), fontsize=8.5, va="center")
            continue
        style = {"color": STYLE[type(claim.row.policy)]["color"], "linestyle": "none"}
        axes.plot(measured.values, [place] * len(measured.values), marker="o", zorder=3, **style)
        axes.plot(measured.mean, place, marker="|", markersize=14, zorder=2, **style)
    axes.set_yticks(range(len(claims)), [textwrap.fill(claim.text, 48) for claim in claims], fontsize=8)
    axes.set_ylim(len(claims) - 0.5, -0.5)
    axes.set_xlabel("difference in test accuracy (points)")
    if records:
        figure.suptitle(_what_on_what(records), x=0.01, ha="left", fontsize=9, color="0.35")
    return figure


def draw_range_test(records: Sequence[Record], beside_paper: bool, row: Experiment = RANGE_TEST) -> Figure:
    """The library's own drawing of the seeds together; in grey the paper's curve and, dotted, its bounds."""
    figure, (axes,) = new_figure()
    range_test_onto(axes, records, beside_paper, row)
    axes.set_title(_what_on_what(records), loc="left", fontsize=9, color="0.35")
    return figure


def range_test_onto(axes: Axes, records: Sequence[Record], beside_paper: bool, row: Experiment = RANGE_TEST) -> None:
    """The same on axes of another figure."""
    if beside_paper:
        axes.plot([*traced.FIGURE_3], [*traced.FIGURE_3.values()], label="figure 3 of the paper", **PAPER_STYLE)
        for bound in traced.FIGURE_3_BOUNDS:  # wide, to be seen on both sides of ours
            axes.axvline(bound, color="0.6", linewidth=4, linestyle=":", zorder=1)
        low, high = traced.FIGURE_3_BOUNDS
        text = f"  paper: {low:g} and {high:g}"
        axes.annotate(text, (high, 0.01), xycoords=("data", "axes fraction"), fontsize=8.5, color="0.35")
    test = read_range_test(records, row)
    test.plot(axes)
    if test.stopped:
        axes.annotate(test.stopped, (1, 1.02), xycoords="axes fraction", fontsize=8.5, ha="right")
    axes.set_ylabel(f"{records[0].run.test_on} accuracy (%)")


def encoded(figure: Figure, kind: str) -> bytes:
    """The figure as a file, "png" or "svg": the same bytes each time, without a date."""
    file = io.BytesIO()
    figure.savefig(file, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return file.getvalue()


def _over_iterations(axes: Axes) -> None:
    axes.set_xlabel("iteration")
    axes.xaxis.set_major_formatter("{x:,.0f}")


def _band(axes: Axes, x: np.ndarray, y: np.ndarray, label: str, style: dict[str, Any]) -> None:
    """The mean of the seeds as a line, all of them inside the band. y: (seeds, points)."""
    import seaborn as sns  # here: it takes as long to import as torch

    every_seed = {"x": np.tile(x, len(y)), "y": y.ravel()}
    sns.lineplot(every_seed, x="x", y="y", errorbar=("pi", 100), ax=axes, label=label, legend=False, zorder=3, **style)


def label_ends(axes: Axes) -> None:
    """Each labelled line's label in the right margin, level with where it ends or as near as there is room."""
    axes.set_ylim(axes.get_ylim())  # what they are level with: no longer to be scaled to the lines
    lines = [line for line in axes.get_lines() if not str(line.get_label()).startswith("_")]
    labels = [textwrap.fill(str(line.get_label()).replace(" = ", "\xa0=\xa0"), 24) for line in lines]
    points = axes.bbox.height / axes.figure.dpi * 72
    heights = [(1.3 * label.count("\n") + 1.6) * LABEL_SIZE / points for label in labels]
    for line, label, place in zip(lines, labels, spread([_end(axes, line) for line in lines], heights), strict=True):
        sample = Line2D((1.01, 1.06), (place, place))
        sample.update_from(line)
        sample.set(transform=axes.transAxes, clip_on=False, label="_sample")
        axes.add_line(sample)
        axes.annotate(label, (1.07, place), xycoords="axes fraction", va="center", fontsize=LABEL_SIZE)


def _end(axes: Axes, line: Line2D) -> float:
    """The height in the axes at which a line ends, from 0 to 1; 0 for one without points. It may end before a NaN."""
    points = np.asarray(line.get_xydata())
    points = points[np.isfinite(points).all(axis=1)]
    return float((axes.transData - axes.transAxes).transform(points[-1])[1]) if len(points) else 0.0


def spread(places: Sequence[float], heights: Sequence[float]) -> list[float]:
    """The middles of labels from 0 to 1, moved from their places only as far as they would cover each other.

    Example:
        >>> [round(place, 2) for place in spread([0.5, 0.52, 0.99], [0.1, 0.1, 0.1])]
        [0.5, 0.6, 0.95]
    """
    result = dict.fromkeys(range(len(places)), 0.0)
    upwards = sorted(result, key=lambda i: places[i])
    bottom = 0.0
    for i in upwards:
        result[i] = max(places[i], bottom + heights[i] / 2)
        bottom = result[i] + heights[i] / 2
    top = 1.0
    for i in reversed(upwards):
        result[i] = min(result[i], top - heights[i] / 2)
        top = result[i] - heights[i] / 2
    return [*result.values()]


def _what_on_what(records: Sequence[Record]) -> str:
    """The stamp of every figure: data set, profile, device and precision."""
    stamps = (
        f"{r.data['label']} · profile {r.run.profile} · {r.machine['device']}, {r.run.precision}" for r in records
    )
    return "\n".join(dict.fromkeys(stamps))  # nets trained on different devices can stand in one figure
