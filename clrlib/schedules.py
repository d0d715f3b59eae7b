"""Learning-rate policies: pure, immutable values that map an iteration to a rate.

A policy holds numbers and a formula, nothing else: no optimizer, no counter. `policy(t)` is the rate of
iteration t (0 is the first), so any iteration can be asked for, in any order, and a plot costs nothing.
Section, table and figure numbers are those of arXiv 1506.01186v6.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from clrlib import checks
from clrlib.policy import Policy


@dataclass(frozen=True)
class Fixed(Policy):
    """One rate for ever: policy(t) = lr.

    lr: learning rate, 0 or more. Raises ValueError for a negative or non-finite rate.

    >>> Fixed(0.01)(123)
    0.01
    """

    lr: float

    def __post_init__(self) -> None:
        checks.clean(self, lr=checks.rate)

    def rate(self, t: Any) -> Any:
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

    lr: float
    milestones: tuple[int, ...]
    gamma: float = 0.1

    def __post_init__(self) -> None:
        checks.clean(self, lr=checks.rate, milestones=_milestones, gamma=checks.factor)

    def rate(self, t: Any) -> Any:
        return self.lr * self.gamma ** np.searchsorted(self.milestones, t, side="right")


def _milestones(name: str, milestones: Any) -> tuple[int, ...]:
    if not isinstance(milestones, (tuple, list)):
        raise TypeError(f"{name} is {milestones!r}; give a tuple of iterations, such as (60_000, 65_000)")
    clean = tuple(checks.count(f"{name}[{i}]", m) for i, m in enumerate(milestones))
    if any(later <= earlier for earlier, later in pairwise(clean)):
        raise ValueError(f"{name} {clean} do not rise; give each iteration once, in rising order")
    return clean


@dataclass(frozen=True)
class Exponential(Policy):
    """Decay by a constant factor each iteration (the paper's "exp", table 1): policy(t) = lr * gamma**t.

    lr: learning rate at t = 0. gamma: factor in (0, 1]. Raises ValueError for a gamma outside it.

    >>> Exponential(0.001, gamma=0.5)(2)
    0.00025
    """

    lr: float
    gamma: float

    def __post_init__(self) -> None:
        checks.clean(self, lr=checks.rate, gamma=checks.factor)

    def rate(self, t: Any) -> Any:
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

    max_lr: float
    base_lr: float
    steps: int

    def __post_init__(self) -> None:
        checks.clean(self, max_lr=checks.rate, base_lr=checks.rate, steps=checks.count)
        checks.bounds(self.base_lr, self.max_lr)

    def rate(self, t: Any) -> Any:
        left = (self.steps - np.minimum(t, self.steps)) / self.steps  # 1 -> 0
        return self.base_lr + (self.max_lr - self.base_lr) * left


@dataclass(frozen=True)
class Stages(Policy):
    """Policies one after the other, each counting from its own start: the paper's table 2, where the cycle restarts.

    policy(t) = policy_k(t - start_k) for the stage k that holds t, start_k = sum of the iterations before it; past
    the end the last stage's policy goes on. stages: pairs of (iterations, policy).
    Raises ValueError for no stages or iterations below 1, TypeError for a stage that is not such a pair.

    >>> policy = Stages((16_000, Triangular2(0.001, 0.005, 2000)), (6_000, Triangular2(0.0001, 0.0005, 1000)))
    >>> [policy(t) for t in (2000, 15_999, 16_000, 17_000)]
    [0.005, 0.00100025, 0.0001, 0.0005]
    """

    stages: tuple[tuple[int, Policy], ...]

    def __init__(self, *stages: tuple[int, Policy]) -> None:
        if not stages:
            raise ValueError("Stages() is empty; give at least one (iterations, policy) pair")
        object.__setattr__(self, "stages", tuple(_stage(k, stage) for k, stage in enumerate(stages)))

    def __repr__(self) -> str:
        return f"Stages{self.stages!r}" if len(self.stages) > 1 else f"Stages({self.stages[0]!r})"

    def rate(self, t: Any) -> Any:
        ends = np.cumsum([iterations for iterations, _ in self.stages])
        starts = ends - [iterations for iterations, _ in self.stages]
        k = np.searchsorted(ends[:-1], t, side="right")
        if np.ndim(t) == 0:
            return self.stages[k][1].rate(t - int(starts[k]))
        result = np.empty(np.shape(t))
        for stage, (start, (_, policy)) in enumerate(zip(starts, self.stages, strict=True)):
            result[k == stage] = policy.rate(t[k == stage] - start)
        return result


def _stage(k: int, stage: Any) -> tuple[int, Policy]:
    if not (isinstance(stage, tuple) and len(stage) == 2 and isinstance(stage[1], Policy)):
        raise TypeError(f"stage {k} is {stage!r}; give a pair (iterations, policy)")
    return checks.count(f"iterations of stage {k}", stage[0]), stage[1]


@dataclass(frozen=True)
class Cyclical(Policy):
    """Rise from base_lr to max_lr and fall back, again and again; the family of section 3.1.

    policy(t) = base_lr + (max_lr - base_lr) * window(rise) * height(t, cycle), where
    cycle, within = divmod(t, 2 * step_size) and rise = 1 - |within / step_size - 1| goes 0 -> 1 -> 0.

    base_lr, max_lr: the bounds (learning rate). step_size: iterations in half a cycle; 2 to 10 epochs' worth works
    (section 3.2). Raises ValueError for bounds out of order or a step_size that is below 1 or not whole.
    A new member of the family overrides `window` (the shape of a cycle) or `height` (how cycles shrink).
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
        cycle = 2 * self.step_size
        return max(1, -(-checks.iteration(t) // cycle)) * cycle


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


def epochs_to_iterations(epochs: float, iterations_per_epoch: int) -> int:
    """A length given in epochs, in iterations: round(epochs * iterations_per_epoch). For step_size and the like.

    iterations_per_epoch: batches in one pass over the training set, len(loader).
    Raises ValueError where less than one iteration comes out.

    >>> Triangular(0.001, 0.006, step_size=epochs_to_iterations(4, iterations_per_epoch=500))
    Triangular(base_lr=0.001, max_lr=0.006, step_size=2000)
    """
    per_epoch = checks.count("iterations_per_epoch", iterations_per_epoch)
    length = round(checks.real("epochs", epochs) * per_epoch)
    return checks.count(f"{epochs!r} epochs of {per_epoch} iterations", length)
