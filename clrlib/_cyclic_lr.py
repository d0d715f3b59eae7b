"""CyclicLR: torch's class of that name, rate for rate, without its traps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from clrlib import _checks as checks
from clrlib._policy import Policy
from clrlib._scheduler import ScheduleLR, groups_of
from clrlib._schedules import UpDown

Numbers = float | Tensor | Sequence[float | Tensor]  # one for all parameter groups, or one for each


class CyclicLR(ScheduleLR, torch.optim.lr_scheduler.CyclicLR):
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

    cycle_momentum = False
    _at: tuple[int, tuple[float, float]] = (-1, (0.0, 0.0))  # the last iteration asked for, its rise and height

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
        checks.one_of("scale_mode", scale_mode, ("cycle", "iterations"))
        cycle = (0.0, 1.0, step_size_up, step_size_up if step_size_down is None else step_size_down)
        if scale_fn is not None:
            self._cycle: UpDown = _Scaled(*cycle, scale_fn=scale_fn, scale_mode=scale_mode)
        else:
            shrinks = checks.one_of("mode", mode, ("triangular", "triangular2", "exp_range")) == "exp_range"
            self._cycle = UpDown(*cycle, 0.5 if mode == "triangular2" else 1.0, gamma if shrinks else 1.0)
            scale_mode = "iterations" if shrinks else "cycle"
        self._given, self.cycle_momentum, n = (mode, gamma, scale_mode), cycle_momentum, len(groups_of(optimizer))
        self.base_lrs, self.max_lrs = _each("base_lr", base_lr, n), _each("max_lr", max_lr, n)
        self.base_momentums = _each("base_momentum", base_momentum, n)
        self.max_momentums = _each("max_momentum", max_momentum, n)
        for kind in ("lr", "momentum"):
            for low, high in zip(*(getattr(self, f"{end}_{kind}s") for end in ("base", "max")), strict=True):
                checks.ordered(low, high, kind)
        self._begin(optimizer, last_epoch + 1, total_iterations, self.base_lrs)

    # torch's attributes: other base_lrs, max_lrs and momentums hold from the next step on, these cannot be set
    mode = property(lambda self: self._given[0])
    gamma = property(lambda self: self._given[1])
    scale_mode = property(lambda self: self._given[2])
    total_size = property(lambda self: self._cycle.step_size_up + self._cycle.step_size_down)
    step_ratio = property(lambda self: self._cycle.step_size_up / self.total_size)
    # one policy where all groups are alike (it holds for groups added later), else one for each
    policy = property(lambda self: self._policies("policy"))
    momentum = property(lambda self: self._policies("momentum") if self.cycle_momentum else None)

    def scale_fn(self, x: int) -> float:
        """The height of cycle x = 1, 2 ..., or, where scale_mode is "iterations", at iteration x."""
        t = x if self.scale_mode == "iterations" else (x - 1) * self.total_size
        return self._cycle.rise_and_height(t)[1]

    def _ends(self, name: str) -> tuple[list[Any], list[Any]]:
        """The value at the start of each group's cycles and at their peak: the momentum falls while the rate rises."""
        return (self.base_lrs, self.max_lrs) if name == "policy" else (self.max_momentums, self.base_momentums)

    def _policies(self, name: str) -> Policy | tuple[Policy, ...]:
        starts, turns = self._ends(name)
        if len(starts) != len(turns):
            raise ValueError(f"{name} cycles from {starts} to {turns}; give one bound of both for each group")
        each = [replace(self._cycle, base_lr=start, max_lr=turn) for start, turn in zip(starts, turns, strict=True)]
        return each[0] if each.count(each[0]) == len(each) else tuple(each)

    def _values(self, name: str) -> list[float]:
        starts, turns = self._ends(name)
        if not len(starts) == len(turns) == len(self.optimizer.param_groups):  # a group was added, or a list changed
            return super()._values(name)
        if self._at[0] != self.last_epoch:  # rates and momenta share one rise
            self._at = self.last_epoch, self._cycle.rise_and_height(self.last_epoch)
        rise, height = self._at[1]
        return [start + (turn - start) * rise * height for start, turn in zip(starts, turns, strict=True)]


def _each(name: str, given: Numbers, groups: int) -> list[Any]:
    """One number for each parameter group."""
    values = given if isinstance(given, (list, tuple)) else [given] * groups
    if len(values) != groups:
        raise ValueError(f"{name} has {len(values)} values for {groups} parameter groups; give one for each, or one")
    return [checks.rate(name, v.item() if isinstance(v, Tensor) else v) for v in values]


@dataclass(frozen=True)
class _Scaled(UpDown):
    """Cycles whose height is a function of the cycle (1, 2 ...) or of the iteration."""

    scale_fn: Callable[[int], float] = float
    scale_mode: str = "cycle"

    def rise_and_height(self, t: int) -> tuple[float, float]:
        cycle = t // (self.step_size_up + self.step_size_down)
        height = self.scale_fn(cycle + 1 if self.scale_mode == "cycle" else t)
        rise, _ = super().rise_and_height(t)
        return rise, 0.0 if -1e-12 < height < 0 else height  # a sine that should be 0 may be a bit less
