"""The curve of an LR range test: what was measured, what it says, how it looks."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np

from clrlib._reading import DARK, LEAST_POINTS, Bounds, against_end, break_of, by_factors, from_search, read, smooth


@dataclass(frozen=True, eq=False)
class RangeTest:
    """The curve of a range test: accuracy, or another metric, against learning rate; recorded curves do as well.

    lr: (n,) float64, rising by about equal steps or equal factors. accuracy: (n,) or (seeds, n) float64, fractions, or
    the values of another metric. stopped: where the training diverged, if it did. metric: its name. lower_is_better:
    of the metric; where it is not given, of a "loss" alone.
    end_lr: where the rates were to end. training: the loss of each iteration, where another metric was measured.
    earlier: the passes that led to these rates, in order.
    Raises ValueError for other shapes, rates that do not rise or values that are not finite.

    >>> lr = np.linspace(0.0, 0.02, 21)
    >>> print(RangeTest(lr, np.minimum(0.1 + 50 * lr, 0.5)))
    LR range test, 21 rates from 0 to 0.02, accuracy 0.100 to 0.500
    base_lr at or below 0.001, max_lr 0.008: accuracy increases from base_lr and slows or becomes ragged after max_lr
    """

    lr: np.ndarray
    accuracy: np.ndarray
    stopped: str | None = None
    metric: str = "accuracy"
    lower_is_better: bool | None = None
    end_lr: float | None = None
    training: "RangeTest | None" = None
    earlier: tuple["RangeTest", ...] = ()

    def __post_init__(self) -> None:
        if self.lower_is_better is None:
            object.__setattr__(self, "lower_is_better", self.metric == "loss")
        lr, accuracy = np.array(self.lr, dtype=np.float64), np.array(self.accuracy, dtype=np.float64)
        if lr.ndim != 1:
            raise ValueError(f"lr has shape {lr.shape}; give one rate for each point, shape (n,)")
        if accuracy.shape[-1:] != lr.shape or accuracy.ndim > 2 or len(accuracy) == 0 < lr.size:
            raise ValueError(f"{self.metric} has shape {accuracy.shape} for {lr.size} rates; give (n,) or (seeds, n)")
        for name, values in (("lr", lr), (self.metric, accuracy)):
            if not np.isfinite(values).all():
                raise ValueError(f"{name} holds a value that is not finite; leave such points out")
        if lr.size and (lr[0] < 0 or (np.diff(lr) <= 0).any()):
            raise ValueError("lr does not rise from 0 or more; give each rate once, in rising order")
        for name, values in (("lr", lr), ("accuracy", accuracy)):
            values.flags.writeable = False
            object.__setattr__(self, name, values)

    @classmethod
    def over_seeds(cls, tests: Iterable["RangeTest"]) -> "RangeTest":
        """The tests of several seeds as one, as far as the shortest of them goes: values (seeds, n).

        Raises ValueError for no tests, or for tests of different rates or metrics.

        >>> RangeTest.over_seeds(RangeTest([0.0, 0.1], [0.1, last]) for last in (0.4, 0.5)).values.mean(0)
        array([0.1 , 0.45])
        """
        tests = [*tests]
        n = min((test.lr.size for test in tests), default=0)
        if len({(test.metric, test.lower_is_better, test.lr[:n].tobytes()) for test in tests}) != 1:
            raise ValueError(f"{len(tests)} tests that do not share rates and metric; give one or more that do")
        values = np.concatenate([np.atleast_2d(test.values)[:, :n] for test in tests])
        stops = [f"seed {seed}: {test.stopped}" for seed, test in enumerate(tests) if test.stopped]
        losses = [test.training for test in tests if test.training]
        return replace(
            tests[0],
            lr=tests[0].lr[:n],
            accuracy=values,
            stopped="; ".join(stops) or None,
            training=cls.over_seeds(losses) if len(losses) == len(tests) else None,
            earlier=(),
        )

    @property
    def values(self) -> np.ndarray:
        """The measured metric, (n,) or (seeds, n): `accuracy`, by a name that fits every metric."""
        return self.accuracy

    @property
    def smoothed(self) -> np.ndarray:
        """The curve that `bounds` reads, (n,): the mean over the seeds, smoothed."""
        sign = -1 if self.lower_is_better else 1
        return sign * smooth(self.lr, sign * np.atleast_2d(self.values).mean(0))

    @property
    def broke(self) -> float | None:
        """The rate at which training broke: gave back a quarter of what it had gained, or diverged; else None."""
        curve = self.training or self
        broke = break_of(curve.lr, (-1 if curve.lower_is_better else 1) * np.atleast_2d(curve.values).mean(0))
        return float(curve.lr[-1]) if broke is None and self.stopped and curve.lr.size else broke

    def bounds(self) -> Bounds:
        """Read the two bounds off the curve (section 3.3).

        base_lr is where the accuracy starts to increase, max_lr where it slows, becomes ragged or starts to fall; a
        metric that is better the lower it is is turned round first.

        1. Average over the seeds; in an exponential sweep lift the first tenth (at least 3 points) to the median of the
           first fifth where it lies below, for nothing is trained there yet; cut off what lies deeper below the first
           value than the peak above it (a loss that explodes). Smooth: running median of 3, then running mean of about
           n / 10 points, both narrower at the ends. The rise is the smoothed curve's peak minus its first value. It
           must be 0.01 or more (of another metric: 1 % of its size) and 6 times the noise: the standard deviation of
           the average's points, as estimated from the median distance between a point and the mean of its two
           neighbours.
        2. base_lr: the rate from which on, up to the peak, the curve has made 10 % of the rise; never the first rate.
        3. max_lr: the knee. Draw a straight line from the point before base_lr to the last point within 10 % of the
           peak; the knee is where the curve is highest above it, both axes scaled to the line's ends, if that height is
           0.1 and 3 times the noise or more. Without one max_lr is the peak, if the curve falls or the training
           diverges after it. The axis of the rates is logarithmic where they rise by equal factors.

        4. Of a linear test made here: max_lr grows with end_lr where a net learns all it can before a rate is too high.
           So `advice` says whether training broke (gave back a quarter of what it had gained) before a third of end_lr,
           or not at all, and `end_lr` what to test up to instead. After a search only the former asks for another test.

        5. Where such a test has no answer, but the search before it shows a clear gain, the bounds are read off the
           search: max_lr is twice the rate at which half of the gain was made, base_lr a quarter of max_lr.

        Where a step has no answer, both bounds are None and the reason says why and what to change. Each of several
        seeds is also read alone, see `Bounds`. The paper's rule of thumb for base_lr, a third or a quarter of max_lr,
        is another choice.
        """
        seeds, how = np.atleast_2d(self.values), (self.metric, bool(self.lower_is_better), self.stopped is not None)
        alone = tuple(read(self.lr, values, *how) for values in seeds) if len(seeds) > 1 else ()
        together = replace(read(self.lr, seeds.mean(0), *how), by_seed=alone)
        too_few = self.lr.size < LEAST_POINTS and not self.stopped  # at whatever end_lr
        if self.end_lr is None or by_factors(self.lr) or too_few:
            return together
        bounds = against_end(together, self.end_lr, self.broke, searched=bool(self.earlier))
        searches = [test for test in self.earlier if by_factors(test.lr)]
        if bounds.base_lr is None and searches:
            lr, values, sign = searches[0].lr, np.atleast_2d(searches[0].values).mean(0), searches[0].lower_is_better
            read_off = from_search(lr, -values if sign else values, searches[0].metric, bounds.reason)
            return replace(read_off, by_seed=alone, end_lr=bounds.end_lr) if read_off else bounds
        return bounds

    def __str__(self) -> str:
        if not self.lr.size:
            curve = "LR range test without a measurement"
        else:
            low, high = self.values.min(), self.values.max()
            digits = ".3f" if max(-low, high) < 1e4 else ".3g"
            rates = f"{self.lr.size} rates from {self.lr[0]:.6g} to {self.lr[-1]:.6g}"
            curve = f"LR range test, {rates}, {self.metric} {low:{digits}} to {high:{digits}}"
        bounds = self.bounds()
        broke = [test.broke for test in self.earlier if by_factors(test.lr)]
        searched = [
            f"end_lr from a search before: training {f'broke at {rate:.2g}' if rate else 'never broke'}"
            for rate in broke
        ]
        lines = [curve, *searched, *([f"stopped: {self.stopped}"] if self.stopped else []), str(bounds)]
        if bounds.by_seed:
            alone = sum(seed.base_lr is not None for seed in bounds.by_seed)
            spans = [f", {name} {low:.3g} to {high:.3g}" for name, (low, high) in bounds.intervals.items()]
            lines.append(f"alone {alone} of {len(bounds.by_seed)} seeds give bounds{''.join(spans)}")
        return "\n".join(lines)

    def plot(self, axes: Any = None) -> Any:
        """Draw the seeds, the smoothed curve and its bounds; returns matplotlib's figure, for `savefig`.

        axes: matplotlib's axes to draw on; without any a new figure, which needs no display, with the earlier passes
        beside it, left to right: each with the rate at which training broke, as a dotted line.
        Raises ImportError where matplotlib is not installed.
        """
        passes = (*self.earlier, self)
        if axes is not None:
            panels, passes = [axes], (self,)
        else:
            try:
                figure = import_module("matplotlib.figure").Figure((6.4 * len(passes), 4.8), layout="constrained")
            except ModuleNotFoundError as error:
                raise ImportError("matplotlib is not installed; `pip install matplotlib` brings it") from error
            panels = figure.subplots(1, len(passes), squeeze=False)[0]
        for one, panel in zip(passes, panels, strict=True):
            one._draw(panel, last=one is self)
        return panels[0].figure

    def _draw(self, axes: Any, last: bool) -> None:
        seeds, smoothed, bounds = np.atleast_2d(self.values), self.smoothed, self.bounds()
        axes.plot(self.lr, seeds.T, color="0.7", linewidth=0.8)
        axes.plot(self.lr, smoothed, color="C0", label=f"smoothed, n = {len(seeds)}")
        if last:
            bounds.draw(axes)
            for interval in bounds.intervals.values():
                axes.axvspan(*interval, color=DARK, alpha=0.1, linewidth=0)
        elif self.broke is not None:
            axes.axvline(self.broke, color=DARK, linestyle=":", label=f"breaks at {self.broke:.2g}")
        if seeds.size and seeds.max() > 2 * smoothed.max() - smoothed.min():  # a loss that explodes
            axes.set_ylim(1.1 * smoothed.min() - 0.1 * smoothed.max(), 1.1 * smoothed.max() - 0.1 * smoothed.min())
        axes.set(xlabel="learning rate", ylabel=self.metric, xscale="log" if by_factors(self.lr) else "linear")
        if self.metric == "accuracy":  # fractions, read as percent
            axes.set_ylabel("accuracy (%)")
            axes.yaxis.set_major_formatter(import_module("matplotlib.ticker").PercentFormatter(1.0, symbol=None))
        axes.legend(frameon=False)
