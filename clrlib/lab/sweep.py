"""Many runs side by side, with joblib: one process and one share of the CPU each."""

import time
from collections.abc import Sequence
from pathlib import Path

import joblib
import psutil
import torch

from clrlib.lab import device, distributed, kernels, store
from clrlib.lab.progress import duration
from clrlib.lab.runs import Run
from clrlib.lab.training import OutOfTime

BYTES_A_RUN = 2**31  # what CIFAR-10 and a net take at most, torch included
BYTES_A_LARGE_RUN = 5 * 2**30  # Imagenette and AlexNet


def default_jobs(where: torch.device, kind: str = "cifar10") -> int:
    """One run at a time on a GPU; on a CPU one for each core, as far as the memory goes.

    For nets this small two runs with a core each do more than one run with both (results/bench/README.md). The memory
    is the machine's: in a container that may use less of it, give the number with JOBS=. kind: of the images.
    """
    if where.type == "cuda" or kind == "imagenet":  # ImageNet is decoded by all cores beside the training
        return 1
    if distributed.size() > 1:  # all of which train the one run
        return 1
    need = BYTES_A_RUN if kind.startswith("cifar") else BYTES_A_LARGE_RUN
    room = int(psutil.virtual_memory().available) // need
    cores: int = joblib.cpu_count(only_physical_cores=True)
    return max(1, min(cores, room))


def train_missing(runs: Sequence[Run], folder: Path, jobs: int, budget: float | None = None) -> None:
    """Train every run that has no record in the folder yet, `jobs` at a time; finished ones are not touched.

    budget: seconds after which it saves what is in progress and stops. Stop it at any moment: the next call goes on
    from the records and checkpoints that are there.
    """
    runs = list(dict.fromkeys(runs))  # a run given twice is trained once
    missing = distributed.agree([run for run in runs if store.load(run, folder) is None])
    done, jobs = len(runs) - len(missing), min(jobs, max(1, len(missing)))
    print(f"{done} of {len(runs)} runs are done, {len(missing)} to train, {jobs} at a time", flush=True)
    if not missing:
        return
    if device.pick_device().type == "cpu":
        with distributed.first_on_each_machine():
            kernels.name()  # compiled here, once, rather than by every worker at the same time
    threads = max(1, joblib.cpu_count(only_physical_cores=True) // (jobs * distributed.on_this_machine()))
    until = None if budget is None else time.time() + budget
    work = (joblib.delayed(_train)(run, folder, threads, until) for run in missing)
    started, done, total = time.monotonic(), 0, sum(run.iterations for run in missing)
    # batch_size=1: a long run must not hold a short one back
    for iterations in joblib.Parallel(n_jobs=jobs, batch_size=1, return_as="generator_unordered")(work):
        done += iterations
        if iterations:
            left = (time.monotonic() - started) * (total - done) / done
            print(f"total: {done:,}/{total:,} iterations, {duration(left)} left", flush=True)
    if done < total:
        unfinished = sum(store.load(run, folder) is None for run in missing)
        print(f"time is up: {unfinished} runs are not finished; the same command goes on from here", flush=True)


def _train(run: Run, folder: Path, threads: int, until: float | None) -> int:
    """The iterations of the run, 0 where the time was up before its end."""
    torch.set_num_threads(threads)
    if distributed.agree(until is not None and time.time() > until):
        return 0
    try:
        store.load_or_train(run, folder, until)
    except OutOfTime:
        return 0
    return run.iterations
