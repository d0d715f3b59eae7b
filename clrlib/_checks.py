"""Check arguments: each function returns the clean value, or raises one sentence that says what to do."""

import math
from collections.abc import Callable
from functools import partial
from numbers import Real
from typing import Annotated, Any

import numpy as np

LARGEST = 2**53  # whole numbers up to here are exact as floats, and their doubles fit 64 bits


def number(name: str, value: Any, fits: Callable[[float], bool] = math.isfinite, advice: str = "") -> float:
    """A finite number that fits, as a float."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        several = "one, and ScheduleLR a list of policies for several groups"
        advice = several if isinstance(value, (list, tuple)) else "it as a float"
        raise TypeError(f"{name} must be a number, not {value!r}; give {advice}")
    try:
        plain = float(value)
    except OverflowError:  # an int beyond all floats
        plain = math.inf
    if not (math.isfinite(plain) and fits(plain)):
        raise ValueError(f"{name} is {value!r}; {advice if math.isfinite(plain) else 'give a finite number'}")
    return plain


rate = partial(number, fits=lambda x: x >= 0, advice="a learning rate must be 0 or more")
factor = partial(number, fits=lambda x: 0 < x <= 1, advice="give a factor above 0 and up to 1")
share = partial(number, fits=lambda x: 0 <= x <= 1, advice="give a share, from 0 to 1")
divisor = partial(number, fits=lambda x: x > 0, advice="give a number above 0")


def count(name: str, value: Any, least: int = 1) -> int:
    """A whole number, at least `least`; 2000.0 counts as whole."""
    number(name, value, lambda x: x.is_integer() and least <= x < LARGEST, f"give a whole number, {least} or more")
    return int(value)


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
    """Iterations, 0 or more: a Python int, or an array of whole numbers."""
    values = np.asarray(t)
    if values.dtype.kind not in "iu" or isinstance(t, (list, tuple)):
        raise TypeError(f"iteration {t!r} is a {type(t).__name__}; give an int, 0 or more, or an array of them")
    if values.min(initial=0) < 0:
        raise ValueError(f"iteration {values.min()} is negative; the first iteration is 0")
    return t if isinstance(t, np.ndarray) else int(t)


def milestones(name: str, value: Any, least: int = 1) -> tuple[int, ...]:
    """Rising iterations."""
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{name} is {value!r}; give a tuple of iterations, such as (60_000, 65_000)")
    clean = tuple(count(f"{name}[{i}]", m, least) for i, m in enumerate(value))
    if [*clean] != sorted(set(clean)):
        raise ValueError(f"{name} {clean} do not rise; give each iteration once, in rising order")
    return clean


def knots(name: str, value: Any) -> tuple[tuple[int, float], ...]:
    """Pairs of an iteration and a rate; the first at 0, the iterations rise."""
    if not (isinstance(value, (tuple, list)) and all(isinstance(k, (tuple, list)) and len(k) == 2 for k in value)):
        raise TypeError(f"{name} is {value!r}; give pairs (iteration, rate), such as ((0, 0.001), (100, 0.005))")
    times = milestones(f"iterations of {name}", [t for t, _ in value], least=0)
    if times[:1] != (0,):
        raise ValueError(f"{name} {value!r} must begin at iteration 0; give the first rate there")
    return tuple((t, rate(f"rate of {name}[{i}]", lr)) for i, (t, (_, lr)) in enumerate(zip(times, value, strict=True)))


# The types of a policy's fields: each holds its check, which `Policy` calls
Number = Annotated[float, number]
MaybeNumber = Annotated[float | None, lambda name, value: None if value is None else number(name, value)]
Rate = Annotated[float, rate]
Base = Annotated[float, rate, "not above the policy's max_lr"]
Factor = Annotated[float, factor]
Count = Annotated[int, count]
Milestones = Annotated[tuple[int, ...], milestones]
Knots = Annotated[tuple[tuple[int, float], ...], knots]
Decay = Annotated[str, partial(one_of, choices=("bounds", "amplitude"))]
Anneal = Annotated[str, partial(one_of, choices=("cos", "linear"))]
