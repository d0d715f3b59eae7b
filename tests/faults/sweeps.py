"""`make reproduce` in small, in a separate process: four runs on the digits, a notebook, a figure.

With a stage, the process and all that it started are killed so many seconds after that stage was entered for the
so-manieth time: by SIGKILL, wherever it is then.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import papermill

from clrlib import Fixed, Triangular, Triangular2
from lab import experiments, files, paths
from lab.cli.__main__ import main
from lab.experiments.run import Run
from lab.records import checkpoints, store, trainer
from lab.records.record import Record
from lab.show import figures, plots
from lab.sweep import sweep, total
from lab.sweep.progress import Progress
from lab.training import loop

SERVER = multiprocessing.get_context("forkserver")  # imports torch and the lab once, for all processes
SERVER.set_forkserver_preload(["sweeps", "torch._dynamo", "sklearn.datasets", "scipy.stats", "seaborn", "torchvision"])
SMALL = Run("fixed", Fixed(0.001), 12, profile="smoke", data="digits", batch=10, evaluate_every=4)
RUNS = [
    SMALL,
    replace(SMALL, experiment="clr-table2", policy=Triangular2(0.001, 0.003, 3), evaluate_every=6),
    replace(SMALL, experiment="clr-table2", policy=Triangular2(0.001, 0.003, 3), evaluate_every=6, seed=1),
    replace(SMALL, experiment="decay-4000", policy=Triangular(0.001, 0.003, 5), evaluate_every=12),
]
STAGES: dict[str, tuple[object, str]] = {
    "training": (loop.Training, "step"),
    "evaluation": (loop.Training, "test_scores"),
    "checkpoint": (checkpoints, "save"),
    "half a file": (files.os, "fsync"),
    "half a figure or report": (files.os, "fsync"),  # the last files of all
    "record": (store, "save"),
    "after the record": (checkpoints, "delete"),
    "notebook": (papermill, "execute_notebook"),
    "figure": (plots, "encoded"),
}


def apart_from_timings(record: Record) -> Record:
    """The record without its timings: equal bit for bit in two trainings of one run."""
    return replace(record, seconds=0.0, iterations_per_second=None, peak_memory={})


def run(folder: Path, *death: object) -> tuple[int, str]:
    """Run it to its end in a separate process; exit code and what it printed. death: stage, call and seconds."""
    log = folder / "log.txt"
    process = start(folder, log, *death)
    process.join()
    return process.exitcode or 0, log.read_text()


def start(folder: Path, log: Path, *death: object) -> Any:
    """Start it, printing to a log."""
    return _started(_live, folder, log, *death)


def start_with_workers(folder: Path) -> Any:
    """Start it with two processes that train, neither of which gets past its first evaluation."""
    return _started(_live_with_workers, folder, folder / "log.txt")


def _started(target: Callable[..., None], *arguments: object) -> Any:
    process = SERVER.Process(target=target, args=arguments)
    process.start()
    return process


def run_two(folder: Path) -> list[tuple[int, str]]:
    """Run it twice at once, to the end; neither goes on before each trains a run. Exit codes and what they printed."""
    both, logs = SERVER.Barrier(2), [folder / f"log{k}.txt" for k in (1, 2)]
    processes = [_started(_live_beside_another, folder, log, both) for log in logs]
    for process in processes:
        process.join()
    return [(process.exitcode, log.read_text()) for process, log in zip(processes, logs, strict=True)]


def _live_beside_another(folder: Path, log: Path, both: Any) -> None:
    step = loop.Training.step

    def first(*arguments: Any) -> Any:
        loop.Training.step = step
        both.wait(timeout=300)
        return step(*arguments)

    loop.Training.step = first
    _live(folder, log)


class Stuck(Progress):
    """Told how far a training is, it never comes back."""

    def __call__(self, training: loop.Training) -> None:
        while True:
            time.sleep(1)


def _live_with_workers(folder: Path, log: Path) -> None:
    total.Lines.progress = lambda *_: Stuck
    _live(folder, log, jobs=2)


def _live(folder: Path, log: Path, *death: Any, jobs: int = 1) -> None:
    os.setsid()  # killed are this process and what it starts, not who started it
    for stream in (sys.stdout, sys.stderr):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream.fileno())
    make_small(folder)
    if death:
        _die_in(*death)
    code = reproduce_once(jobs)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def reproduce_once(jobs: int = 1) -> int:
    """The command, in this process or with others that train; its exit code."""
    return main(["reproduce", "--profile", "smoke", "--jobs", str(jobs)])


def records(folder: Path) -> list[Record]:
    """The records of a sweep, apart from timings."""
    return [apart_from_timings(record) for record in store.load_all(folder / "build" / "smoke" / "results")]


def _die_in(stage: str, call: int, seconds: float) -> None:
    owner, name = STAGES[stage]
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def entered(*arguments: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            threading.Thread(target=_kill_after, args=(seconds,), daemon=True).start()
            time.sleep(0 if seconds else 9)  # at once: before the original is called
        return original(*arguments, **more)

    setattr(owner, name, entered)


def _kill_after(seconds: float) -> None:
    time.sleep(seconds)
    os.killpg(0, signal.SIGKILL)


def make_small(folder: Path) -> None:
    """Let the command in this process do little, in a folder."""
    os.environ |= {"CLRLIB_DATA": "digits", "CUDA_VISIBLE_DEVICES": "", "CLRLIB_KERNELS": "torch"}
    paths.BUILD = folder / "build"
    paths.NOTEBOOKS = folder / "notebooks"
    paths.NOTEBOOKS.mkdir(parents=True, exist_ok=True)
    experiments.runs = lambda *_: RUNS
    sweep.joblib.cpu_count = lambda **_: 1  # so many threads: two that wait for each other are slow beside other work
    trainer.SECONDS_BETWEEN_CHECKPOINTS = 0.0  # one after every iteration
    for name in set(figures.FIGURES) - {"06_decay_only"}:
        del figures.FIGURES[name]
    cells = [
        nbformat.v4.new_code_cell('profile: str = "published"', id="a", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("print(profile)", id="b"),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    book = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    files.write_atomically(paths.NOTEBOOKS / "00_made.ipynb", nbformat.writes(book).encode())
