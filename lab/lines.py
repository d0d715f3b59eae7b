"""Printed lines, unbuffered, with durations in words."""

from collections.abc import Callable
from functools import partial

SECONDS_BETWEEN_LINES = 15.0
Say = Callable[[str], None]
say: Say = partial(print, flush=True)  # a log shows a line when it is written


def duration(seconds: float) -> str:
    """A duration in hours, minutes or seconds.

    >>> duration(42), duration(200), duration(4000)
    ('42 s', '3 min', '1 h 07 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
