"""Costs besides the net: importing, scheduling, the solvers' updates and drawing."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from clrlib import ScheduleLR, Triangular2
from lab import paths
from lab.data.image_sets import ImageSet
from lab.experiments.run import Run
from lab.records import store
from lab.show import figures
from lab.training.device import pick_precision
from lab.training.loop import Training
from lab.training.solvers import OPTIMIZERS

STEPS = 2000


def import_seconds(rounds: int = 7) -> dict[str, float]:
    """Median seconds of a fresh Python that imports torch, and of one that imports clrlib, in turn."""
    samples: dict[str, list[float]] = {"torch": [], "clrlib": []}
    for _ in range(rounds):
        for name, seconds in samples.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", f"import {name}"], check=True)
            seconds.append(time.perf_counter() - began)
    return {name: statistics.median(seconds) for name, seconds in samples.items()}


def step_microseconds(groups: int, rounds: int = 5) -> dict[str, float]:
    """Median microseconds of one scheduler step in turn: ours, ours where every group has an "lr_mult", torch's."""
    steps = {
        "ScheduleLR": _ours(_optimizer(groups)),
        "ScheduleLR with lr_mult": _ours(_optimizer(groups, lr_mult=2.0)),
        "CyclicLR": _torchs(_optimizer(groups)),
    }
    for step in steps.values():
        step()  # the first also warns, rightly here, that no optimizer has stepped
    samples: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            began = time.perf_counter()
            for _ in range(STEPS):
                step()
            samples[name].append((time.perf_counter() - began) / STEPS * 1e6)
    return {name: statistics.median(values) for name, values in samples.items()}


def _optimizer(groups: int, **settings: float) -> torch.optim.Optimizer:
    parameters = [{"params": [torch.nn.Parameter(torch.zeros(1))], **settings} for _ in range(groups)]
    return torch.optim.SGD(parameters, lr=0.001, momentum=0.9)


def _ours(optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    return ScheduleLR(optimizer, Triangular2(0.001, 0.006, 2000)).step


def _torchs(optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    kind = torch.optim.lr_scheduler.CyclicLR
    return kind(optimizer, 0.001, 0.006, mode="triangular2", cycle_momentum=False).step


def solver_milliseconds(rounds: int = 5) -> dict[str, float]:
    """Median milliseconds, in turn: a step of each of Caffe's solvers on its net, and a whole iteration."""
    run = Run("bench", Triangular2(0.001, 0.006, 2000), 1, data="noise", precision=pick_precision())
    settings = {"caffe_rmsprop": 0.0, "caffe_adagrad": 0.0}
    works: dict[str, Callable[[], object]] = {}
    for name in (name for name in OPTIMIZERS if name.startswith("caffe_")):
        training = Training(replace(run, optimizer=name, momentum=settings.get(name, 0.9)), _noise())
        batch = next(training.images.batches(training.order, 0, 1))
        training.step(*batch)  # from here on there are gradients
        works[name] = lambda training=training: training.optimizer.step()  # type: ignore[misc]
    works["a whole iteration"] = partial(training.step, *batch)
    samples: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times = 3 if name == "a whole iteration" else 40
            began = time.perf_counter()
            for _ in range(times):
                work()
            samples[name].append((time.perf_counter() - began) / times * 1e3)
    return {name: statistics.median(values) for name, values in samples.items()}


def _noise() -> ImageSet:
    """One batch of noise as an image set."""
    pixels = torch.randint(0, 256, (100, 3, 32, 32), dtype=torch.uint8)
    labels = torch.randint(0, 10, (100,))
    classes = tuple("0123456789")
    return ImageSet("noise", "noise", classes, pixels, labels, pixels, labels, "0" * 64, "made here")


def figures_seconds() -> float:
    """Seconds to draw every figure from the published records."""
    records = store.load_all(paths.records("published"))
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        figures.draw_all(records, Path(folder))
        return time.perf_counter() - began
