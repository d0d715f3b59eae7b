"""Timings that can be compared: each contender in its own processes, all in turn, over several rounds."""

import itertools
import multiprocessing
import os
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from lab.bench.contenders import Iteration
from lab.training.device import pick_device

TORCHS, FUSED = {"CLRLIB_KERNELS": "torch"}, {"CLRLIB_KERNELS": "fused"}


@contextmanager
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a while, then restore all of them."""
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass(frozen=True)
class Contender:
    """A candidate to time. make(*arguments) returns its iteration; it runs in `processes` of `threads` threads each.

    The first warm_up iterations do not count. After them `chunks` chunks of iterations are timed; their median counts.
    """

    name: str
    make: Callable[..., Iteration]
    arguments: tuple[Any, ...] = ()
    threads: int = 1
    processes: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    warm_up: int = 10
    chunk: int = 10
    chunks: int = 6


@dataclass(frozen=True)
class Timing:
    """milliseconds: for one iteration of each process. rate: iterations a second, of all processes together.

    memory: the most that a process used, in megabytes: its resident set, or the GPU's memory where there is one.
    """

    milliseconds: float
    rate: float
    memory: float


def time_all(contenders: Sequence[Contender], rounds: int = 3) -> dict[str, Timing]:
    """The median over the rounds for each contender; a round times all of them, one after the other."""
    samples: dict[str, list[Timing]] = {contender.name: [] for contender in contenders}
    for number in range(1, rounds + 1):
        for contender in contenders:
            timing = _time(contender)
            samples[contender.name].append(timing)
            print(
                f"round {number}/{rounds}  {contender.name:44} {timing.milliseconds:8.2f} ms",
                file=sys.stderr,
                flush=True,
            )
    return {name: _median(timings) for name, timings in samples.items()}


def _median(timings: Sequence[Timing]) -> Timing:
    return Timing(
        statistics.median(t.milliseconds for t in timings),
        statistics.median(t.rate for t in timings),
        max(t.memory for t in timings),
    )


def _time(contender: Contender) -> Timing:
    """Time all processes at once; one that is done keeps running, unmeasured, until all are done."""
    spawn = multiprocessing.get_context("spawn")
    start, done, results = spawn.Barrier(contender.processes), spawn.Value("i", 0), spawn.Queue()
    with environment(contender.environment):  # the children take it over
        crowd = [
            spawn.Process(target=_child, args=(contender, start, done, results)) for _ in range(contender.processes)
        ]
        for process in crowd:
            process.start()
        measured = [_result(results, crowd) for _ in crowd]
        for process in crowd:
            process.join()
    milliseconds = statistics.mean(m for m, _ in measured)
    return Timing(milliseconds, sum(1000 / m for m, _ in measured), max(memory for _, memory in measured))


def _result(results: Any, crowd: Sequence[Any]) -> tuple[float, float]:
    """The result of the next process that is done. Raises RuntimeError if a process failed."""
    while results.empty():
        if any(process.exitcode not in (None, 0) for process in crowd):
            for process in crowd:
                process.kill()
            raise RuntimeError("a process of the bench failed; its error stands above")
        time.sleep(0.05)
    measured: tuple[float, float] = results.get()
    return measured


def _child(contender: Contender, start: Any, done: Any, results: Any) -> None:
    torch.set_num_threads(contender.threads)
    iteration = contender.make(*contender.arguments)
    ticks = itertools.count()
    for _ in range(contender.warm_up):
        iteration(next(ticks))
    start.wait()
    chunks = []
    for _ in range(contender.chunks):
        _wait_for_device()
        began = time.perf_counter()
        for _ in range(contender.chunk):
            iteration(next(ticks))
        _wait_for_device()
        chunks.append((time.perf_counter() - began) / contender.chunk * 1000)
    with done.get_lock():
        done.value += 1
    while done.value < contender.processes:  # the others still measure, and must not find an idle neighbour
        iteration(next(ticks))
    results.put((statistics.median(chunks), _memory()))


def _memory() -> float:
    """The most that this process has used so far, in megabytes: of the GPU's memory where there is one."""
    if pick_device().type == "cuda":
        return torch.cuda.max_memory_allocated() / 1024**2
    status = Path("/proc/self/status")  # Linux: ru_maxrss has the parent's memory in it, kept when a process starts
    if status.exists() and (peak := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(peak[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def _wait_for_device() -> None:
    if pick_device().type == "cuda":
        torch.cuda.synchronize()
