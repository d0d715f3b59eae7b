"""Controls whose picture follows them. A live panel where a kernel runs; stored, the picture alone."""

import html
import math
from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import ipywidgets as widgets

from clrlib import ExpRange, Hann, Policy, Triangular, Triangular2, Welch
from lab.claims import Summary, by_seed, main_group, read_bounds
from lab.experiments import RANGE_TEST
from lab.experiments.cycle import AS_FOUND, BASE_QUARTER, BASE_TENTH, BASE_THIRD, BOUNDS_DOUBLE, BOUNDS_HALF
from lab.records.record import Record
from lab.show import notebook, plots
from lab.show.figures import Drawn

ITERATIONS = 16_000
HIGHEST = 0.01  # learning rate
BOUNDS = (BOUNDS_HALF, BASE_TENTH, AS_FOUND, BASE_QUARTER, BASE_THIRD, BOUNDS_DOUBLE)  # alike in all but their bounds
ENOUGH = 3
WIDE: dict[str, Any] = {"style": {"description_width": "11em"}, "layout": {"width": "40em"}}
POLICIES: dict[str, Callable[..., Policy]] = {
    "Triangular": Triangular,
    "Triangular2": Triangular2,
    "ExpRange": ExpRange,
    'ExpRange, decay="amplitude"': partial(ExpRange, decay="amplitude"),
    "Welch": Welch,
    "Hann": Hann,
}


class Panel(widgets.VBox):  # type: ignore[misc]
    """Controls above a picture that is drawn anew from their values, or the sentence that says why it cannot be."""

    def __init__(self, draw: Callable[..., Drawn], **controls: widgets.Widget) -> None:
        """draw: takes the controls' values by name, and gives a figure and its alt text."""
        self.draw, self.controls, self.picture = draw, controls, widgets.HTML()
        super().__init__([*controls.values(), self.picture])
        for control in controls.values():
            control.observe(self._redraw, "value")
        self._redraw()

    def _redraw(self, _: object = None) -> None:
        self.png = b""
        try:
            figure, self.alt = self.draw(**{name: control.value for name, control in self.controls.items()})
        except ValueError as error:
            self.alt = str(error)
        else:
            self.png = plots.encoded(figure, "png")
        source, text = b64encode(self.png).decode(), html.escape(self.alt)
        self.picture.value = f'<img alt="{text}" src="data:image/png;base64,{source}">' if source else f"<p>{text}</p>"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The panel, and for readers without a kernel its picture."""
        shown = super()._repr_mimebundle_(**kwargs) | {"text/plain": self.alt}
        if self.png:
            shown["image/png"] = self.png
        return shown, {"image/png": {"alt": self.alt}}


def schedules() -> Panel:
    """A policy's curve, by its numbers."""
    rate = {"min": 0.0, "max": HIGHEST, "step": 0.0001, "readout_format": ".4f", **WIDE}
    shrink = {"min": 0.9995, "max": 1.0, "step": 0.00001, "readout_format": ".5f", **WIDE}
    return Panel(
        _draw_policy,
        policy=widgets.Dropdown(options=[*POLICIES], description="policy", **WIDE),
        base_lr=widgets.FloatSlider(0.001, description="base_lr", **rate),
        max_lr=widgets.FloatSlider(0.006, description="max_lr", **rate),
        step_size=widgets.IntSlider(2000, min=100, max=ITERATIONS, step=100, description="step_size", **WIDE),
        gamma=widgets.FloatSlider(0.99994, description="gamma (ExpRange)", **shrink),
    )


def _draw_policy(policy: str, base_lr: float, max_lr: float, step_size: int, gamma: float) -> Drawn:
    numbers = [round(base_lr, 4), round(max_lr, 4), step_size]  # a browser's slider gives 0.0055000000000000005
    shrink = [round(gamma, 5)] if policy.startswith("ExpRange") else []
    made = POLICIES[policy](*numbers, *shrink)
    figure = plots.draw_policies({str(made): made}, ITERATIONS)
    figure.set_figheight(3.2)
    figure.axes[0].set_ylim(0, HIGHEST)  # the same for all, so that a change of the bounds is seen
    return figure, f"Learning rate over {ITERATIONS:,} iterations: {made}."


def bounds(tests: Sequence[Record], trained: Sequence[Record]) -> Panel:
    """The recorded LR range test's curve, and what training between the bounds nearest to the reader's gave."""
    read, last = read_bounds(tests), RANGE_TEST.policy(RANGE_TEST.iterations - 1)
    rates: dict[str, Any] = {"min": last / 200, "max": last, "step": last / 200, "readout_format": ".4f"}
    start = (read.base_lr or last / 200, read.max_lr or last)
    slider = widgets.FloatRangeSlider(value=start, description="your bounds", **rates, **WIDE)
    return Panel(lambda bounds: _draw_bounds(tests, trained, *bounds), bounds=slider)


def trained_between(profile: str, tests: Sequence[Record]) -> list[Record]:
    """The trainings that differ in their bounds alone: the profile's where ENOUGH rows were run, or the short ones.

    Among three bounds the nearest means something, and longer trainings say more than other bounds. tests: on whose
    images they were trained.
    """
    images = {r.data["sha256"] for r in tests}
    places = notebook.collect(profile, *BOUNDS), notebook.or_short([], *BOUNDS, say_so=False)
    own, short = (main_group([r for r in place if r.data["sha256"] in images]) for place in places)
    return own if len(by_seed(own)) >= min(ENOUGH, len(by_seed(short))) else short


def nearest(trained: Sequence[Record], base_lr: float, max_lr: float) -> list[Record]:
    """All seeds of the row whose bounds are nearest, by their logarithms. Raises ValueError where nothing was run."""
    if not trained:
        raise ValueError("no training between bounds was run yet; set the profile to published")
    yours = _logs(base_lr, max_lr)
    return min(_rows(trained), key=lambda own: math.dist(yours, _logs(*_trained_bounds(own[0]))))


def _rows(trained: Sequence[Record]) -> list[list[Record]]:
    return [[*seeds.values()] for seeds in by_seed(trained).values()]


def _logs(*rates: float) -> list[float]:
    return [math.log(max(rate, 1e-9)) for rate in rates]


def _trained_bounds(record: Record) -> tuple[float, float]:
    ((_, cycles), _) = record.run.policy.stages  # type: ignore[attr-defined]
    return cycles.base_lr, cycles.max_lr


def _draw_bounds(tests: Sequence[Record], trained: Sequence[Record], base_lr: float, max_lr: float) -> Drawn:
    chosen = nearest(trained, base_lr, max_lr)
    figure, (top, bottom) = plots.new_figure(2, height=5.4, ratios=(2, 1.2))
    plots.range_test_onto(top, tests, beside_paper=False)
    top.set_xlabel("")
    for axes in (top, bottom):
        axes.axvspan(base_lr, max_lr, color="C0", alpha=0.12, linewidth=0)
    for place, own in enumerate(sorted(_rows(trained), key=lambda own: _trained_bounds(own[0]), reverse=True)):
        look: dict[str, Any] = {"color": "C3", "linewidth": 4} if own == chosen else {"color": "0.7", "linewidth": 2}
        bounds = _trained_bounds(own[0])
        bottom.plot(bounds, (place, place), **look)
        bottom.annotate(f" {_accuracy(own)}", (bounds[1], place), va="center")
    bottom.set(yticks=[], ylabel="trained between", xlabel="learning rate")
    bottom.margins(y=0.15)
    run, label, (low, high) = chosen[0].run, chosen[0].data["label"], _trained_bounds(chosen[0])
    text = (
        f"Your bounds: {base_lr:.4f} to {max_lr:.4f}. The nearest recorded training: {run.experiment}, {low:g} to "
        f"{high:g}, {run.iterations:,} iterations on {label}, profile {run.profile}: "
        f"test accuracy {_accuracy(chosen)}."
    )
    plots.explain(figure, "", text)
    return figure, text


def _accuracy(own: Sequence[Record]) -> str:
    return Summary(tuple(100 * r.accuracy for r in own)).percent()
