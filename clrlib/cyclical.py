"""Cyclical policies: rates that rise and fall between two bounds (section 3.1).

Section, table and figure numbers are those of arXiv 1506.01186v6.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from clrlib import checks
from clrlib.policy import Policy, next_multiple


@dataclass(frozen=True)
class Cyclical(Policy):
    """Rise from base_lr to max_lr and fall back, again and again; the family of section 3.1.

    policy(t) = base_lr + (max_lr - base_lr) * window(rise) * height(t, cycle), where
    cycle, within = divmod(t, 2 * step_size) and rise = 1 - |within / step_size - 1| goes 0 -> 1 -> 0.

    base_lr, max_lr: the bounds (learning rate). step_size: iterations in half a cycle; 2 to 10 epochs' worth works
    (section 3.2). Raises ValueError for bounds out of order or a step_size that is below 1 or not whole.
    A new member of the family overrides `window` (the shape of a cycle) or `height` (how cycles shrink).

    >>> class Square(Cyclical):
    ...     def window(self, rise):
    ...         return rise > 0.5
    >>> [Square(0.001, 0.006, step_size=2)(t) for t in range(5)]
    [0.001, 0.001, 0.006, 0.001, 0.001]
    """

    base_lr: float
    max_lr: float
    step_size: int

    def __post_init__(self) -> None:
        checks.clean(self, base_lr=checks.rate, max_lr=checks.rate, step_size=checks.count)
        checks.bounds(self.base_lr, self.max_lr)

    def rate(self, t: Any) -> Any:
        cycle, within = divmod(t, 2 * self.step_size)  # whole numbers: exact however large t is
        rise = (self.step_size - abs(within - self.step_size)) / self.step_size
        return self.base_lr + (self.max_lr - self.base_lr) * self.window(rise) * self.height(t, cycle)

    def window(self, rise: Any) -> Any:
        """The shape of a cycle: maps rise in [0, 1] to [0, 1]."""
        return rise

    def height(self, t: Any, cycle: Any) -> Any:
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

    def height(self, t: Any, cycle: Any) -> Any:
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

    gamma: float
    decay: str = "bounds"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.clean(self, gamma=checks.factor)
        if self.decay not in ("bounds", "amplitude"):
            raise ValueError(f'decay is {self.decay!r}; give "bounds" (the paper) or "amplitude" (other libraries)')

    def rate(self, t: Any) -> Any:
        both = self.gamma**t if self.decay == "bounds" else 1.0
        return both * super().rate(t)

    def height(self, t: Any, cycle: Any) -> Any:
        return self.gamma**t if self.decay == "amplitude" else 1.0


@dataclass(frozen=True)
class Welch(Cyclical):
    """Parabolic cycles (section 3.1, "a Welch window").

    policy(t) = base_lr + (max_lr - base_lr) * rise * (2 - rise), rise = 1 - |within / step_size - 1|.

    >>> Welch(base_lr=0.0, max_lr=1.0, step_size=2)(1)
    0.75
    """

    def window(self, rise: Any) -> Any:
        return rise * (2 - rise)


@dataclass(frozen=True)
class Hann(Cyclical):
    """Sinusoidal cycles (section 3.1, "a Hann window").

    policy(t) = base_lr + (max_lr - base_lr) * sin(pi / 2 * rise)**2, rise = 1 - |within / step_size - 1|.

    >>> [round(Hann(base_lr=0.0, max_lr=1.0, step_size=3)(t), 6) for t in (0, 1, 2, 3)]
    [0.0, 0.25, 0.75, 1.0]
    """

    def window(self, rise: Any) -> Any:
        return np.sin(np.pi / 2 * rise) ** 2


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

    base_lr: float
    max_lr: float
    step_size_up: int
    step_size_down: int
    shrink: float = 1.0
    gamma: float = 1.0

    def __post_init__(self) -> None:
        checks.clean(self, base_lr=checks.rate, max_lr=checks.rate, shrink=checks.factor, gamma=checks.factor)
        checks.clean(self, step_size_up=checks.count, step_size_down=checks.count)

    @property
    def cycle(self) -> int:
        """Iterations in a cycle."""
        return self.step_size_up + self.step_size_down

    def rate(self, t: Any) -> Any:
        cycle, within = divmod(t, self.cycle)
        rise = np.minimum(within / self.step_size_up, (self.cycle - within) / self.step_size_down)
        return self.base_lr + (self.max_lr - self.base_lr) * rise * self.shrink**cycle * self.gamma**t

    def cycle_end_at_or_after(self, t: int) -> int:
        return next_multiple(t, self.cycle)


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

    base_lr: float
    max_lr: float
    cycle: int
    growth: int = 1

    def __post_init__(self) -> None:
        checks.clean(self, base_lr=checks.rate, max_lr=checks.rate, cycle=checks.count, growth=checks.count)
        checks.bounds(self.base_lr, self.max_lr)

    def rate(self, t: Any) -> Any:
        if self.growth == 1:
            share = t % self.cycle / self.cycle
        else:
            starts = self._starts(int(np.max(t, initial=0)))
            k = np.searchsorted(starts, t, side="right") - 1
            share = (t - starts[k]) / (self.cycle * float(self.growth) ** k)
        return self.base_lr + (self.max_lr - self.base_lr) * (1 + np.cos(np.pi * share)) / 2

    def cycle_end_at_or_after(self, t: int) -> int:
        if self.growth == 1:
            return next_multiple(t, self.cycle)
        length = end = self.cycle
        while end < checks.iteration(t):
            length *= self.growth
            end += length
        return end

    def _starts(self, last: int) -> np.ndarray:
        """The first iteration of every cycle up to an iteration."""
        starts, length = [0], self.cycle
        while starts[-1] + length <= last:
            starts.append(starts[-1] + length)
            length *= self.growth
        return np.array(starts)
