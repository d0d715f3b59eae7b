"""A training by one process, and the calls that several processes answer otherwise (lab.sweep.processes)."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from torch import Tensor, nn

T = TypeVar("T")


class Alone:
    """One process: every method is the identity.

    size: processes that train together. rank: of this one; 0 decides, prints and writes. on_this_machine: how many of
    them share this machine.
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
        """The first process's value, in all of them."""
        return value

    def by_the_first(self, act: Callable[[], T]) -> T:
        """The value that act gives in the first process, in all of them; its error too."""
        return act()

    def first_on_each_machine(self) -> AbstractContextManager[None]:
        """Let one process of each machine go first: the others find what it downloads or compiles."""
        return nullcontext()

    def interrupts_noted(self) -> AbstractContextManager[None]:
        """Note Ctrl-C for interrupted(), so that the processes save and stop together."""
        return nullcontext()

    def interrupted(self) -> bool:
        """True where Ctrl-C was noted since the last call."""
        return False

    def parallel(self, net: nn.Module, batch: int) -> nn.Module:
        """The net as all processes train it together. batch: of all of them."""
        return net

    def check_same(self, *facts: object) -> None:
        """Raise ValueError, in all processes, where one has other facts than the first one."""


ALONE = Alone()
