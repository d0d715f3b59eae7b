"""Command line of the lab: what the Makefile calls."""

import argparse
import math
import os
import sys
from pathlib import Path

from clrlib.lab import distributed, experiments, notebook, reproduce
from clrlib.lab.data import DataError
from clrlib.lab.device import pick_device
from clrlib.lab.experiments import Experiment


def main(arguments: list[str] | None = None) -> int:
    """Run one command; errors that a user can mend are one sentence, exit code 1."""
    options = _parser().parse_args(arguments)
    if (named := os.environ.get("CLRLIB_DATA")) and named != "digits":
        os.environ["CLRLIB_DATA"] = str(Path(named).expanduser().resolve())  # notebooks run in another folder
    try:
        with distributed.processes():
            _run(options)
    except (DataError, ValueError, RuntimeError, OSError) as error:
        if os.environ.get("CLRLIB_TRACEBACK"):
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m clrlib.lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("data", "get the data and say what was found"),
        ("train", "train every run of a profile that is missing"),
        ("notebooks", "execute every notebook with papermill"),
        ("reproduce", "train, notebooks, figures, and the table paper / published / yours"),
        ("figures", "redraw figures/ from results/"),
        ("publish", "train the paper profile and publish records, table, figures and notebooks"),
    ):
        command = commands.add_parser(name, help=text)
        profiles = ("paper",) if name in ("publish", "figures") else ("auto", "smoke", "quick", "paper")
        command.add_argument("--profile", choices=profiles, default=profiles[0])
        command.add_argument("--seeds", type=_positive, default=None, help="seeds 0 .. N-1 of every row")
        if name in ("train", "reproduce", "publish"):
            command.add_argument("--budget", type=_seconds, default=None, help="stop training after 90s, 25m or 3h")
        if name in ("train", "publish"):
            command.add_argument("--rows", default="", help="only these rows, such as fixed,clr-table2")
        command.add_argument("--jobs", type=_jobs, default=None, help="runs side by side, or auto")
    return parser


def _run(options: argparse.Namespace) -> None:
    if distributed.size() > 1 and (options.command != "train" or (options.jobs or 1) > 1):
        jobs = f" --jobs {options.jobs}" if options.jobs else ""
        raise ValueError(f"torchrun is for one training at a time, not for {options.command}{jobs}; give train alone")
    on_gpu = pick_device().type == "cuda"
    profile = options.profile if options.profile != "auto" else "paper" if on_gpu else "quick"
    seeds = options.seeds or (5 if on_gpu and profile == "paper" else 1)
    match options.command:
        case "data":
            notebook.data_for(profile, download=True)
        case "train":
            reproduce.train(profile, seeds, options.jobs, options.budget, rows=_rows(options.rows))
        case "notebooks":
            reproduce.execute_all(profile)
        case "reproduce":
            reproduce.reproduce(profile, seeds, options.jobs, options.budget)
        case "figures":
            reproduce.draw_published()
        case "publish":
            reproduce.publish(seeds, options.jobs, options.budget, rows=_rows(options.rows))


def _rows(names: str) -> tuple[Experiment, ...]:
    return experiments.named(names.split(",")) if names else experiments.CATALOGUE


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def _seconds(text: str) -> float:
    """A time such as 90s, 25m or 3h, in seconds.

    >>> _seconds("25m")
    1500.0
    """
    units = {"s": 1, "m": 60, "h": 3600}
    try:
        seconds = float(text[:-1]) * units[text[-1:]]
    except (ValueError, KeyError):
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; give one such as 90s, 25m or 3h")
    return seconds


def _jobs(text: str) -> int | None:
    return None if text == "auto" else _positive(text)


if __name__ == "__main__":
    sys.exit(main())
