"""Policy, the base of every learning-rate schedule; policies put together; any function as a policy."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, overload

import numpy as np
import torch

from clrlib import _checks as checks


class Policy(ABC):
    """A learning rate as a function of the iteration: lr = policy(t).

    policy(int) gives a float; an integer numpy array or torch tensor of any shape gives a float64 array or tensor
    of that shape (on MPS, which has no float64, a float32 tensor). A policy may give 0: that step trains nothing.
    Raises TypeError for a boolean or float t, ValueError for a negative one.

    >>> class Halving(Policy):
    ...     def rate(self, t):
    ...         return 0.1 * 0.5**t
    >>> Halving()(2), Halving()(np.arange(3))
    (0.025, array([0.1  , 0.05 , 0.025]))
    """

    def __post_init__(self) -> None:
        """Check each field of type Annotated[..., check] by check(name, value), and keep what that returns."""
        types = {one.name: one.type for one in fields(self)}  # type: ignore[arg-type]
        for name, kind in types.items():
            for check in filter(callable, getattr(kind, "__metadata__", ())):
                object.__setattr__(self, name, check(name, getattr(self, name)))
        if checks.Base in types.values():
            checks.ordered(vars(self)["base_lr"], vars(self)["max_lr"])

    @abstractmethod
    def rate(self, t: int) -> float:
        """The formula alone, for one iteration, a Python int of 0 or more."""

    @overload
    def __call__(self, t: int) -> float: ...
    @overload
    def __call__(self, t: np.ndarray) -> np.ndarray: ...
    @overload
    def __call__(self, t: torch.Tensor) -> torch.Tensor: ...
    def __call__(self, t: int | np.ndarray | torch.Tensor) -> float | np.ndarray | torch.Tensor:
        if isinstance(t, torch.Tensor):
            # a meta tensor has a shape and no values
            on_cpu = torch.zeros_like(t, device="cpu") if t.is_meta else t.detach().cpu()
            rates = torch.from_numpy(self(on_cpu.numpy()))
            return rates.to(t.device, torch.float32 if t.device.type == "mps" else torch.float64)
        checked = checks.iterations(t)
        if isinstance(checked, np.ndarray):
            values = [self.rate(one) for one in checked.ravel().tolist()]
            return np.array(values, dtype=np.float64).reshape(checked.shape)
        return float(self.rate(checked))

    def cycle_end_at_or_after(self, t: int) -> int:
        """The first iteration at or after t where no cycle is under way: where to stop. Without cycles t itself."""
        return int(checks.iterations(t))

    def then(self, policy: "Policy", after: int) -> "Stages":
        """This policy for `after` iterations, then another from its own start: Stages((after, self), (1, policy))."""
        return Stages((after, self), (1, policy))

    def repeat(self, every: int) -> "Repeat":
        """The first `every` iterations of this policy, again and again: Repeat(self, every)."""
        return Repeat(self, every)


def _function(name: str, value: Any) -> Any:
    """A function of the iteration, or a policy: anything that can be called, but for a class."""
    if not callable(value) or isinstance(value, type):
        needed = "give a clrlib policy, such as Triangular(0.001, 0.006, 2000), or a function of the iteration"
        raise TypeError(f"{name} is {value!r}; {needed}")
    return value


def as_policy(name: str, value: Any) -> Policy:
    """A policy as it is, any other callable as a `Function`."""
    return value if isinstance(value, Policy) else Function(_function(name, value))


@dataclass(frozen=True)
class Stages(Policy):
    """Policies one after the other: the paper's table 2, where the cycle starts again with each stage.

    policy(t) = policy_k(t - start_k) for the stage k that holds t, start_k = sum of the iterations before it; past
    the end the last stage's policy goes on. With restart=False the stages count on, policy(t) = policy_k(t): bounds
    that drop while the cycle goes its way (section 4.1.2). stages: pairs of (iterations, policy).
    Raises ValueError for no stages or iterations below 1, TypeError for a stage that is not such a pair.

    >>> from clrlib import Triangular2
    >>> policy = Stages((16_000, Triangular2(0.001, 0.005, 2000)), (6_000, Triangular2(0.0001, 0.0005, 1000)))
    >>> [policy(t) for t in (2000, 15_999, 16_000, 17_000)]
    [0.005, 0.00100025, 0.0001, 0.0005]
    """

    stages: tuple[tuple[int, Policy], ...]
    restart: bool = True

    def __init__(self, *stages: tuple[int, Policy], restart: bool = True) -> None:
        if not stages:
            raise ValueError("Stages() is empty; give at least one (iterations, policy) pair")
        object.__setattr__(self, "stages", tuple(_stage(k, stage) for k, stage in enumerate(stages)))
        object.__setattr__(self, "restart", bool(restart))

    def __repr__(self) -> str:
        arguments = [repr(stage) for stage in self.stages] + ([] if self.restart else ["restart=False"])
        return f"Stages({', '.join(arguments)})"

    def _spans(self) -> Iterator[tuple[int, float, Policy]]:
        """First iteration, end and policy of each stage; the last has no end."""
        start = 0
        for iterations, policy in self.stages[:-1]:
            yield start, start + iterations, policy
            start += iterations
        yield start, math.inf, self.stages[-1][1]

    def rate(self, t: int) -> float:
        start, policy = next((start, policy) for start, end, policy in self._spans() if t < end)
        return policy.rate(t - start if self.restart else t)

    def cycle_end_at_or_after(self, t: int) -> int:
        t = checks.iterations(t)
        for start, end, policy in self._spans():
            shift = start * self.restart
            at = shift + policy.cycle_end_at_or_after(max(t, start) - shift)
            if t <= end and (at <= end or self.restart):  # the next stage begins a cycle of its own
                break
        return int(min(at, end))


def _stage(k: int, stage: Any) -> tuple[int, Policy]:
    if not (isinstance(stage, tuple) and len(stage) == 2 and callable(stage[1])):
        raise TypeError(f"stage {k} is {stage!r}; give a pair (iterations, policy)")
    return checks.count(f"iterations of stage {k}", stage[0]), as_policy(f"policy of stage {k}", stage[1])


@dataclass(frozen=True)
class Repeat(Policy):
    """The beginning of a policy, again and again: Repeat(policy, every)(t) = policy(t mod every).

    every: iterations of one round. Raises ValueError for one below 1, TypeError for something that is not a policy.

    >>> from clrlib import Fixed, LinearDecay
    >>> policy = Fixed(0.2).then(LinearDecay(max_lr=0.2, base_lr=0.0, steps=2), after=1).repeat(every=4)
    >>> [policy(t) for t in range(8)]
    [0.2, 0.2, 0.1, 0.0, 0.2, 0.2, 0.1, 0.0]
    """

    policy: Annotated[Policy, as_policy]
    every: checks.Count

    def rate(self, t: int) -> float:
        return self.policy.rate(t % self.every)

    def cycle_end_at_or_after(self, t: int) -> int:
        if self.policy.cycle_end_at_or_after(1) == 1:  # no cycles but the rounds
            return next_multiple(t, self.every)
        start = max(0, checks.iterations(t) - 1) // self.every * self.every
        return int(start + min(self.policy.cycle_end_at_or_after(t - start), self.every))


@dataclass(frozen=True)
class Function(Policy):
    """Any function of the iteration as a policy: policy(t) = function(t), called with one iteration (an int) at a time.

    name: stands for the function in the repr and in saved states; by default the name that it was defined with.
    Raises ValueError at an iteration where the function gives a number that is not a rate, TypeError for no number.

    >>> policy = Function(lambda t: 0.1 / (1 + t), name="one over t")
    >>> policy, policy(3)
    (Function(name='one over t'), 0.025)
    """

    function: Annotated[Callable[[int], float], _function] = field(repr=False)
    name: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        name = self.name or getattr(self.function, "__qualname__", f"<{type(self.function).__name__} object>")
        object.__setattr__(self, "name", name)

    def rate(self, t: int) -> float:
        return checks.rate(f"{self.name} at iteration {t}", self.function(t))


def next_multiple(t: int, length: int) -> int:
    """The first k * length at or after t, k >= 1."""
    return max(1, -(-int(checks.iterations(t)) // length)) * length
