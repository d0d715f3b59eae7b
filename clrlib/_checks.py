"""Checks of arguments: each returns the clean value or raises one sentence that says what to do."""

import math
from collections.abc import Callable
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

import numpy as np

INT64 = 2**63 - 1
LARGEST = 2**53  # whole numbers up to here are exact as floats, and their doubles fit 64 bits


def number(name: str, value: Any, fits: Callable[[float], bool] = math.isfinite, advice: str = "") -> float:
    """A finite number that fits, as a float."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {value!r}; give it as a float")
    try:
        plain = float(value)
    except OverflowError:
        plain = math.inf
    if not math.isfinite(plain):
        raise ValueError(f"{name} is {value!r}; give a finite number")
    if not fits(plain):
        raise ValueError(f"{name} is {value!r}; {advice}")
    return plain


def learning_rate(name: str, value: Any) -> float:
    """A finite number, 0 or more."""
    return number(name, value, lambda x: x >= 0, "a learning rate must be 0 or more")


def factor(name: str, value: Any) -> float:
    """A decay factor in (0, 1]."""
    return number(name, value, lambda x: 0 < x <= 1, "give a factor above 0 and up to 1")


def divisor(name: str, value: Any) -> float:
    """A number above 0."""
    return number(name, value, lambda x: x > 0, "give a number above 0")


def count(name: str, value: Any, least: int = 1) -> int:
    """A whole number of iterations, at least `least`; 2000.0 counts as whole."""
    advice = f"give a whole number of iterations, {least} or more"
    number(name, value, lambda x: x.is_integer() and least <= x < LARGEST, advice)
    return int(value)


def ordered(low: float, high: float, kind: str = "lr") -> None:
    """Refuse a base_lr above max_lr, or a base_momentum above max_momentum."""
    if low > high:
        raise ValueError(f"base_{kind} {low!r} is above max_{kind} {high!r}; give the lower bound as base_{kind}")


def iterations(t: Any) -> Any:
    """Iterations, 0 or more: a Python int, or an array as int64."""
    is_array = isinstance(t, np.ndarray)
    if not (t.dtype.kind in "iu" if is_array else isinstance(t, Integral) and not isinstance(t, bool)):
        kind = f"{t.dtype} array" if is_array else type(t).__name__
        raise TypeError(f"iteration {t!r} is a {kind}; give an int, 0 or more, or an array of them")
    for extreme in (t.min(initial=0), t.max(initial=0)) if is_array else (t,):
        if extreme < 0:
            raise ValueError(f"iteration {extreme} is negative; the first iteration is 0")
        if int(extreme) > INT64:
            raise ValueError(f"iteration {extreme} does not fit 64 bits; give a smaller one")
    return t.astype(np.int64) if is_array else int(t)


def milestones(name: str, value: Any) -> tuple[int, ...]:
    """Rising iterations, each 1 or more."""
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{name} is {value!r}; give a tuple of iterations, such as (60_000, 65_000)")
    clean = tuple(count(f"{name}[{i}]", m) for i, m in enumerate(value))
    if any(later <= earlier for earlier, later in pairwise(clean)):
        raise ValueError(f"{name} {clean} do not rise; give each iteration once, in rising order")
    return clean


def knots(name: str, value: Any) -> tuple[tuple[int, float], ...]:
    """Pairs of an iteration and a rate; the first at 0, the iterations rise."""
    if not (isinstance(value, (tuple, list)) and all(isinstance(k, (tuple, list)) and len(k) == 2 for k in value)):
        raise TypeError(f"{name} is {value!r}; give pairs (iteration, rate), such as ((0, 0.001), (100, 0.005))")
    clean = tuple(
        (count(f"iteration of {name}[{i}]", t, least=0), learning_rate(f"rate of {name}[{i}]", lr))
        for i, (t, lr) in enumerate(value)
    )
    if not clean or clean[0][0] != 0 or any(later <= earlier for (earlier, _), (later, _) in pairwise(clean)):
        raise ValueError(f"{name} {clean} must begin at iteration 0 and rise; give each iteration once, in order")
    return clean


# What a field of a policy holds, by the name of its type
Number = float
Rate = float
Factor = float
Count = int
Milestones = tuple[int, ...]
Knots = tuple[tuple[int, float], ...]
KINDS: dict[str, Callable[[str, Any], Any]] = {
    "Number": number,
    "Number | None": lambda name, value: None if value is None else number(name, value),
    "Rate": learning_rate,
    "Factor": factor,
    "Count": count,
    "Milestones": milestones,
    "Knots": knots,
}
