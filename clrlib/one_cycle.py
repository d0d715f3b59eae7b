"""1cycle: one rise, one fall, and an end far below the start (Smith, arXiv 1708.07120 and 1803.09820)."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from clrlib import checks
from clrlib.policy import Policy


@dataclass(frozen=True)
class OneCycle(Policy):
    """Up to max_lr, down to final_lr, in two phases or in three. `torch` gives the form of torch's OneCycleLR.

    policy(t) goes from initial_lr at 0 to max_lr at `peak`, then, where there is a `back`, to initial_lr at `back`, and
    to final_lr at `end`, where it stays. From a lower rate a at t0 to a higher rate b at t1 (and down alike)
    anneal="linear" gives a + (b - a) * rise and "cos" a + (b - a) * sin(pi / 2 * rise)**2, rise = (t - t0) / (t1 - t0).

    initial_lr, max_lr, final_lr: learning rates, in any order (a momentum goes the other way, see `momentum`).
    peak, back, end: iterations, 0 <= peak <= back < end; they need not be whole. Raises ValueError for another order.

    >>> smith = OneCycle(0.1, 0.5, 0.0, peak=4, back=8, end=10, anneal="linear")  # a triangle, then far below it
    >>> [smith(t) for t in (0, 4, 8, 9, 10, 10**9)]
    [0.1, 0.5, 0.1, 0.05, 0.0, 0.0]
    >>> max_lr, n = 0.1, 100
    >>> fastai = OneCycle(max_lr / 25, max_lr, max_lr / 1e5, peak=0.25 * n, end=n)  # fit_one_cycle's default
    >>> [round(fastai(t), 6) for t in (0, 25, 100)]
    [0.004, 0.1, 1e-06]
    """

    initial_lr: float
    max_lr: float
    final_lr: float
    peak: float
    end: float
    back: float | None = None
    anneal: str = "cos"

    def __post_init__(self) -> None:
        checks.clean(self, initial_lr=checks.rate, max_lr=checks.rate, final_lr=checks.rate)
        checks.clean(self, peak=checks.real, end=checks.real)
        if self.back is not None:
            checks.clean(self, back=checks.real)
        turns = [self.peak] if self.back is None else [self.peak, self.back]
        if not 0 <= turns[0] <= turns[-1] < self.end:
            raise ValueError(f"the turns at {turns} do not lie in order between 0 and the end, {self.end}; move them")
        if self.anneal not in ("cos", "linear"):
            raise ValueError(f'anneal is {self.anneal!r}; give "cos" or "linear"')

    def rate(self, t: Any) -> Any:
        middle = [] if self.back is None else [(self.back, self.initial_lr)]
        knots = [(0.0, self.initial_lr), (self.peak, self.max_lr), *middle, (self.end, self.final_lr)]
        at, rates = np.array(knots).T
        t = np.minimum(t, self.end)
        k = np.searchsorted(at[1:-1], t, side="right")
        (t0, t1), (a, b) = (at[k], at[k + 1]), (rates[k], rates[k + 1])
        rise = np.where(a < b, t - t0, t1 - t) / (t1 - t0)  # 0 at the lower rate, 1 at the higher
        share = rise if self.anneal == "linear" else np.sin(np.pi / 2 * rise) ** 2
        return np.minimum(a, b) + abs(b - a) * share

    def cycle_end_at_or_after(self, t: int) -> int:
        return max(checks.iteration(t), int(np.ceil(self.end)))

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
        (0 where that is less), and, with three phases, back = 2 * peak.

        >>> [round(OneCycle.torch(0.1, 100)(t), 6) for t in (0, 29, 64, 99)]
        [0.004, 0.1, 0.05, 0.0]
        """
        iterations = checks.count("iterations", iterations, least=2)
        peak = max(0.0, checks.real("pct_start", pct_start) * iterations - 1)
        back = 2 * peak if three_phase else None
        first = checks.rate("max_lr", max_lr) / checks.divisor("div_factor", div_factor)
        last = first / checks.divisor("final_div_factor", final_div_factor)
        return cls(first, max_lr, last, peak, iterations - 1, back, anneal)
