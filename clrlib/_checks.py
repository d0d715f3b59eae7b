"""Checks of arguments: each returns the clean value or raises one sentence that says what to do."""

import math
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import pairwise
from numbers import Real
from typing import Annotated, Any

import numpy as np

INT64 = 2**63 - 1
LARGEST = 2**53  # whole numbers up to here are exact as floats, and their doubles fit 64 bits


def number(name: str, value: Any, fits: Callable[[float], bool] = math.isfinite, advice: str = "") -> float:
    """A finite number that fits, as a float."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {value!r}; give it as a float")
    plain = math.inf
    with suppress(OverflowError):  # of an int beyond all floats
        plain = float(value)
    if not math.isfinite(plain):
        raise ValueError(f"{name} is {value!r}; give a finite number")
    if not fits(plain):
        raise ValueError(f"{name} is {value!r}; {advice}")
    return plain


learning_rate = partial(number, fits=lambda x: x >= 0, advice="a learning rate must be 0 or more")
factor = partial(number, fits=lambda x: 0 < x <= 1, advice="give a factor above 0 and up to 1")
share = partial(number, fits=lambda x: 0 <= x <= 1, advice="give a share, from 0 to 1")
divisor = partial(number, fits=lambda x: x > 0, advice="give a number above 0")


def count(name: str, value: Any, least: int = 1, of: str = " of iterations") -> int:
    """A whole number, at least `least`; 2000.0 counts as whole."""
    advice = f"give a whole number{of}, {least} or more"
    number(name, value, lambda x: x.is_integer() and least <= x < LARGEST, advice)
    return int(value)


def policy_rate(name: str, value: Any) -> float:
    """The rate of a policy; several, one for each parameter group, are several policies."""
    if isinstance(value, (list, tuple)):
        raise TypeError(f"{name} is {value!r}; give one rate, and ScheduleLR a list of policies, one for each group")
    return learning_rate(name, value)


def ordered(low: float, high: float, kind: str = "lr") -> None:
    """Refuse a base_lr above max_lr, or a base_momentum above max_momentum."""
    if low > high:
        raise ValueError(f"base_{kind} {low!r} is above max_{kind} {high!r}; give the lower bound as base_{kind}")


def one_of(name: str, value: Any, choices: tuple[str, ...]) -> Any:
    """One of the choices."""
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; give " + " or ".join(f'"{choice}"' for choice in choices))
    return value


def iterations(t: Any) -> Any:
    """Iterations, 0 or more: a Python int, or an array as int64."""
    values = np.asarray(t)
    if values.dtype.kind not in "iu" or isinstance(t, (list, tuple)):
        raise TypeError(f"iteration {t!r} is a {type(t).__name__}; give an int, 0 or more, or an array of them")
    if values.min(initial=0) < 0:
        raise ValueError(f"iteration {values.min()} is negative; the first iteration is 0")
    if values.max(initial=0) > INT64:
        raise ValueError(f"iteration {values.max()} does not fit 64 bits; give a smaller one")
    return values.astype(np.int64) if isinstance(t, np.ndarray) else int(t)


def milestones(name: str, value: Any, least: int = 1) -> tuple[int, ...]:
    """Rising iterations."""
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{name} is {value!r}; give a tuple of iterations, such as (60_000, 65_000)")
    clean = tuple(count(f"{name}[{i}]", m, least) for i, m in enumerate(value))
    if any(later <= earlier for earlier, later in pairwise(clean)):
        raise ValueError(f"{name} {clean} do not rise; give each iteration once, in rising order")
    return clean


def knots(name: str, value: Any) -> tuple[tuple[int, float], ...]:
    """Pairs of an iteration and a rate; the first at 0, the iterations rise."""
    if not (isinstance(value, (tuple, list)) and all(isinstance(k, (tuple, list)) and len(k) == 2 for k in value)):
        raise TypeError(f"{name} is {value!r}; give pairs (iteration, rate), such as ((0, 0.001), (100, 0.005))")
    times = milestones(f"iterations of {name}", [t for t, _ in value], least=0)
    if times[:1] != (0,):
        raise ValueError(f"{name} {value!r} must begin at iteration 0; give the first rate there")
    rates = [learning_rate(f"rate of {name}[{i}]", lr) for i, (_, lr) in enumerate(value)]
    return tuple(zip(times, rates, strict=True))


# What a field of a policy holds, and its check
Number = Annotated[float, number]
MaybeNumber = Annotated[float | None, lambda name, value: None if value is None else number(name, value)]
Rate = Annotated[float, policy_rate]
Base = Annotated[float, policy_rate]  # not above the policy's max_lr
Factor = Annotated[float, factor]
Count = Annotated[int, count]
Times = Annotated[int, partial(count, of="")]
Milestones = Annotated[tuple[int, ...], milestones]
Knots = Annotated[tuple[tuple[int, float], ...], knots]
Decay = Annotated[str, partial(one_of, choices=("bounds", "amplitude"))]
Anneal = Annotated[str, partial(one_of, choices=("cos", "linear"))]
