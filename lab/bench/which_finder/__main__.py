"""`python -m lab.bench.which_finder TASKS`: fill in the missing records, then write the page and the figure."""

import argparse

import torch

from lab import files, paths
from lab.bench.which_finder import run, show, tasks
from lab.bench.which_finder.contenders import CONTENDERS


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.bench.which_finder", description=__doc__)
    parser.add_argument(
        "tasks", nargs="*", metavar="TASK", help="development, unseen, all or a task's name; none: show"
    )
    parser.add_argument(
        "--again", nargs="*", default=[], choices=CONTENDERS, help="make these contenders' records anew"
    )
    options = parser.parse_args(arguments)
    chosen = tasks.named(options.tasks)
    torch.set_num_threads(1)
    with files.alone(paths.lock("which_finder", paths.finder_records("all").parent), "running the finders"):
        run.forget(chosen, options.again)
        run.fill(chosen)
        show.publish()


if __name__ == "__main__":
    main()
