"""A training in one process: the interface that lab.sweep.processes implements for several."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from torch import Tensor, nn

T = TypeVar("T")


class Alone:
    """One process: every method is the identity.

    size: number of processes that train together. rank: number of this one; 0 decides, prints and writes.
    on_this_machine: number of them on this machine.
    """

    size, rank, on_this_machine = 1, 0, 1

    def share(self, whole: Any) -> Any:
        """This process's part of a tensor or array along its first dimension."""
        return whole

    def average(self, value: Tensor) -> Tensor:
        """The mean of a tensor over the processes."""
        return value

    def total(self, *numbers: float) -> list[float]:
        """Each number summed over the processes."""
        return [*numbers]

    def agree(self, value: T) -> T:
        """Return the first process's value in all processes."""
        return value

    def by_the_first(self, act: Callable[[], T]) -> T:
        """Call act in the first process alone; return its value, or raise its error, in all processes."""
        return act()

    def first_on_each_machine(self) -> AbstractContextManager[None]:
        """Let one process of each machine go first, so that the others reuse what it downloads or compiles."""
        return nullcontext()

    def interrupts_noted(self) -> AbstractContextManager[None]:
        """Record Ctrl-C for interrupted(), so that the processes save and stop together."""
        return nullcontext()

    def interrupted(self) -> bool:
        """True if Ctrl-C was pressed since the last call."""
        return False

    def parallel(self, net: nn.Module, batch: int) -> nn.Module:
        """The net wrapped for training by all processes. batch: images a step over all processes."""
        return net

    def check_same(self, *facts: object) -> None:
        """Raise ValueError in all processes if any has other facts than the first."""


ALONE = Alone()
