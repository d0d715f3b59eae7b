"""Learning-rate policies: pure, immutable values that map an iteration to a rate.

A policy holds numbers and a formula, nothing else: no optimizer, no counter. `policy(t)` is the rate of
iteration t (0 is the first), so any iteration can be asked for, in any order, and a plot costs nothing.
The cyclical ones are in clrlib/cyclical.py, 1cycle in clrlib/one_cycle.py, what puts policies together in
clrlib/policy.py. Section, table and figure numbers are those of arXiv 1506.01186v6.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from clrlib import checks
from clrlib.cyclical import Cyclical, ExpRange, Hann, Triangular, Triangular2, UpDown, WarmRestarts, Welch
from clrlib.one_cycle import OneCycle
from clrlib.policy import Function, Policy, Repeat, Stages

__all__ = [
    "Cyclical",
    "ExpRange",
    "Exponential",
    "Fixed",
    "Function",
    "Hann",
    "LinearDecay",
    "MultiStep",
    "OneCycle",
    "PiecewiseLinear",
    "Repeat",
    "Stages",
    "Triangular",
    "Triangular2",
    "UpDown",
    "WarmRestarts",
    "Welch",
    "epochs_to_iterations",
]


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
class PiecewiseLinear(Policy):
    """Straight lines between knots: 1cycle, warmup-stable-decay, linear to zero and other hand-drawn shapes.

    policy(t_k) = lr_k at each knot (t_k, lr_k), a straight line between two knots, and the last rate for ever after.
    knots: pairs (iteration, learning rate); the first is at iteration 0, the iterations rise.
    Raises ValueError for no knots, a first one elsewhere or iterations that do not rise, TypeError for no pairs.

    >>> one_cycle = PiecewiseLinear(((0, 0.001), (40, 0.005), (80, 0.001), (100, 0.0)))
    >>> [one_cycle(t) for t in (0, 20, 40, 90, 10**9)]
    [0.001, 0.003, 0.005, 0.0005, 0.0]
    """

    knots: tuple[tuple[int, float], ...]

    def __post_init__(self) -> None:
        checks.clean(self, knots=_knots)

    def rate(self, t: Any) -> Any:
        iterations, rates = zip(*self.knots, strict=True)
        return np.interp(t, iterations, rates)


def _knots(name: str, knots: Any) -> tuple[tuple[int, float], ...]:
    if not (isinstance(knots, (tuple, list)) and all(isinstance(k, (tuple, list)) and len(k) == 2 for k in knots)):
        raise TypeError(f"{name} is {knots!r}; give pairs (iteration, rate), such as ((0, 0.001), (100, 0.005))")
    clean = tuple(
        (checks.count(f"iteration of {name}[{i}]", t, least=0), checks.rate(f"rate of {name}[{i}]", lr))
        for i, (t, lr) in enumerate(knots)
    )
    if not clean or clean[0][0] != 0 or any(later <= earlier for (earlier, _), (later, _) in pairwise(clean)):
        raise ValueError(f"{name} {clean} must begin at iteration 0 and rise; give each iteration once, in order")
    return clean


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
