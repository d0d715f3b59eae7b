"""Mistakes with a schedule that show too late or never: each is told once, as a UserWarning."""

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from clrlib.policy import Policy

Written = tuple[list[Any], list[Any], list[int]]  # rates, what holds them, and how often that was written to
NOTHING: Written = ([], [], [])
MANY = 10  # optimizer steps between two steps of a schedule: more than an oversight, fewer than an epoch


def warn_of_mid_cycle(policy: Policy, total_iterations: int) -> None:
    """Warn where a training would stop in the middle of a cycle (section 3.2: stop at the end of one)."""
    end = policy.cycle_end_at_or_after(total_iterations)
    if end != total_iterations:
        told = f"a training of {total_iterations} iterations stops in mid-cycle; stop at {end}, where the cycle ends"
        warnings.warn(told, stacklevel=3)


@dataclass
class Watch:
    """Between two steps of a schedule: did something else set the rate, did the optimizer make many steps?"""

    written: Written = NOTHING  # by the schedule, at its last step
    steps: int = 0  # of the optimizer, up to the schedule's last step
    rare: int = 0  # steps of the schedule in a row that came after MANY or more of the optimizer's
    told: set[str] = field(default_factory=set)

    def begin(self, optimizer: Optimizer, written: Written) -> None:
        """Look from here on. `written`: the rates that should be found next; none, where anything may be there."""
        if not hasattr(optimizer, "_clrlib_steps"):
            optimizer._clrlib_steps = 0  # type: ignore[attr-defined]
            with suppress(AttributeError):  # a wrapper that is no full optimizer: it stays at 0
                # torch 2.11's compiler stumbles over what the hook does
                optimizer.register_step_post_hook(torch.compiler.disable(_count))  # type: ignore[no-untyped-call]
        self.written, self.steps = written, optimizer._clrlib_steps  # type: ignore[attr-defined]

    def look(self, optimizer: Optimizer) -> None:
        """The schedule is about to make a step."""
        if not hasattr(optimizer, "_clrlib_steps"):  # a copy, or come out of a pickle
            self.begin(optimizer, self.written)
        rates, held, versions = self.written
        found = [group["lr"] for group in optimizer.param_groups[: len(rates)]]
        if found != held or _versions(found) != versions:  # tensors are the same objects: no device is waited for
            now = [float(lr) for lr in found]
            if now != [as_held(lr, rate) for lr, rate in zip(found, rates, strict=False)]:
                told = f"are {now}, not {rates} as set; let one schedule set them (they are overwritten now)"
                self._tell("the optimizer's rates", told)
        before, self.steps = self.steps, optimizer._clrlib_steps  # type: ignore[attr-defined]
        self.rare = self.rare + 1 if self.steps - before >= MANY else 0
        if self.rare == 2:
            told = f"came after {self.steps - before} optimizer steps, for the second time in a row"
            self._tell("schedule.step()", f"{told}; call it after each optimizer.step(), not after each epoch")

    def _tell(self, what: str, told: str) -> None:
        if what not in self.told:
            self.told.add(what)
            warnings.warn(f"{what} {told}", stacklevel=5)  # _tell, look, _update_lr, torch's step, the caller


def as_written(optimizer: Optimizer, rates: Sequence[Any]) -> Written:
    """What is to be found next time, where nothing else writes."""
    held = [group["lr"] for group in optimizer.param_groups]
    return [*rates], held, _versions(held)


def _versions(held: list[Any]) -> list[int]:
    """How often each tensor was written to."""
    return [lr._version for lr in held if lr.__class__ is not float and isinstance(lr, Tensor)]


def as_held(lr: Any, rate: Any) -> float:
    """A rate as `lr`, which holds it, has it: a tensor rounds it."""
    return float(torch.tensor(float(rate), dtype=lr.dtype)) if isinstance(lr, Tensor) else float(rate)


def _count(optimizer: Any, *_: Any) -> None:
    optimizer._clrlib_steps += 1
