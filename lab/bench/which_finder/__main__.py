"""`python -m lab.bench.which_finder TASKS`: fill in the missing records, then write the page and the figure."""

import argparse

import torch

from lab import files, paths
from lab.bench.which_finder import run, show, tasks
from lab.bench.which_finder.contenders import CONTENDERS


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.bench.which_finder", description=__doc__)
    parser.add_argument("tasks", nargs="*", metavar="TASK", help="development, unseen, all or a name; none: show")
    parser.add_argument("--again", nargs="*", default=[], choices=CONTENDERS, help="contenders to run anew")
    options = parser.parse_args(arguments)
    chosen = tasks.named(options.tasks)
    torch.set_num_threads(1)
    for task in chosen:
        with files.alone(paths.lock(task.name, paths.records("bench")), f"running {task.name}"):
            run.forget(task, options.again)
            run.fill(task, left=chosen[chosen.index(task) + 1 :])
    show.publish()


if __name__ == "__main__":
    main()
