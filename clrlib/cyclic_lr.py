"""CyclicLR: torch's class of that name, rate for rate, without its traps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from clrlib import checks
from clrlib.cyclical import UpDown
from clrlib.policy import Policy, each
from clrlib.scheduler import ScheduleLR, rates

Numbers = float | Tensor | Sequence[float | Tensor]  # one for all parameter groups, or one for each
MODES = ("triangular", "triangular2", "exp_range")


class CyclicLR(ScheduleLR):
    """torch's CyclicLR, argument for argument, EXCEPT THAT THE MOMENTUM STAYS AS IT IS unless cycle_momentum=True.

    (torch's cycles it by default: plain SGD gets a momentum, Adam's beta1 moves. The paper's CLR leaves it alone.)

    lr of a group = base_lr + (max_lr - base_lr) * rise * scale, rise as in `UpDown`; scale = 1 ("triangular"),
    0.5**cycle ("triangular2"), gamma**t ("exp_range": the amplitude alone shrinks; `ExpRange` has the paper's reading),
    scale_fn(cycle + 1) or, with scale_mode="iterations", scale_fn(t). momentum = max_momentum - (...) * rise * scale.
    base_lr, max_lr, base_momentum, max_momentum: a number, or a list with one for each parameter group.
    step_size_up, step_size_down: iterations; the second is like the first by default. last_epoch: iterations already
    done, less one; this number alone resumes a schedule. All else is as in `ScheduleLR`.

    Raises ValueError for bounds out of order, step sizes that are below 1 or not whole, another mode or scale_mode, a
    gamma outside (0, 1], lists of another length than the groups, and cycle_momentum without a momentum.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    >>> schedule = CyclicLR(optimizer, base_lr=0.001, max_lr=0.006, step_size_up=2, mode="triangular2")
    >>> schedule.policy
    UpDown(base_lr=0.001, max_lr=0.006, step_size_up=2, step_size_down=2, shrink=0.5, gamma=1.0)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: Numbers,
        max_lr: Numbers,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[int], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = False,
        base_momentum: Numbers = 0.8,
        max_momentum: Numbers = 0.9,
        last_epoch: int = -1,
        *,
        total_iterations: int | None = None,
    ) -> None:
        if mode not in MODES and scale_fn is None:
            raise ValueError(f"mode is {mode!r}; give one of {MODES}, or a scale_fn")
        if scale_mode not in ("cycle", "iterations"):
            raise ValueError(f'scale_mode is {scale_mode!r}; give "cycle" or "iterations"')
        down = step_size_up if step_size_down is None else step_size_down
        factors = (0.5 if mode == "triangular2" else 1.0, gamma if mode == "exp_range" else 1.0)

        def cycles(first: float, turn: float) -> Policy:
            if scale_fn is not None:
                return _Scaled(UpDown(first, turn, step_size_up, down), scale_fn, scale_mode)
            return UpDown(first, turn, step_size_up, down, *factors)

        groups = len(rates(optimizer, 0.0))  # refuses what is no optimizer
        lows, highs = _bounds(groups, "lr", base_lr, max_lr)
        momentum = None
        if cycle_momentum:  # it falls while the rate rises
            turns, starts = _bounds(groups, "momentum", base_momentum, max_momentum)
            momentum = _policies(cycles, starts, turns)
        settled = ["initial_lr" in group for group in optimizer.param_groups]
        policy = _policies(cycles, lows, highs)
        super().__init__(optimizer, policy, last_epoch + 1, momentum, total_iterations=total_iterations)
        self.base_lrs, self.max_lrs = [*lows], highs
        for group, lr, was_settled in zip(optimizer.param_groups, lows, settled, strict=True):
            if not was_settled:
                group["initial_lr"] = lr  # as torch does: where schedulers that are built later begin


def _bounds(groups: int, kind: str, base: Numbers, top: Numbers) -> tuple[list[float], list[float]]:
    """The lower and the upper bound, each for every parameter group."""
    both = []
    for name, given in ((f"base_{kind}", base), (f"max_{kind}", top)):
        each = given if isinstance(given, (list, tuple)) else [given] * groups
        if len(each) != groups:
            raise ValueError(f"{name} has {len(each)} values for {groups} parameter groups; give one for each, or one")
        both.append([checks.rate(name, value.item() if isinstance(value, Tensor) else value) for value in each])
    for low, high in zip(*both, strict=True):
        checks.bounds(low, high, kind)
    return both[0], both[1]


def _policies(make: Callable[[float, float], Policy], firsts: list[float], turns: list[float]) -> Policy | list[Policy]:
    """One policy where all groups are alike, for it holds for groups that are added later too; else one for each."""
    pairs = [*zip(firsts, turns, strict=True)]
    return make(*pairs[0]) if len(set(pairs)) == 1 else [make(*pair) for pair in pairs]


@dataclass(frozen=True)
class _Scaled(Policy):
    """Cycles whose height is a function of the cycle (1, 2 ...) or of the iteration."""

    cycles: UpDown
    scale_fn: Callable[[int], float]
    scale_mode: str

    def rate(self, t: Any) -> Any:
        return each(self._at, t)

    def _at(self, t: int) -> float:
        first, turn = self.cycles.base_lr, self.cycles.max_lr
        share = replace(self.cycles, base_lr=0.0, max_lr=1.0)(t)
        value = first + (turn - first) * share * self.scale_fn(t // self.cycles.cycle + 1 if self._by_cycle else t)
        return max(0.0, value) if value > -1e-12 * turn else value  # a sine that should be 0 may be a little less

    @property
    def _by_cycle(self) -> bool:
        return self.scale_mode == "cycle"

    def cycle_end_at_or_after(self, t: int) -> int:
        return self.cycles.cycle_end_at_or_after(t)
