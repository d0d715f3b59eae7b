"""Figures, from records and policies only: nothing here trains."""

import io
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, PercentFormatter

from clrlib import Policy, Triangular2
from lab.claims import CHANCE, PAPER_AT, Summary, read_range_test, seeds, traced
from lab.experiments import RANGE_TEST, Experiment
from lab.records.record import Record
from lab.show.style import GREY, PAPER_MARK, PAPER_STYLE, SMALL, STYLE, TITLE, VARIANTS, WIDTH, look

LABEL = 15  # letters in a line of a label beside the axes
Look = dict[str, Any]


def new_figure(
    rows: int = 1, height: float = 3.6, ratios: Sequence[float] | None = None, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure with panels below each other that share the x axis, and the y axis where it is wanted."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(rows, sharex=True, sharey=sharey, squeeze=False, height_ratios=ratios)
    return figure, list(axes[:, 0])


def explain(figure: Figure, title: str, below: str) -> None:
    """The message above the figure; below it, small, what it was measured on and what its marks are."""
    if title:
        figure.suptitle(textwrap.fill(title, 46), x=0.01, ha="left", fontsize=TITLE, fontweight="bold")
    if below:
        figure.supxlabel(fill(below, 58), x=0.01, ha="left", fontsize=SMALL, color=GREY)


def fill(text: str, width: int) -> str:
    """The text in lines of a width; each of its own lines begins a new one, and "n = 2" stays whole."""
    return "\n".join(textwrap.fill(line, width, break_long_words=False) for line in text.splitlines())


def draw_policies(policies: Mapping[str, Policy | Experiment], iterations: int) -> Figure:
    """Each policy in a panel of its own, its ends of cycles marked; a row's policy as far as the row is trained.

    All panels have one scale, so that half the rates look half as high.
    """
    lines = [fill(name, 44) for name in policies]
    more = sum(line.count("\n") for line in lines)
    figure, panels = new_figure(len(policies), height=1.35 * len(policies) + 0.2 * more + 0.5, sharey=True)
    for axes, name, drawn in zip(panels, lines, policies.values(), strict=True):
        policy, length = (drawn.policy, drawn.iterations) if isinstance(drawn, Experiment) else (drawn, iterations)
        t = np.arange(min(length, iterations))
        axes.plot(t, policy(t), **look(policy))
        axes.set_title(name, loc="left", fontsize=SMALL)
        for end in _cycle_ends(policy, len(t)):
            axes.axvline(end, color="0.8", linewidth=0.8, zorder=0)
    panels[-1].set_ylim(bottom=0)
    _over_iterations(panels[-1])
    figure.supylabel("learning rate", fontsize=SMALL)
    return figure


def _cycle_ends(policy: Policy, iterations: int) -> Iterator[int]:
    """The ends of cycles before `iterations`; none for a policy without cycles."""
    t = 1
    while t < (end := policy.cycle_end_at_or_after(t)) < iterations:
        yield end
        t = end + 1


def draw_training(
    records: Sequence[Record],
    rows: Sequence[Experiment],
    paper_curves: Mapping[str, Mapping[int, float]],
    title: str = "",
    paper_ends: bool = False,
) -> Figure:
    """Test accuracy over iterations, the rate that made it below; seeds as a band, the paper's curves in grey.

    The band is over the iterations that all seeds were evaluated after; a seed with more of them is a thin line too.
    paper_ends: the paper's numbers as grey diamonds. Where lines end side by side, an inset shows that corner.
    """
    figure, (top, bottom) = new_figure(2, height=5.6, ratios=(3, 1.1))
    inset = top.inset_axes((0.42, 0.1, 0.57, 0.5))
    for axes in (top, inset):
        for (name, curve), dash in zip(paper_curves.items(), ("-", (0, (2, 1))), strict=False):
            grey = {**PAPER_STYLE, "linestyle": dash}
            axes.plot(list(curve), [100 * a for a in curve.values()], label=f"{name}, as in the paper", **grey)
        if paper_ends:
            _draw_paper_ends(axes, rows)
        for row, own, style in looks(rows, records):
            _draw_accuracies(axes, row, own, style)
    for row, own, style in looks(rows, records):
        run = own[0].run if own else row
        t = np.linspace(0, run.iterations - 1, 2000).astype(int)
        bottom.plot(t, run.policy(t), **{**style, "linewidth": 1.0})
    top.set_ylabel("test accuracy (%)")
    bottom.set(ylabel="learning rate", ylim=(0, None))
    _over_iterations(bottom)
    _zoom(top, inset)
    figure.set_figheight(max(5.6, 1.7 + sum(_heights(_labels(top))) / 72 / 0.72))
    label_ends(top)
    marks = ["line: mean, band: all seeds"] * bool(records) + ["grey: the paper"] * (paper_ends or bool(paper_curves))
    explain(figure, title, "; ".join((stamp(records), *marks)))
    return figure


def looks(rows: Iterable[Experiment], records: Sequence[Record]) -> Iterator[tuple[Experiment, list[Record], Look]]:
    """Each row that has records, with them and with its look, or each row where there are no records at all.

    A second row with one policy gets another dash.
    """
    drawn: Counter[str] = Counter()
    for row in rows:
        own = [r for r in records if r.run.experiment == row.name]
        if own or not records:
            style = look(row.policy)
            yield row, own, style | VARIANTS[drawn[style["color"]]]
            drawn[style["color"]] += 1


def _draw_paper_ends(axes: Axes, rows: Sequence[Experiment]) -> None:
    ends = sorted((PAPER_AT.get(row.name, row.iterations), row.paper) for row in rows if row.paper is not None)
    axes.plot([t for t, _ in ends], [paper for _, paper in ends], label="the paper's numbers", **PAPER_MARK)


def _draw_accuracies(axes: Axes, row: Experiment, own: Sequence[Record], style: Look) -> None:
    if not own:
        axes.plot([], [], label=f"{row.title} (not run)", **style)
        return
    finished = [r for r in own if r.diverged_at is None]
    lost = f", {len(own) - len(finished)} diverged" if len(finished) < len(own) else ""
    curves = finished or own[:1]  # where none was finished: how far the first one got
    iterations, accuracy = common(curves)
    band(axes, iterations, 100 * accuracy, f"{row.title} {seeds(len(finished), lost)}", style)
    for finer in (r.curves for r in curves if len(r.curves["iteration"]) > len(iterations)):
        axes.plot(
            finer["iteration"],
            [100 * a for a in finer["test_accuracy"]],
            **{**style, "linewidth": 0.5, "marker": "", "linestyle": "-", "alpha": 0.5, "label": "_finer"},
        )


def common(records: Sequence[Record], curve: str = "test_accuracy") -> tuple[np.ndarray, np.ndarray]:
    """The iterations that all seeds were evaluated after, and a curve's values there (seeds, iterations)."""
    shared = sorted(set.intersection(*({int(t) for t in r.curves["iteration"]} for r in records)))
    values = [dict(zip(r.curves["iteration"], r.curves[curve], strict=True)) for r in records]
    return np.array(shared), np.array([[own[t] for t in shared] for own in values])


def _zoom(axes: Axes, inset: Axes) -> None:
    """Show in the inset the corner where lines end early; take it away where fewer than two do."""
    lines = [np.asarray(line.get_xydata()) for line in inset.get_lines() if not str(line.get_label()).startswith("_")]
    last = max((xy[-1, 0] for xy in lines if len(xy)), default=0.0)
    early = [xy[-1, 0] for xy in lines if len(xy) > 1 and xy[-1, 0] < 0.6 * last]
    if len(early) < 2:
        inset.remove()
        return
    left, right = 0.6 * min(early), 1.04 * max(early)
    seen = np.concatenate([xy[(xy[:, 0] >= left) & (xy[:, 0] <= right), 1] for xy in lines])
    pad = 0.08 * (np.nanmax(seen) - np.nanmin(seen))
    inset.set(xlim=(left, right), ylim=(np.nanmin(seen) - pad, np.nanmax(seen) + pad))
    inset.xaxis.set_major_locator(MaxNLocator(2))
    inset.xaxis.set_major_formatter("{x:,.0f}")
    inset.yaxis.set_major_locator(MaxNLocator(3))
    inset.spines[:].set_visible(True)
    axes.indicate_inset_zoom(inset, edgecolor="0.5")


def draw_ends(records: Sequence[Record], rows: Sequence[Experiment], beside_paper: bool, title: str = "") -> Figure:
    """Accuracy at the end of each row: every seed a dot, their mean a bar, the paper's number a grey diamond."""
    labels = [fill(_as_run(row, [r for r in records if r.run.experiment == row.name]), 24) for row in rows]
    lines = sum(label.count("\n") + 1.5 for label in labels)
    figure, (axes,) = new_figure(height=0.2 * lines + 1.7)
    for place, row in enumerate(rows):
        runs = [r for r in records if r.run.experiment == row.name]
        own = [100 * r.accuracy for r in runs if r.diverged_at is None]
        style = look(row.policy)
        if beside_paper and row.paper is not None:
            axes.plot(row.paper, place, **PAPER_MARK)
        axes.plot(own, [place] * len(own), marker="o", color=style["color"], linestyle="none", zorder=3)
        if own:
            axes.plot(np.mean(own), place, marker="|", markersize=14, color=style["color"], linestyle="none", zorder=2)
        elif records:
            what = " diverged" if runs else " not run"
            axes.annotate(what, (0, place), xycoords=("axes fraction", "data"), fontsize=SMALL, va="center")
    axes.set_yticks(range(len(rows)), labels)
    axes.set_ylim(len(rows) - 0.5, -0.5)  # the first row on top
    if not records and not beside_paper:
        axes.set_xlim(0, 100)
    if axes.get_xlim()[0] < CHANCE:  # where a row came down to it; farther off it would press the rows together
        axes.axvline(CHANCE, color="0.4", linewidth=0.8, zorder=0)
        axes.annotate(" chance", (CHANCE, 1), xycoords=("data", "axes fraction"), fontsize=SMALL, va="top", color=GREY)
    axes.set_xlabel("test accuracy at the end (%)")
    marks = ["dots: seeds, bar: their mean"] * bool(records) + ["grey diamonds: the paper"] * beside_paper
    explain(figure, title, "; ".join((stamp(records), *marks)))
    return figure


def without_iterations(row: Experiment) -> str:
    """The row's title without the iterations of the paper's size that some end with."""
    return row.title.removesuffix(f", {row.iterations:,}")


def _as_run(row: Experiment, records: Sequence[Record]) -> str:
    """The row's title, with the iterations that its records were trained for where those are not the paper's."""
    short = {r.run.iterations for r in records} - {row.iterations}
    lengths = (f"{n:,}\xa0iterations" for n in sorted(short))
    return ", ".join((without_iterations(row), *lengths)) if short else row.title


def draw_bars(ends: Mapping[str, Summary], marked: str, title: str, below: str) -> Figure:
    """A bar for the accuracy (percent) of each, with its 95 % interval and its number; one is marked by colour."""
    labels = [fill(name, 22) for name in ends]
    figure, (axes,) = new_figure(height=0.5 * len(ends) + 1.5)
    for place, (name, end) in enumerate(ends.items()):
        mean = 0.0 if np.isnan(end.mean) else end.mean
        low, high = end.interval or (mean, mean)
        color = STYLE[Triangular2]["color"] if name == marked else "0.6"
        axes.barh(place, mean, height=0.6, color=color, xerr=[[mean - low], [high - mean]], capsize=4)
        axes.annotate(f" {end.text()}", (high, place), va="center", fontsize=SMALL, annotation_clip=False)
    axes.set_yticks(range(len(ends)), labels)
    axes.set(ylim=(max(len(ends), 1) - 0.5, -0.5), xlabel="test accuracy (%)", xlim=(0, 100))
    explain(figure, title, below)
    return figure


def draw_losses(records: Sequence[Record], rows: Sequence[Experiment], title: str) -> Figure:
    """Training loss above, test loss below, over iterations: the mean of the seeds, all of them inside the band."""
    figure, panels = new_figure(2, height=5.6, sharey=True)
    for axes, curve in zip(panels, ("train_loss", "test_loss"), strict=True):
        for row, own, style in looks(rows, records):
            finished = [r for r in own if r.diverged_at is None]
            if finished:
                label = f"{row.title} {seeds(len(finished))}"
                band(axes, *common(finished, curve), label, style)
        axes.set_ylabel(f"{'training' if curve == 'train_loss' else 'test'} loss")
        if records:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_locator(NullLocator())
        label_ends(axes)
    _over_iterations(panels[-1])
    marks = ["line: mean, band: all seeds"] * bool(records)
    explain(figure, title, "; ".join((stamp(records), *marks)))
    return figure


def draw_phase(records: Sequence[Record], ends: Sequence[int], title: str, alone: str) -> Figure:
    """Test accuracy over the phase of the cycle: 0 and 1 where the rate is lowest, a line a cycle, mean of the seeds.

    ends: of the cycles, in iterations, from 0 on. alone: the title of the row.
    """
    figure, (axes,) = new_figure(height=4.4)
    if records:
        iterations, accuracy = common(records)
        for k, (start, end) in enumerate(pairwise(ends)):
            inside = (iterations >= max(start, 1)) & (iterations <= end)
            shade = look(records[0].run.policy) | {"alpha": 0.35 + 0.65 * (k + 1) / (len(ends) - 1), "linestyle": "-"}
            phase = (iterations[inside] - start) / (end - start)
            axes.plot(phase, 100 * accuracy[:, inside].mean(0), label=f"cycle {k + 1}", marker="o", **shade)
        label_ends(axes)
    axes.set(xlabel="phase of the cycle (rate: low at 0, high at 0.5, low at 1)", ylabel="test accuracy (%)")
    axes.axvline(0.5, color="0.8", linewidth=0.8, zorder=0)
    marks = [f"{alone}, mean of the seeds {seeds(len(records))}"] * bool(records)
    explain(figure, title, "; ".join((stamp(records), *marks)))
    return figure


def draw_range_test(
    records: Sequence[Record], beside_paper: bool, row: Experiment = RANGE_TEST, title: str = ""
) -> Figure:
    """The library's own drawing of the seeds together; in grey the paper's curve and, dotted, its bounds."""
    figure, (axes,) = new_figure(height=4.2)
    if records:
        range_test_onto(axes, records, beside_paper, row)
    else:
        axes.set(xlabel="learning rate", ylabel="accuracy (%)")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=None))
        if beside_paper:
            _draw_figure_3(axes)
            label_ends(axes)
    marks = ["line: mean, smoothed; thin: the seeds"] * bool(records) + ["grey: the paper"] * beside_paper
    explain(figure, title, "; ".join((stamp(records), *marks)))
    return figure


def range_test_onto(axes: Axes, records: Sequence[Record], beside_paper: bool, row: Experiment = RANGE_TEST) -> None:
    """The same on axes of another figure."""
    if beside_paper:
        _draw_figure_3(axes)
    test = read_range_test(records, row)
    test.plot(axes)
    axes.legend().remove()
    if test.stopped:
        axes.annotate(fill(test.stopped, 40), (1, 1.02), xycoords="axes fraction", fontsize=SMALL, ha="right")
    axes.set_ylabel(f"{records[0].run.test_on} accuracy (%)")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    label_ends(axes)
    for written in axes.texts:
        written.set_fontsize(SMALL)


def _draw_figure_3(axes: Axes) -> None:
    low, high = traced.FIGURE_3_BOUNDS
    label = f"the paper's figure 3, {low:g} and {high:g} dotted"
    axes.plot([*traced.FIGURE_3], [*traced.FIGURE_3.values()], label=label, **PAPER_STYLE)
    for bound in (low, high):  # wide, to be seen on both sides of ours
        axes.axvline(bound, color="0.6", linewidth=4, linestyle=":", zorder=1)


def encoded(figure: Figure, kind: str) -> bytes:
    """The figure as a file, "png" or "svg": the same bytes each time, without a date."""
    file = io.BytesIO()
    figure.savefig(file, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return file.getvalue()


def _over_iterations(axes: Axes) -> None:
    axes.set_xlabel("iteration")
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter("{x:,.0f}")


def band(axes: Axes, x: np.ndarray, y: np.ndarray, label: str, style: Look) -> None:
    """The mean of the seeds as a line, all of them inside the band. y: (seeds, points)."""
    import seaborn as sns  # here: it takes as long to import as torch

    every_seed = {"x": np.tile(x, len(y)), "y": y.ravel()}
    sns.lineplot(every_seed, x="x", y="y", errorbar=("pi", 100), ax=axes, label=label, legend=False, zorder=3, **style)
    axes.set(xlabel="", ylabel="")


def label_ends(axes: Axes) -> None:
    """Each labelled line's label in the right margin, level with where it ends or as near as there is room."""
    axes.set_ylim(axes.get_ylim())  # what they are level with: no longer to be scaled to the lines
    lines = [line for line in axes.get_lines() if not str(line.get_label()).startswith("_")]
    labels, points = _labels(axes), axes.bbox.height / axes.figure.dpi * 72
    heights = [height / points for height in _heights(labels)]
    for line, label, place in zip(lines, labels, spread([_end(axes, line) for line in lines], heights), strict=True):
        across = (1.07,) if line.get_linestyle() == "None" else (1.02, 1.12)
        sample = Line2D(across, [place] * len(across))
        sample.update_from(line)
        sample.set(transform=axes.transAxes, clip_on=False, label="_sample")
        axes.add_line(sample)
        axes.annotate(label, (1.15, place), xycoords="axes fraction", va="center", fontsize=SMALL)


def _labels(axes: Axes) -> list[str]:
    names = (str(line.get_label()) for line in axes.get_lines())
    return [fill(name, LABEL) for name in names if not name.startswith("_")]


def _heights(labels: Sequence[str]) -> list[float]:
    """The room that each label takes, in points."""
    return [(1.25 * label.count("\n") + 1.5) * SMALL for label in labels]


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


def stamp(records: Sequence[Record]) -> str:
    """The stamp of every figure: data set, profile, device and precision."""
    stamps = (
        f"{r.data['label']} · profile {r.run.profile} · {r.machine['device']}, {r.run.precision}" for r in records
    )
    return "\n".join(dict.fromkeys(stamps)) or "nothing was run yet"  # different nets, different devices: two lines
