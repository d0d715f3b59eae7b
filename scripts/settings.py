"""Refuse a wrong setting of the Makefile before anything is installed or downloaded.

    python3 scripts/settings.py

Reads the settings from the environment, where make puts them. Needs no environment of its own: `make setup` comes
after it. The names of rows are those of docs/rows.md while there is no .venv; later the lab itself knows them.
"""

import os
import re
import sys
from pathlib import Path

COUNT = (r"[1-9]\d*", "a whole number, 1 or more")
ALLOWED = {  # setting: what it may be, and that in words
    "PROFILE": ("auto|smoke|quick|paper", "auto, smoke, quick or paper"),
    "SEEDS": COUNT,
    "JOBS": (rf"auto|{COUNT[0]}", f"auto or {COUNT[1]}"),
    "BUDGET": (r"(?=.*[1-9])(\d+|\d*\.\d+)[smh]", "a time such as 90s, 25m or 3h"),
    "DEVICE": ("cpu|cuda", "cpu or cuda"),
    "PRECISION": ("float32|bfloat16", "float32 or bfloat16"),
    "ENGINE": ("local|dask", "local or dask"),
}


def fault(settings: dict[str, str], rows: set[str]) -> str:
    """What is wrong with the settings, in one sentence; nothing if all is well. rows: the names that ROWS may have.

    >>> fault({"SEEDS": "3", "ROWS": "fixed, exp"}, {"fixed", "exp"})
    ''
    >>> fault({"BUDGET": "soon"}, set())
    "BUDGET is 'soon'; give a time such as 90s, 25m or 3h"
    >>> fault({"ROWS": "fixd"}, {"fixed"})
    "ROWS names 'fixd', which is no row; docs/rows.md lists them"
    """
    for name, (pattern, words) in ALLOWED.items():
        value = settings.get(name, "")
        if value and not re.fullmatch(pattern, value):
            return f"{name} is {value!r}; give {words}"
    if settings.get("ENGINE") == "dask":
        if not settings.get("SCHEDULER"):
            return "ENGINE is 'dask' without a scheduler; give its address too, as SCHEDULER=tcp://host:8786"
        if settings.get("BUDGET") or settings.get("JOBS", "auto") != "auto":
            return "BUDGET and JOBS are for this machine alone; leave them out with ENGINE=dask"
    named = settings.get("ROWS", "")
    unknown = [row.strip() for row in named.split(",") if named and rows and row.strip() not in rows]
    return f"ROWS names {unknown[0]!r}, which is no row; docs/rows.md lists them" if unknown else ""


def listed_rows() -> set[str]:
    """The names on docs/rows.md; none where there is an environment, since the lab then knows newer ones too."""
    if Path(".venv/done").exists():
        return set()
    return set(re.findall(r"^\| `(.+?)` \|", Path("docs/rows.md").read_text(encoding="utf-8"), re.MULTILINE))


if __name__ == "__main__":
    if wrong := fault(dict(os.environ), listed_rows()):
        sys.exit(f"error: {wrong}")
