"""Command line of the lab, which the Makefile calls."""

import argparse
import math
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

try:
    from lab import experiments
    from lab.cli import check, choose, reproduce
    from lab.data.folders import expanded
    from lab.data.image_sets import DataError
    from lab.errors import sentence
    from lab.experiments import Experiment
    from lab.show import notebook
    from lab.sweep import processes
    from lab.training.device import pick_device, pick_precision
except ModuleNotFoundError as missing:  # installed is the library alone
    sys.exit(f"error: the lab needs {missing.name} too, which is not installed; call `make setup` in a clone")

if TYPE_CHECKING:
    from lab.sweep.dask import Cluster

MOST_SEEDS = 1000


def main(arguments: list[str] | None = None) -> int:
    """Run one command. An error that a user can fix is one sentence on stderr and exit code 1."""
    try:
        options = _options(sys.argv[1:] if arguments is None else arguments)
        if (named := os.environ.get("CLRLIB_DATA")) and named != "digits":
            os.environ["CLRLIB_DATA"] = str(expanded(named).absolute())  # notebooks run in another folder
        with processes.joined():
            _run(options)
    except (DataError, ValueError, RuntimeError, OSError, MemoryError) as error:
        if os.environ.get("CLRLIB_TRACEBACK"):
            raise
        print(f"error: {sentence(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 0


class _Parser(argparse.ArgumentParser):
    """A parser that reports wrong arguments in one sentence, without usage, and allows no abbreviated options."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise ValueError(message if ";" in message else f"{message}; see `{self.prog} --help`")


def _options(arguments: list[str]) -> argparse.Namespace:
    """The options of a command line. Raises ValueError for one given twice, where argparse would drop the first."""
    names = [text.split("=")[0] for text in arguments if text.startswith("--")]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"{twice[0]} is given twice; give it once")
    return _parser().parse_args(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m lab.cli", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("check", "say what is here and what to fix"),
        ("data", "get the data and say what was found"),
        ("train", "train every run of a profile that is missing"),
        ("notebooks", "execute every notebook with papermill"),
        ("reproduce", "train, notebooks, figures, and the table paper / published / yours"),
        ("figures", "redraw figures/ from results/ and write the tables"),
        ("choose", "write down what the validation split chooses"),
        ("publish", "train the paper profile and publish records, table, figures and notebooks"),
    ):
        command = commands.add_parser(name, help=text)
        if name in ("check", "choose"):
            continue
        profiles = ("paper",) if name in ("publish", "figures") else ("auto", "smoke", "quick", "laptop", "paper")
        command.add_argument("--profile", choices=profiles, default=profiles[0])
        command.add_argument("--seeds", type=_seeds, default=None, help="seeds 0 .. N-1 of every row")
        if name in ("data", "train", "reproduce", "publish"):
            command.add_argument("--rows", default="", help="only these rows, such as fixed,clr-table2")
            command.add_argument("--budget", type=_seconds, default=None, help="stop training after 90s, 25m or 3h")
        if name in ("train", "reproduce", "publish"):
            command.add_argument("--engine", choices=("local", "dask"), default="local", help="what trains")
            command.add_argument("--scheduler", default="", help="address of the Dask scheduler, as tcp://host:8786")
        command.add_argument("--jobs", type=_jobs, default=None, help="runs side by side, or auto")
    return parser


def _run(options: argparse.Namespace) -> None:
    several = options.command != "train" or (options.jobs or 1) > 1 or options.engine != "local"
    if processes.here().size > 1 and several:
        jobs = f" --jobs {options.jobs}" if options.jobs else ""
        raise ValueError(f"torchrun is for one training at a time, not for {options.command}{jobs}; give train alone")
    if options.command == "check":
        check.report()
        return
    if options.command == "choose":
        choose.choose()
        return
    if getattr(options, "engine", "local") == "local":
        if getattr(options, "scheduler", ""):
            raise ValueError(f"scheduler is {options.scheduler!r}, but the engine is local; give ENGINE=dask too")
        _command(options, None)
        return
    if not options.scheduler:
        raise ValueError("engine is dask without a scheduler; give its address too, as SCHEDULER=tcp://host:8786")
    if options.budget or options.jobs:
        raise ValueError("BUDGET and JOBS are for this machine alone; leave them out with ENGINE=dask")
    from lab.sweep.dask import Cluster  # here: it takes a second to import

    with Cluster(options.scheduler) as cluster:
        _command(options, cluster)


def _command(options: argparse.Namespace, cluster: "Cluster | None") -> None:
    pick_precision()  # a wrong one is refused before any data are fetched
    where = cluster.machine() if cluster else pick_device()
    on_gpu = where.type == "cuda"
    profile = options.profile if options.profile != "auto" else "paper" if on_gpu else "quick"
    seeds = options.seeds or (5 if on_gpu and profile == "paper" else 1)
    rows = _rows(getattr(options, "rows", ""))  # the same of a wrong row
    match options.command:
        case "data":
            notebook.data_for(profile, download=True)
        case "train":
            reproduce.train(
                reproduce.for_the_data(profile), seeds, options.jobs, options.budget, rows=rows, cluster=cluster
            )
        case "notebooks":
            with reproduce.showing(profile):
                reproduce.execute_all(profile)
        case "reproduce":
            reproduce.reproduce(
                reproduce.for_the_data(profile), seeds, options.jobs, options.budget, rows=rows, cluster=cluster
            )
        case "figures":
            reproduce.draw_published()
            reproduce.write_tables()
        case "publish":
            reproduce.publish(seeds, options.jobs, options.budget, rows=rows, cluster=cluster)


def _rows(names: str) -> tuple[Experiment, ...]:
    return experiments.named([name.strip() for name in names.split(",")]) if names else experiments.CATALOGUE


def _seeds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_SEEDS:
        how = f"give a count from 1 to {MOST_SEEDS:,}; 3 runs seeds 0, 1, 2"
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seeds; {how}")
    return int(text)


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
    if text != "auto" and (not text.isdecimal() or int(text) < 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of runs; give 1 or more, or auto")
    return None if text == "auto" else int(text)


if __name__ == "__main__":
    sys.exit(main())
