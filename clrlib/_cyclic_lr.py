"""CyclicLR: torch's class of that name, rate for rate, without its traps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor
from torch.optim import Optimizer

from clrlib import _checks as checks
from clrlib._policy import Policy
from clrlib._scheduler import ScheduleLR, groups_of
from clrlib._schedules import UpDown

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
        halves = (step_size_up, step_size_up if step_size_down is None else step_size_down)
        shrink, gamma = 0.5 if mode == "triangular2" else 1.0, gamma if mode == "exp_range" else 1.0
        kind: Callable[..., Policy] = partial(UpDown, shrink=shrink, gamma=gamma)
        if scale_fn is not None:
            kind = partial(_Scaled, scale_fn=scale_fn, scale_mode=scale_mode)

        def cycles(starts: list[float], turns: list[float]) -> Policy | list[Policy]:
            """One policy where all groups are alike, since it holds for groups added later too; else one for each."""
            policies = [kind(*pair, *halves) for pair in zip(starts, turns, strict=True)]
            return policies[0] if len({*policies}) == 1 else policies

        groups = groups_of(optimizer)
        lows, highs = _bounds(len(groups), "lr", base_lr, max_lr)
        momentum = None
        if cycle_momentum:  # it falls while the rate rises
            momentum = cycles(*reversed(_bounds(len(groups), "momentum", base_momentum, max_momentum)))
        fresh = ["initial_lr" not in group for group in groups]
        super().__init__(optimizer, cycles(lows, highs), last_epoch + 1, momentum, total_iterations=total_iterations)
        self.base_lrs, self.max_lrs = [*lows], highs
        for group, lr, is_fresh in zip(groups, lows, fresh, strict=True):
            if is_fresh:
                group["initial_lr"] = lr  # as torch does: where schedulers that are built later begin


def _bounds(groups: int, kind: str, base: Numbers, top: Numbers) -> list[list[float]]:
    """The lower and the upper bound, each for every parameter group."""
    both = []
    for name, given in ((f"base_{kind}", base), (f"max_{kind}", top)):
        values = given if isinstance(given, (list, tuple)) else [given] * groups
        if len(values) != groups:
            raise ValueError(
                f"{name} has {len(values)} values for {groups} parameter groups; give one for each, or one"
            )
        both.append([checks.learning_rate(name, v.item() if isinstance(v, Tensor) else v) for v in values])
    for low, high in zip(*both, strict=True):
        checks.ordered(low, high, kind)
    return both


@dataclass(frozen=True)
class _Scaled(UpDown):
    """Cycles whose height is a function of the cycle (1, 2 ...) or of the iteration."""

    scale_fn: Callable[[int], float] = float
    scale_mode: str = "cycle"

    def height(self, t: int, cycle: int) -> float:
        return self.scale_fn(cycle + 1 if self.scale_mode == "cycle" else t)

    def rate(self, t: int) -> float:
        value = super().rate(t)
        return max(0.0, value) if value > -1e-12 * self.max_lr else value  # a sine that should be 0 may be a bit less
