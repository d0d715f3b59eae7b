"""Choices made from records: results/choices.json, written by `make choose` alone.

The file is one JSON object, name -> {"value": what was chosen, "from": [names of the records it was chosen from]}.
"""

import json
from typing import Any

from lab.paths import CHOICES

FILE = CHOICES


def read() -> dict[str, Any]:
    """All choices by name, {} without the file. Raises ValueError for a file of another form."""
    try:
        text = FILE.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    try:
        choices = json.loads(text)
        whole = all(choice.keys() == {"value", "from"} and choice["from"] for choice in choices.values())
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"{FILE} is not a file of choices ({error}); delete it and call `make choose`") from error
    if not whole:
        raise ValueError(f"{FILE} has a choice without value and records; delete it and call `make choose`")
    by_name: dict[str, Any] = choices
    return by_name


def rate(name: str) -> float | None:
    """The learning rate chosen under a name, or None if it is not chosen yet."""
    if name not in (choices := read()):
        return None
    value = choices[name]["value"]
    if not _is_rate(value):
        raise ValueError(f"{FILE}: {name} is {value!r}, no learning rate; delete it and call `make choose`")
    return float(value)


def bounds(name: str) -> tuple[float, float] | None:
    """The bounds (base_lr, max_lr) chosen under a name, or None if they are not chosen yet."""
    if name not in (choices := read()):
        return None
    value = choices[name]["value"]
    if not isinstance(value, list) or len(value) != 2 or not all(map(_is_rate, value)) or value[0] >= value[1]:
        raise ValueError(f"{FILE}: {name} is {value!r}, no bounds; delete it and call `make choose`")
    return value[0], value[1]


def _is_rate(value: Any) -> bool:
    return type(value) is float and 0 < value < 10
