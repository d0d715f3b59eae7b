"""What is paid once or at every step beside the net: importing, scheduling, drawing."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from clrlib import ScheduleLR, Triangular2
from clrlib.lab import figures, store

STEPS = 2000


def import_seconds(rounds: int = 7) -> dict[str, float]:
    """Median seconds of a fresh Python that imports torch, and of one that imports clrlib, in turn."""
    found: dict[str, list[float]] = {"torch": [], "clrlib": []}
    for _ in range(rounds):
        for name, seconds in found.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", f"import {name}"], check=True)
            seconds.append(time.perf_counter() - began)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def step_microseconds(groups: int, rounds: int = 5) -> dict[str, float]:
    """Median microseconds of one scheduler step in turn: ours, ours where every group has an "lr_mult", torch's."""
    steps = {
        "ScheduleLR": _ours(_optimizer(groups)),
        "ScheduleLR with lr_mult": _ours(_optimizer(groups, lr_mult=2.0)),
        "CyclicLR": _torchs(_optimizer(groups)),
    }
    for step in steps.values():
        step()  # the first also warns, rightly here, that no optimizer has stepped
    found: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            began = time.perf_counter()
            for _ in range(STEPS):
                step()
            found[name].append((time.perf_counter() - began) / STEPS * 1e6)
    return {name: statistics.median(values) for name, values in found.items()}


def _optimizer(groups: int, **settings: float) -> torch.optim.Optimizer:
    parameters = [{"params": [torch.nn.Parameter(torch.zeros(1))], **settings} for _ in range(groups)]
    return torch.optim.SGD(parameters, lr=0.001, momentum=0.9)


def _ours(optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    return ScheduleLR(optimizer, Triangular2(0.001, 0.006, 2000)).step


def _torchs(optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    kind = torch.optim.lr_scheduler.CyclicLR
    return kind(optimizer, 0.001, 0.006, mode="triangular2", cycle_momentum=False).step


def figures_seconds() -> float:
    """Seconds to draw every figure from the published records."""
    records = store.load_all(store.folder("published"))
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        figures.draw_all(records, Path(folder))
        return time.perf_counter() - began
