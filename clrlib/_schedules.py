"""Learning-rate policies: pure, immutable values that map an iteration to a rate.

A policy holds numbers and a formula, nothing else: no optimizer, no counter. `policy(t)` is the rate of
iteration t (0 is the first), so any iteration can be asked for, in any order, and a plot costs nothing.
Section, table and figure numbers are those of arXiv 1506.01186v6.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from operator import itemgetter

from clrlib import _checks as checks
from clrlib._checks import Anneal, Base, Count, Decay, Factor, Knots, MaybeNumber, Milestones, Number, Rate
from clrlib._policy import Policy, next_multiple


@dataclass(frozen=True)
class Cyclical(Policy):
    """Rise from base_lr to max_lr and fall back, again and again; the family of section 3.1.

    policy(t) = base_lr + (max_lr - base_lr) * window(rise) * height(t, cycle), where
    cycle, within = divmod(t, 2 * step_size) and rise = 1 - |within / step_size - 1| goes 0 -> 1 -> 0.

    base_lr, max_lr: the bounds (learning rate). step_size: iterations in half a cycle; 2 to 10 epochs' worth works
    (section 3.2). With a base_lr of 0 the first iteration of each cycle trains nothing.
    Raises ValueError for bounds out of order or a step_size that is below 1 or not whole.
    A new member of the family overrides `window` (the shape of a cycle) or `height` (how cycles shrink).

    >>> class Square(Cyclical):
    ...     def window(self, rise):
    ...         return rise > 0.5
    >>> [Square(0.001, 0.006, step_size=2)(t) for t in range(5)]
    [0.001, 0.001, 0.006, 0.001, 0.001]
    """

    base_lr: Base
    max_lr: Rate
    step_size: Count

    def rate(self, t: int) -> float:
        half = self.step_size
        cycle, within = divmod(t, 2 * half)  # whole numbers: exact however large t is
        rise = (within if within < half else 2 * half - within) / half
        return self.base_lr + (self.max_lr - self.base_lr) * self.window(rise) * self.height(t, cycle)

    def window(self, rise: float) -> float:
        """The shape of a cycle: maps rise in [0, 1] to [0, 1]."""
        return rise

    def height(self, t: int, cycle: int) -> float:
        """The height of the cycle at iteration t, as a fraction of max_lr - base_lr."""
        return 1.0

    def cycle_end_at_or_after(self, t: int) -> int:
        """The first end of a cycle at or after iteration t, k * 2 * step_size with k >= 1: where to stop (section 3.2).

        >>> [Triangular(0.001, 0.006, step_size=2000).cycle_end_at_or_after(t) for t in (0, 4000, 4001)]
        [4000, 4000, 8000]
        """
        return next_multiple(t, 2 * self.step_size)


@dataclass(frozen=True)
class Triangular(Cyclical):
    """Straight up, straight down, every cycle alike (section 3.1, figure 2, "triangular").

    policy(t) = base_lr + (max_lr - base_lr) * (1 - |within / step_size - 1|), within = t mod 2 * step_size.

    >>> policy = Triangular(base_lr=0.001, max_lr=0.006, step_size=2000)
    >>> [policy(t) for t in (0, 1000, 2000, 4000)]
    [0.001, 0.0035, 0.006, 0.001]
    """


@dataclass(frozen=True)
class Triangular2(Cyclical):
    """Triangular, and the height halves after every cycle (section 3.1, "triangular2").

    policy(t) = base_lr + (max_lr - base_lr) * (1 - |within / step_size - 1|) / 2**cycle,
    with cycle, within = divmod(t, 2 * step_size).

    >>> policy = Triangular2(base_lr=0.001, max_lr=0.006, step_size=2000)
    >>> [policy(t) for t in (0, 2000, 4000, 6000)]
    [0.001, 0.006, 0.001, 0.0035]
    """

    def height(self, t: int, cycle: int) -> float:
        return 0.5**cycle


@dataclass(frozen=True)
class ExpRange(Cyclical):
    """Triangular between bounds that shrink by gamma each iteration (section 3.1, "exp_range").

    decay="bounds", the paper's words ("each boundary value declines"):  policy(t) = gamma**t * triangular(t).
    decay="amplitude", what other libraries do:  policy(t) = base_lr + gamma**t * (triangular(t) - base_lr).
    gamma: factor in (0, 1]. Raises ValueError for a gamma outside it or another decay.

    >>> bounds, amplitude = (ExpRange(0.001, 0.006, 2000, 0.99994, decay=d) for d in ("bounds", "amplitude"))
    >>> round(bounds(12_000), 6), round(amplitude(12_000), 6)
    (0.000487, 0.001)
    """

    gamma: Factor
    decay: Decay = "bounds"

    def rate(self, t: int) -> float:
        rate = Cyclical.rate(self, t)
        return rate * self.gamma**t if self.decay == "bounds" else rate

    def height(self, t: int, cycle: int) -> float:
        return self.gamma**t if self.decay == "amplitude" else 1.0


@dataclass(frozen=True)
class Welch(Cyclical):
    """Parabolic cycles (section 3.1, "a Welch window").

    policy(t) = base_lr + (max_lr - base_lr) * rise * (2 - rise), rise = 1 - |within / step_size - 1|.

    >>> Welch(base_lr=0.0, max_lr=1.0, step_size=2)(1)
    0.75
    """

    def window(self, rise: float) -> float:
        return rise * (2 - rise)


@dataclass(frozen=True)
class Hann(Cyclical):
    """Sinusoidal cycles (section 3.1, "a Hann window").

    policy(t) = base_lr + (max_lr - base_lr) * sin(pi / 2 * rise)**2, rise = 1 - |within / step_size - 1|.

    >>> [round(Hann(base_lr=0.0, max_lr=1.0, step_size=3)(t), 6) for t in (0, 1, 2, 3)]
    [0.0, 0.25, 0.75, 1.0]
    """

    def window(self, rise: float) -> float:
        return math.sin(math.pi / 2 * rise) ** 2


@dataclass(frozen=True)
class UpDown(Policy):
    """Triangular cycles whose fall is as long as you like, and which may shrink (torch's step_size_up and _down).

    policy(t) = base_lr + (max_lr - base_lr) * rise * shrink**cycle * gamma**t, where
    cycle, within = divmod(t, up + down) and rise = min(within / up, (up + down - within) / down) goes 0 -> 1 -> 0.

    base_lr: where cycles begin and end. max_lr: where they turn; below base_lr for a momentum that falls while the rate
    rises. step_size_up, step_size_down: iterations. shrink, gamma: factors in (0, 1] for each cycle (0.5 is
    "triangular2") and each iteration ("exp_range"). Raises ValueError for other factors, or sizes not whole or below 1.

    >>> lr, momentum = UpDown(0.001, 0.006, 2000, 4000), UpDown(0.95, 0.85, 2000, 4000)
    >>> [lr(t) for t in (0, 2000, 4000, 6000)], [momentum(t) for t in (0, 2000, 6000)]
    ([0.001, 0.006, 0.0035, 0.001], [0.95, 0.85, 0.95])
    """

    base_lr: Rate
    max_lr: Rate
    step_size_up: Count
    step_size_down: Count
    shrink: Factor = 1.0
    gamma: Factor = 1.0

    def rate(self, t: int) -> float:
        rise, height = self.rise_and_height(t)
        return self.base_lr + (self.max_lr - self.base_lr) * rise * height

    def rise_and_height(self, t: int) -> tuple[float, float]:
        """Both of iteration t; the same whatever the bounds."""
        up, down = self.step_size_up, self.step_size_down
        cycle, within = divmod(t, up + down)
        rise = within / up if within < up else (up + down - within) / down
        return rise, self.shrink**cycle * self.gamma**t

    def cycle_end_at_or_after(self, t: int) -> int:
        return next_multiple(t, self.step_size_up + self.step_size_down)


@dataclass(frozen=True)
class WarmRestarts(Policy):
    """Fall from max_lr to base_lr along half a cosine, then start again at the top (SGDR, arXiv 1608.03983).

    policy(t) = base_lr + (max_lr - base_lr) * (1 + cos(pi * within / length)) / 2, where cycle k = 0, 1, 2 ... is
    length = cycle * growth**k iterations long and within counts from its start. One cycle as long as the training is
    plain cosine decay.
    base_lr, max_lr: the bounds (learning rate). cycle: iterations of the first cycle. growth: whole factor, 1 or more.
    Raises ValueError for bounds out of order, or a cycle or growth that is below 1 or not whole.

    >>> policy = WarmRestarts(base_lr=0.0, max_lr=1.0, cycle=2, growth=2)
    >>> [round(policy(t), 6) for t in (0, 1, 2, 4, 6)]
    [1.0, 0.5, 1.0, 0.5, 1.0]
    """

    base_lr: Base
    max_lr: Rate
    cycle: Count
    growth: Count = 1

    def rate(self, t: int) -> float:
        start, length = self._cycle(t)
        return self.base_lr + (self.max_lr - self.base_lr) * (1 + math.cos(math.pi * ((t - start) / length))) / 2

    def _cycle(self, t: int) -> tuple[int, int]:
        """Start and length of the cycle that holds iteration t."""
        if self.growth == 1:
            return t // self.cycle * self.cycle, self.cycle
        start, length = 0, self.cycle
        while start + length <= t:
            start, length = start + length, length * self.growth
        return start, length

    def cycle_end_at_or_after(self, t: int) -> int:
        return sum(self._cycle(max(0, checks.iterations(t) - 1)))


@dataclass(frozen=True)
class OneCycle(Policy):
    """Up to max_lr, down to final_lr, in two phases or in three. `torch` gives the form of torch's OneCycleLR.

    policy(t) goes from initial_lr at 0 to max_lr at `peak`, then, where there is a `back`, to initial_lr at `back`, and
    to final_lr at `end`; at `end` it stays. From a lower rate a at t0 to a higher rate b at t1 (and down alike)
    anneal="linear" gives a + (b - a) * rise and "cos" a + (b - a) * sin(pi / 2 * rise)**2, rise = (t - t0) / (t1 - t0).

    initial_lr, max_lr, final_lr: learning rates, in any order (a momentum goes the other way, see `momentum`).
    peak, back, end: iterations, -1 <= peak <= back, peak <= end; they need not be whole. What lies before 0 is over
    when the training begins (torch's peak may lie up to one iteration before), what lies after `end` is not reached.
    Raises ValueError for another order.

    >>> smith = OneCycle(0.1, 0.5, 0.0, peak=4, back=8, end=10, anneal="linear")  # a triangle, then far below it
    >>> [smith(t) for t in (0, 4, 8, 9, 10, 10**9)]
    [0.1, 0.5, 0.1, 0.05, 0.0, 0.0]
    >>> max_lr, n = 0.1, 100
    >>> fastai = OneCycle(max_lr / 25, max_lr, max_lr / 1e5, peak=0.25 * n, end=n)  # fit_one_cycle's default
    >>> [round(fastai(t), 6) for t in (0, 25, 100)]
    [0.004, 0.1, 1e-06]
    """

    initial_lr: Rate
    max_lr: Rate
    final_lr: Rate
    peak: Number
    end: Number
    back: MaybeNumber = None
    anneal: Anneal = "cos"

    def __post_init__(self) -> None:
        super().__post_init__()
        turns = [self.peak] if self.back is None else [self.peak, self.back]
        if not -1 <= self.peak <= max(turns[-1], 0) or not max(self.peak, 0) <= self.end:
            raise ValueError(f"the turns at {turns} do not lie in order between 0 and the end, {self.end}; move them")

    def rate(self, t: int) -> float:
        turns = [(self.peak, self.max_lr), (self.end, self.final_lr)]
        if self.back is not None:
            turns.insert(1, (self.back, self.initial_lr))
        at, t0, a = min(t, self.end), 0.0, self.initial_lr
        for t1, b in turns:
            if at <= t1:
                break
            t0, a = t1, b
        if at == t1:
            return b
        rise = (at - t0 if a < b else t1 - at) / (t1 - t0)  # 0 at the lower rate, 1 at the higher
        return min(a, b) + abs(b - a) * (rise if self.anneal == "linear" else math.sin(math.pi / 2 * rise) ** 2)

    def cycle_end_at_or_after(self, t: int) -> int:
        return max(super().cycle_end_at_or_after(t), math.ceil(self.end))

    def momentum(self, base_momentum: float = 0.85, max_momentum: float = 0.95) -> "OneCycle":
        """The momentum that goes with these rates: from max_momentum to base_momentum at the peak, and back.

        >>> policy = OneCycle.torch(max_lr=0.1, iterations=100)
        >>> [policy.momentum()(t) for t in (0, 29, 99)]  # for ScheduleLR(optimizer, policy, momentum=policy.momentum())
        [0.95, 0.85, 0.95]
        """
        return replace(self, initial_lr=max_momentum, max_lr=base_momentum, final_lr=max_momentum)

    @classmethod
    def torch(
        cls,
        max_lr: float,
        iterations: int,
        pct_start: float = 0.3,
        anneal: str = "cos",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> "OneCycle":
        """The form, the names and the defaults of torch's OneCycleLR: it ends at the last iteration, iterations - 1.

        initial_lr = max_lr / div_factor, final_lr = initial_lr / final_div_factor, peak = pct_start * iterations - 1
        and, with three phases, back = 2 * peak. Raises ValueError for a pct_start outside [0, 1].

        >>> [round(OneCycle.torch(0.1, 100)(t), 6) for t in (0, 29, 64, 99)]
        [0.004, 0.1, 0.05, 0.0]
        """
        peak = checks.share("pct_start", pct_start) * checks.count("iterations", iterations) - 1
        first = checks.rate("max_lr", max_lr) / checks.divisor("div_factor", div_factor)
        last = first / checks.divisor("final_div_factor", final_div_factor)
        return cls(first, max_lr, last, peak, iterations - 1, 2 * peak if three_phase else None, anneal)


@dataclass(frozen=True)
class Fixed(Policy):
    """One rate for ever: policy(t) = lr.

    lr: learning rate, 0 or more. Raises ValueError for a negative or non-finite rate.

    >>> Fixed(0.01)(123)
    0.01
    """

    lr: Rate

    def rate(self, t: int) -> float:
        return self.lr


@dataclass(frozen=True)
class MultiStep(Policy):
    """Drop the rate by a factor at each milestone (what the paper calls "fixed", with Caffe's drops; table 1).

    policy(t) = lr * gamma**(number of milestones <= t).
    lr: learning rate. milestones: rising iterations, each 1 or more. gamma: factor in (0, 1].
    Raises ValueError for milestones that do not rise, or a gamma outside (0, 1].

    >>> policy = MultiStep(0.001, milestones=(60_000, 65_000))
    >>> [policy(t) for t in (0, 59_999, 60_000)]
    [0.001, 0.001, 0.0001]
    """

    lr: Rate
    milestones: Milestones
    gamma: Factor = 0.1

    def rate(self, t: int) -> float:
        return self.lr * self.gamma ** bisect_right(self.milestones, t)


@dataclass(frozen=True)
class Exponential(Policy):
    """Decay by a constant factor each iteration (the paper's "exp", table 1): policy(t) = lr * gamma**t.

    lr: learning rate at t = 0. gamma: factor in (0, 1]. Raises ValueError for a gamma outside it.

    >>> Exponential(0.001, gamma=0.5)(2)
    0.00025
    """

    lr: Rate
    gamma: Factor

    def rate(self, t: int) -> float:
        return self.lr * self.gamma**t


@dataclass(frozen=True)
class LinearDecay(Policy):
    """Fall in a straight line, then stay: the paper's control "decay" (section 4.1.1, table 1), a fall without a rise.

    policy(t) = max_lr - (max_lr - base_lr) * min(1, t / steps).
    max_lr, base_lr: first and last rate. steps: iterations of the fall (the paper: one step_size).
    Raises ValueError for bounds out of order or steps below 1.

    >>> policy = LinearDecay(max_lr=0.007, base_lr=0.001, steps=4000)
    >>> [policy(t) for t in (0, 2000, 4000, 10**9)]
    [0.007, 0.004, 0.001, 0.001]
    """

    max_lr: Rate
    base_lr: Base
    steps: Count

    def rate(self, t: int) -> float:
        left = (self.steps - min(t, self.steps)) / self.steps  # 1 -> 0
        return self.base_lr + (self.max_lr - self.base_lr) * left


@dataclass(frozen=True)
class PiecewiseLinear(Policy):
    """Straight lines between knots: 1cycle, warmup-stable-decay, linear to zero and other hand-drawn shapes.

    policy(t_k) = lr_k at each knot (t_k, lr_k), a straight line between two knots, and the last rate for ever after.
    knots: pairs (iteration, learning rate); the first is at iteration 0, the iterations rise. A warm-up from 0 trains
    nothing in its first iteration.
    Raises ValueError for no knots, a first one elsewhere or iterations that do not rise, TypeError for no pairs.

    >>> one_cycle = PiecewiseLinear(((0, 0.001), (40, 0.005), (80, 0.001), (100, 0.0)))
    >>> [one_cycle(t) for t in (0, 20, 40, 90, 10**9)]
    [0.001, 0.003, 0.005, 0.0005, 0.0]
    """

    knots: Knots

    def rate(self, t: int) -> float:
        k = bisect_right(self.knots, t, key=itemgetter(0))
        (t0, lr0), (t1, lr1) = self.knots[k - 1], self.knots[min(k, len(self.knots) - 1)]
        return lr0 + (lr1 - lr0) / (t1 - t0) * (t - t0) if t0 < t1 else lr0


def epochs_to_iterations(epochs: float, iterations_per_epoch: int) -> int:
    """A length given in epochs, in iterations: round(epochs * iterations_per_epoch). For step_size and the like.

    iterations_per_epoch: batches in one pass over the training set, len(loader).
    Raises ValueError where less than one iteration comes out.

    >>> Triangular(0.001, 0.006, step_size=epochs_to_iterations(4, iterations_per_epoch=500))
    Triangular(base_lr=0.001, max_lr=0.006, step_size=2000)
    """
    per_epoch = checks.count("iterations_per_epoch", iterations_per_epoch)
    length = round(checks.number("epochs", epochs) * per_epoch)
    return checks.count(f"{epochs!r} epochs of {per_epoch} iterations", length)
