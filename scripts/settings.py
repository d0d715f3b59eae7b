"""Refuse a wrong setting of the Makefile, or call the lab with the settings.

    python3 scripts/settings.py                     # before anything is installed or downloaded
    python3 scripts/settings.py reproduce           # .venv/bin/python -m lab.cli reproduce --profile auto ...
    python3 scripts/settings.py -m jupyterlab ...   # .venv/bin/python -m jupyterlab ..., with DATA= and the like

Reads the settings from the environment, where make puts them. The check needs no environment of its own: `make setup`
comes after it. The names of rows are those of docs/rows.md while there is no .venv; later the lab itself knows them.
"""

import os
import re
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

COUNT = (r"[1-9]\d*", "a whole number, 1 or more")
ALLOWED = {  # setting: what it may be, and that in words
    "PROFILE": ("auto|smoke|quick|laptop|paper", "auto, smoke, quick, laptop or paper"),
    "SEEDS": COUNT,
    "JOBS": (rf"auto|{COUNT[0]}", f"auto or {COUNT[1]}"),
    "BUDGET": (r"(?=.*[1-9])(\d+|\d*\.\d+)[smh]", "a time such as 90s, 25m or 3h"),
    "DEVICE": ("cpu|cuda", "cpu or cuda"),
    "PRECISION": ("float32|bfloat16", "float32 or bfloat16"),
    "ENGINE": ("local|dask", "local or dask"),
    "TORCH": ("cpu|cuda", "cpu or cuda"),
}
OPTIONS = ("PROFILE", "JOBS", "SEEDS", "BUDGET", "ROWS", "ENGINE", "SCHEDULER")  # of the lab's command line
VARIABLES = ("DATA", "DEVICE", "PRECISION")  # which the lab reads as CLRLIB_DATA and so on
KNOWN = (*OPTIONS, *VARIABLES, "PYTHON", "TORCH", "LAB_OPTIONS", "TESTS", "PY", "SHELL")


def fault(settings: Mapping[str, str], rows: set[str]) -> str:
    """Name what is wrong with the settings, in one sentence; "" if all is well. rows: the names that ROWS may have.

    >>> fault({"SEEDS": "3", "ROWS": "fixed, exp"}, {"fixed", "exp"})
    ''
    >>> fault({"BUDGET": "soon"}, set())
    "BUDGET is 'soon'; give a time such as 90s, 25m or 3h"
    >>> fault({"ROWS": "fixd"}, {"fixed"})
    "ROWS names 'fixd', which is no row; did you mean fixed? docs/rows.md lists every row"
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
    if not unknown:
        return ""
    near = get_close_matches(unknown[0], sorted(rows))
    fix = f"did you mean {' or '.join(near)}? " if near else ""
    return f"ROWS names {unknown[0]!r}, which is no row; {fix}docs/rows.md lists every row"


def misspelt(flags: str) -> str:
    """Name the first unknown setting typed after `make`; "" if all are known. flags: MAKEFLAGS, spaces escaped.

    >>> misspelt(r"s -- DATA=/my\\ data/X=1 SEEDS=3"), misspelt("-- BUGDET=2m")
    ('', 'BUGDET is not a setting; `make help` lists them')
    """
    _, _, typed = f" {flags}".partition(" -- ")
    names = re.findall(r"(?<!\\)(?:^|(?<= ))([^\s=]+?):?=", re.sub(r"\\.", "_", typed))
    unknown = [name for name in names if name not in KNOWN]
    return f"{unknown[0]} is not a setting; `make help` lists them" if unknown else ""


def arguments(command: str, settings: Mapping[str, str]) -> list[str]:
    """Give the lab's command line.

    >>> arguments("data", {"ROWS": "fixed, exp"})
    ['data', '--profile', 'auto', '--jobs', 'auto', '--rows', 'fixed, exp']
    """
    defaults = {"PROFILE": "paper" if command == "publish" else "auto", "JOBS": "auto"}
    given = {name: settings.get(name) or defaults.get(name, "") for name in OPTIONS}
    if command == "data":
        given |= {"ENGINE": "", "SCHEDULER": ""}  # fetched by this machine, whatever trains
    return [command, *(part for name, value in given.items() if value for part in (f"--{name.lower()}", value))]


def variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Give the lab's environment: each of VARIABLES that is set, a folder made absolute. The lab expands ~ itself.

    >>> variables({"DATA": "digits", "DEVICE": "cpu", "PRECISION": ""})
    {'CLRLIB_DATA': 'digits', 'CLRLIB_DEVICE': 'cpu'}
    """
    given = {f"CLRLIB_{name}": settings[name] for name in VARIABLES if settings.get(name)}
    if (data := given.get("CLRLIB_DATA", "digits")) != "digits" and not data.startswith("~"):
        given["CLRLIB_DATA"] = str(Path(data).absolute())
    return given


def listed_rows() -> set[str]:
    """List the names on docs/rows.md; none where there is an environment, since the lab then knows newer ones too."""
    if Path(".venv/done").exists():
        return set()
    return set(re.findall(r"^\| `(.+?)` \|", Path("docs/rows.md").read_text(encoding="utf-8"), re.MULTILINE))


def main(*words: str) -> None:
    if not words:
        if wrong := misspelt(os.environ.get("MAKEFLAGS", "")) or fault(os.environ, listed_rows()):
            sys.exit(f"error: {wrong}")
        return
    python = os.environ.get("PY") or ".venv/bin/python"
    called = words if words[0] == "-m" else ("-m", "lab.cli", *arguments(words[0], os.environ))
    os.execve(python, [python, *called], {**os.environ, **variables(os.environ)})


if __name__ == "__main__":
    main(*sys.argv[1:])
