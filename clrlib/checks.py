"""Checks of what a caller hands in: each returns the clean value or raises one sentence that says what to do."""

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np

INT64 = 2**63 - 1
LARGEST = 2**53  # whole numbers up to here are exact as floats, and their doubles fit 64 bits


def clean(value: Any, **fields: Callable[[str, Any], Any]) -> None:
    """Replace fields of a frozen dataclass by their checked, plain Python values."""
    for name, check in fields.items():
        object.__setattr__(value, name, check(name, getattr(value, name)))


def real(name: str, value: Any) -> float:
    """A finite number as a float."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {value!r}; give it as a float")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} is {value!r}; give a finite number")
    return number


def rate(name: str, value: Any) -> float:
    """A learning rate: finite and not negative."""
    number = real(name, value)
    if number < 0:
        raise ValueError(f"{name} is {value!r}; a learning rate must be 0 or more")
    return number


def factor(name: str, value: Any) -> float:
    """A decay factor in (0, 1]."""
    number = real(name, value)
    if not 0 < number <= 1:
        raise ValueError(f"{name} is {value!r}; give a factor above 0 and up to 1")
    return number


def divisor(name: str, value: Any) -> float:
    """A number above 0."""
    number = real(name, value)
    if number <= 0:
        raise ValueError(f"{name} is {value!r}; give a number above 0")
    return number


def count(name: str, value: Any, least: int = 1) -> int:
    """A whole number of iterations; 2000.0 counts as whole."""
    number = real(name, value)
    if number != int(number) or not least <= number < LARGEST:
        raise ValueError(f"{name} is {value!r}; give a whole number of iterations, {least} or more")
    return int(value)


def bounds(base: float, top: float, kind: str = "lr") -> None:
    """base_lr may not lie above max_lr, nor base_momentum above max_momentum."""
    if base > top:
        raise ValueError(f"base_{kind} {base!r} is above max_{kind} {top!r}; give the lower bound as base_{kind}")


def iteration(t: Any) -> int:
    """An iteration: a whole number, 0 or more, of an integer type."""
    if type(t) is not int and (isinstance(t, (bool, np.bool_)) or not isinstance(t, Integral)):
        raise TypeError(f"iteration {t!r} is a {type(t).__name__}; give an int, 0 or more")
    if t < 0:
        raise ValueError(f"iteration {t!r} is negative; the first iteration is 0")
    if int(t) > INT64:
        raise ValueError(f"iteration {t!r} does not fit 64 bits; give a smaller one")
    return int(t)


def iteration_array(t: np.ndarray) -> np.ndarray:
    """An array of iterations, as int64."""
    if not np.issubdtype(t.dtype, np.integer):
        raise TypeError(f"iterations of dtype {t.dtype}; give an array of integers, 0 or more")
    if t.size and t.min() < 0:
        raise ValueError(f"iteration {t.min()} is negative; the first iteration is 0")
    if t.size and t.max() > INT64:
        raise ValueError(f"iteration {t.max()} does not fit 64 bits; give a smaller one")
    return t.astype(np.int64)
