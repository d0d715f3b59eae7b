"""The curve of an LR range test, and how it is read (section 3.3 and figure 3 of arXiv 1506.01186v6)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import numpy as np

LEAST_POINTS = 6  # fewer show no shape
LEAST_RISE = 0.01  # accuracy, or share of another metric's size; a net that does not learn wanders by less
CLEAR_RISE = 6.0  # times the noise; of curves that are noise alone about 1 in 100 reach it
CLEAR_KNEE = 0.1  # height above the straight line, as a share of the rise...
KNEE_NOISE = 3.0  # ... and in times the noise
DARK = "0.15"  # drawn over the curve: grey, so that no colour tells base_lr from max_lr
BREAK = 0.25  # share of the rise that is given back where training breaks; noise gives back less
FIRST = 10  # points that the noise is measured on at least
EARLY = 1 / 3  # of end_lr: a break before it leaves too few points to read
LARGER = 4  # times end_lr, where the curve does not end
STEP = 0.1  # share of the rise that counts as a start, and below the peak as a fall
ABOVE_HALF = 2.0  # times the rate of half a search's gain: max_lr; chosen on the benchmark's development tasks
BELOW = 4.0  # max_lr / base_lr where the curve does not say: the paper's rule of thumb (section 3.3)


@dataclass(frozen=True)
class Bounds:
    """The answer of a range test: base_lr and max_lr (learning rates), or None for both, and the reason in a sentence.

    by_seed: the answer of each seed's curve alone, where there are several. end_lr: the last rate to test again with,
    where the answer would move with it; advice: how, in words.

    >>> print(Bounds(0.001, 0.006, "accuracy increases from base_lr and starts to fall after max_lr"))
    base_lr 0.001, max_lr 0.006: accuracy increases from base_lr and starts to fall after max_lr
    """

    base_lr: float | None
    max_lr: float | None
    reason: str
    at_first_rate: bool = False  # base_lr is the lowest rate that can be read off: it may lie anywhere below
    by_seed: tuple["Bounds", ...] = ()
    end_lr: float | None = None
    advice: str = ""

    def __str__(self) -> str:
        if self.base_lr is None:
            return self.reason
        base = f"{'at or below ' if self.at_first_rate else ''}{self.base_lr:.3g}"
        return "; ".join([f"base_lr {base}, max_lr {self.max_lr:.3g}: {self.reason}", *filter(None, [self.advice])])

    def draw(self, axes: Any, color: str = DARK) -> None:
        """Draw the bounds onto matplotlib's axes, each named at its foot: base_lr solid, max_lr dashed, to tell apart.

        base_lr has a "≤" where it is the lowest rate that can be read off.
        """
        base_lr = f"base_lr {'≤ ' if self.at_first_rate else ''}"
        for name, rate, dash, height in ((base_lr, self.base_lr, "-", 0.02), ("max_lr ", self.max_lr, "--", 0.09)):
            if rate is not None:
                axes.axvline(rate, color=color, linestyle=dash, linewidth=1.2)
                at = {"xycoords": ("data", "axes fraction"), "xytext": (5, 0), "textcoords": "offset points"}
                blank = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # other lines may stand behind it
                axes.annotate(f"{name}{rate:.2g}", (rate, height), fontsize=8.5, bbox=blank, **at)

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """The lowest and the highest "base_lr" and "max_lr" that one seed alone gives; empty if fewer than two do."""
        read_alone = [seed for seed in self.by_seed if seed.base_lr is not None]
        if len(read_alone) < 2:
            return {}
        alone = {name: [getattr(seed, name) for seed in read_alone] for name in ("base_lr", "max_lr")}
        return {name: (min(rates), max(rates)) for name, rates in alone.items()}


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
        return self._sign * smooth(self.lr, self._sign * np.atleast_2d(self.values).mean(0))

    @property
    def _sign(self) -> int:
        return -1 if self.lower_is_better else 1

    @property
    def broke(self) -> float | None:
        """The rate at which training broke: gave back a quarter of what it had gained, or diverged; else None."""
        curve = self.training or self
        broke = break_of(curve.lr, curve._sign * np.atleast_2d(curve.values).mean(0))
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
            first = searches[0]
            values = first._sign * np.atleast_2d(first.values).mean(0)
            read_off = from_search(first.lr, values, first.metric, bounds.reason)
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
        ends = [f"broke at {rate:.2g}" if rate else "never broke" for rate in broke]
        searched = [f"end_lr from a search before: training {how}" for how in ends]
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


def read(lr: np.ndarray, values: np.ndarray, metric: str, lower_is_better: bool, diverges: bool) -> Bounds:
    """Read the bounds off one curve, values (n,), as `RangeTest.bounds` says. diverges: after the last rate."""
    rise_, fall_, beyond = ("fall", "rise", "beyond") if lower_is_better else ("rise", "fall", "above")
    if lr.size < LEAST_POINTS:
        return _no_answer(f"{lr.size} points are too few; measure at {LEAST_POINTS} rates or more")
    values = -values if lower_is_better else values
    curve = smooth(lr, values)
    rise = curve.max() - curve[0]
    up = max(int(np.argmax(curve - curve[0] >= (1 - STEP) * rise)) + 1, lr.size // 3, LEAST_POINTS - 1)
    noise = _noise(values[: up + 2])
    size = 1.0 if metric == "accuracy" else np.abs(curve).max()
    if rise == 0 or rise < max(LEAST_RISE * size, CLEAR_RISE * noise):
        flat = f"{metric} does not {rise_} clearly {beyond} its noise"
        return _no_answer(f"{flat}; average more seeds, or test other rates")
    done = (curve - curve[0]) / rise  # 0 at the first point, 1 at the peak
    peak = int(done.argmax())
    before = int(np.flatnonzero(done[:peak] < STEP)[-1])
    last = int(np.flatnonzero(done >= 1 - STEP)[-1])
    x = np.log(lr) if by_factors(lr) else lr
    along = (x - x[before]) / (x[last] - x[before])
    above = ((done - done[before]) / (done[last] - done[before]) - along)[before : last + 1]
    top = before + int(above.argmax())
    if above.max() < max(CLEAR_KNEE, KNEE_NOISE * noise / rise):
        if last == lr.size - 1 and not diverges:
            larger = rounded(LARGER * lr[-1])
            still = f"{metric} still {rise_}s at the last rate; give a larger end_lr, such as {larger:g}"
            return _no_answer(still, larger)
        top = peak
    if top <= before + 1 + _window(lr.size) // 2:  # smoothing makes a step that wide
        smaller = rounded(3 * lr[top])
        steep = f"{metric} {rise_}s too steeply to tell the bounds apart; evaluate more often (evaluate_every)"
        return _no_answer(f"{steep}, or give a smaller end_lr, such as {smaller:g}", smaller)
    if top == lr.size - 1:
        end = "training diverges"
    elif done[top : top + 2 + lr.size // 5].min() < done[top] - STEP:
        end = f"starts to {fall_}"
    else:
        end = "slows or becomes ragged"
    reason = f"{metric} {'decreases' if lower_is_better else 'increases'} from base_lr and {end} after max_lr"
    return Bounds(float(lr[before + 1]), float(lr[top]), reason, at_first_rate=before == 0)


def break_of(lr: np.ndarray, values: np.ndarray) -> float | None:
    """The rate at which a metric of which higher is better has given back a quarter of its rise, or None.

    What is given back must be 3 times the noise before the peak, too; the curve is a running median of 5 points. In a
    sweep by equal factors it is the last such rate, since nets that learn slowly seem to break now and then.
    """
    curve = _running(np.median, values, 5)
    if not curve.size:
        return None
    peak = int(curve.argmax())
    fall = max(BREAK * (curve[peak] - np.median(curve[:3])), KNEE_NOISE * _noise(values[: max(peak + 1, FIRST)]))
    sound = curve[peak:-2] >= curve[peak] - fall  # the last two points are hardly smoothed
    if sound.all():
        return None
    at = np.flatnonzero(sound)[-1] + 1 if by_factors(lr) else np.flatnonzero(~sound)[0]
    return float(lr[peak + at]) if peak + at < lr.size - 2 else None


def from_search(lr: np.ndarray, values: np.ndarray, metric: str, why: str) -> Bounds | None:
    """Bounds from the pass that looked for the break, for a test that has none itself; None where it shows no gain.

    values: (n,) of which higher is better, read as means over about n / 10 points. The gain is the highest mean less
    that of the first fifth. max_lr is twice the rate at which half of it was made, base_lr a quarter of max_lr. The
    gain must be 1 % of the values' size or more, and 6 times the standard deviation of such a mean. Fewer than 10
    points show neither.
    """
    if lr.size < FIRST:
        return None
    window = _window(lr.size)
    whole = slice(window // 2, lr.size - window // 2)  # at the ends a mean is over few points, and noisy
    curve, start = _running(np.mean, _running(np.median, values, 3), window)[whole], values[: 2 * window].mean()
    peak = int(curve.argmax())
    gain = curve[peak] - start
    noise = _noise(values[: max(peak + 1, lr.size // 2)]) / np.sqrt(window)
    below = np.flatnonzero(curve[:peak] < start + gain / 2)
    if not below.size or gain < max(LEAST_RISE * np.abs(curve[: peak + 1]).max(), CLEAR_RISE * noise):
        return None
    half = float(lr[whole][below[-1] + 1])
    read_off = f"in the search half of the gain in {metric} was made at {half:.2g}; max_lr is twice that"
    reason = f"{read_off}, base_lr a quarter of max_lr, as the test itself gave {why}"
    return Bounds(ABOVE_HALF * half / BELOW, ABOVE_HALF * half, reason)


def _noise(values: np.ndarray) -> float:
    """The standard deviation of normal noise, from the median distance between a point and its neighbours' mean."""
    distances = np.abs(values[1:-1] - (values[:-2] + values[2:]) / 2)
    return float(1.21 * np.median(distances)) if distances.size else 0.0


def rounded(lr: float) -> float:
    """A rate to two digits, as one would type it."""
    return float(f"{lr:.2g}")


def _no_answer(why: str, end_lr: float | None = None) -> Bounds:
    return Bounds(None, None, f"no clear answer: {why}", end_lr=end_lr)


def against_end(bounds: Bounds, end_lr: float, broke: float | None, searched: bool) -> Bounds:
    """The bounds of a linear test up to end_lr, with a word on where they would move with it.

    broke: the rate at which training broke, or None. searched: end_lr comes from a search for it.
    """
    if broke is not None and broke < EARLY * end_lr:
        end = rounded(2 * broke)
        advice = f"training broke at {broke:.2g}, early in the test: test again with end_lr={end:g}"
        return _no_answer(advice, end) if bounds.base_lr is None else replace(bounds, advice=advice, end_lr=end)
    if bounds.base_lr is None and bounds.end_lr is None and (searched or broke is not None):
        end = rounded(min(broke or end_lr, end_lr / 2))
        return replace(bounds, reason=f"{bounds.reason}, such as those up to end_lr={end:g}", end_lr=end)
    if searched or bounds.base_lr is None:
        return bounds
    if broke is not None:
        return replace(bounds, advice=f"training broke at {broke:.2g}; another end_lr would move both a little")
    end = rounded(LARGER * end_lr)
    advice = f"training had not broken at {end_lr:g}, and a larger end_lr may move both: leave it out, or give {end:g}"
    return replace(bounds, advice=advice, end_lr=end)


def smooth(lr: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The smoothed curve of a metric of which higher is better; what is far below the start is lifted first.

    So are the first points of an exponential sweep, up to the median of twice as many: nothing is trained there yet,
    and a bad start would pass for a rise. (A linear sweep's first points are rates like all others.)
    """
    if by_factors(lr):
        first = max(3, _window(lr.size))
        values = np.append(np.maximum(values[:first], np.median(values[: 2 * first])), values[first:])
    if values.size:
        values = np.maximum(values, 2 * values[0] - values.max())
    return _running(np.mean, _running(np.median, values, 3), _window(values.size))


def _window(points: int) -> int:
    return points // 10 | 1


def _running(statistic: Callable[[np.ndarray], Any], values: np.ndarray, window: int) -> np.ndarray:
    """A statistic over an odd window around each point, narrower at the ends so that it stays centred."""
    last = len(values) - 1
    half = [min(window // 2, i, last - i) for i in range(len(values))]
    return np.array([statistic(values[i - h : i + h + 1]) for i, h in enumerate(half)])


def by_factors(lr: np.ndarray) -> bool:
    """True where the rates rise by equal factors, not equal steps: the middle one is nearer the ends' geometric mean.

    >>> by_factors(np.geomspace(0.001, 1, 7)), by_factors(np.linspace(0.001, 1, 7))
    (True, False)
    """
    if lr.size < 3:
        return False
    first, middle, last = lr[0], np.median(lr), lr[-1]
    return bool(first > 0 and abs(middle - np.sqrt(first * last)) < abs(middle - (first + last) / 2))
