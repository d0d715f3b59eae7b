"""What was chosen on the validation split: results/choices.json, written by `make choose` and by nobody's hand.

The file is one JSON object, name -> {"value": what was chosen, "from": [names of the records it was chosen from]}.
"""

import json
from typing import Any

from clrlib.lab.paths import CHOICES

FILE = CHOICES


def read() -> dict[str, Any]:
    """All choices by name, none where there is no file yet. Raises ValueError for a file that is not as above."""
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
    found: dict[str, Any] = choices
    return found


def rate(name: str) -> float | None:
    """The learning rate that was chosen under a name, None where it was not chosen yet."""
    if name not in (choices := read()):
        return None
    value = choices[name]["value"]
    if type(value) is not float or not 0 < value < 1:
        raise ValueError(f"{FILE}: {name} is {value!r}, no learning rate; delete it and call `make choose`")
    return value
