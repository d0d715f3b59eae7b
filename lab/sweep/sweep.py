"""Train many runs side by side: in processes of this machine, by joblib, or on a cluster."""

import os
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

import joblib
import psutil
import torch

from lab import paths
from lab.experiments.run import Run
from lab.files import Busy
from lab.lines import Say, duration, say
from lab.nets import kernels
from lab.records import store
from lab.records.record import Record
from lab.records.trainer import NewReport, OutOfTime
from lab.sweep import estimate, processes
from lab.sweep.outcome import Outcome, Trainers
from lab.sweep.total import Bar, Lines, total
from lab.training import device

SECONDS_BETWEEN_LOOKS = 1.0  # for the process that a worker works for
BYTES_A_RUN = 2**31  # what CIFAR-10 and a net take at most, torch included
BYTES_A_LARGE_RUN = 5 * 2**30  # Imagenette and AlexNet
Ended = Callable[[Record, Say], None]  # called with a new record, and with what prints a line beside the progress


def nothing(record: Record, say: Say) -> None:
    """Do nothing with a record: the default at the end of each run."""


def default_jobs(where: torch.device, kind: str = "cifar10") -> int:
    """One run at a time on a GPU; on a CPU one for each core, as far as the memory goes.

    Nets this small train faster as two runs with a core each than as one run with both (results/bench/README.md). The
    total memory counts, not the free memory: a resumed command must use the same number, on which the threads of each
    run depend. Where a container or other programs leave less memory, give the number with JOBS=. kind: of images.
    """
    if where.type == "cuda" or kind == "imagenet":  # ImageNet is decoded by all cores beside the training
        return 1
    if processes.here().size > 1:  # all of which train the one run
        return 1
    need = BYTES_A_RUN if kind.startswith("cifar") else BYTES_A_LARGE_RUN
    room = int(psutil.virtual_memory().total) // need
    cores: int = joblib.cpu_count(only_physical_cores=True)
    return max(1, min(cores, room))


def train_missing(
    runs: Sequence[Run],
    folder: Path,
    jobs: int | Mapping[str, int],
    budget: float | None = None,
    cluster: Trainers | None = None,
    forecast: bool = False,
    ended: Ended = nothing,
) -> None:
    """Train every run that has no record in the folder yet, `jobs` at a time; finished ones are not touched.

    jobs: one number, or one for each set of images, by its name. budget: seconds after which it saves all
    trainings in progress and stops. It may be stopped at any moment: the next call resumes from the records and
    checkpoints. Runs that another process trains are left to it, and waited for at the end. cluster: trains the runs
    instead of this machine, as many at a time as it has places. forecast: measure for some seconds how long it will
    take, and say so first. ended: called with each record as its run ends.
    """
    if cluster:
        folder.mkdir(parents=True, exist_ok=True)  # a worker that sees it too keeps its checkpoints beside it
    runs = list(dict.fromkeys(runs))  # a run given twice is trained once
    missing = processes.here().agree([run for run in runs if not store.is_finished(run, folder)])
    beside = _beside_each(runs, jobs)
    places = str(cluster.places()) if cluster else _at_a_time(_parts(missing, beside))
    done = len(runs) - len(missing)
    print(f"{done} of {len(runs)} runs are done, {len(missing)} to train, {places} at a time", flush=True)
    if not missing:
        return
    until = None if budget is None else time.monotonic() + budget
    at_once = max(beside[run] for run in missing)
    measured = estimate.measured(missing, at_once) if forecast else None
    if measured:
        needed = estimate.needed(measured.values(), at_once)
        begun = any(paths.checkpoint(run.name, folder).exists() for run in missing)
        less = ", less what its checkpoints have done" if begun else ""
        say(f"training takes about {duration(needed if budget is None else min(needed, budget))}{less}")
    with total(missing, measured, at_once) as shown:

        def outcomes(some: Sequence[Run], wait: bool) -> Iterator[Outcome]:
            here = partial(_train_here, beside=beside, until=until, shown=shown)
            return cluster.train(some, folder, wait) if cluster else here(some, folder, wait=wait)

        keep = cluster is not None
        begun_elsewhere = _take(outcomes(missing, False), folder, shown, keep, ended)
        if begun_elsewhere:
            begun_elsewhere = _take(outcomes(begun_elsewhere, True), folder, shown, keep, ended)
    if unfinished := sum(not store.is_finished(run, folder) for run in missing):
        why = "another process is at work" if begun_elsewhere else "time is up"
        print(f"{why}: {unfinished} runs are not finished; the same command goes on from here", flush=True)


def _take(outcomes: Iterable[Outcome], folder: Path, shown: Lines | Bar, keep: bool, ended: Ended) -> list[Run]:
    """Count the runs as they end; return those that another process is training.

    keep: write the records that are not in the folder yet, as of a cluster whose machines do not share it.
    """
    begun_elsewhere = []
    for run, outcome in outcomes:
        if outcome is Busy:
            begun_elsewhere.append(run)
        elif isinstance(outcome, Record):
            if keep and not store.is_finished(run, folder):
                store.save(outcome, folder)
            shown.ended(outcome)
            ended(outcome, shown.say)
    return begun_elsewhere


def _beside_each(runs: Sequence[Run], jobs: int | Mapping[str, int]) -> dict[Run, int]:
    """The number of runs that are trained at a time, for each run.

    Computed from all runs, not from the missing ones, so that a resumed sweep divides the cores as before.
    """
    wanted = {run: jobs if isinstance(jobs, int) else jobs[run.data] for run in runs}
    there = Counter(wanted.values())
    return {run: min(at_a_time, there[at_a_time]) for run, at_a_time in wanted.items()}


def _train_here(
    runs: Sequence[Run], folder: Path, beside: Mapping[Run, int], until: float | None, wait: bool, shown: Lines | Bar
) -> Iterator[Outcome]:
    """Train in processes of this machine that share out the cores; yield each run with its outcome as it ends."""
    if device.pick_device().type == "cpu":
        with processes.here().first_on_each_machine():
            kernels.name()  # compiled here, once, rather than by every worker at the same time
    # joblib takes a worker that has grown by 300 MB for one that leaks, and starts another: ours keep freed memory
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
    for jobs, some in _parts(runs, beside).items():
        threads = max(1, joblib.cpu_count(only_physical_cores=True) // (jobs * processes.here().on_this_machine))
        reports = ((run, shown.progress(run)) for run in some)
        work = (joblib.delayed(_train)(run, folder, threads, until, wait, tell, os.getpid()) for run, tell in reports)
        # batch_size=1: a long run must not hold a short one back
        at_a_time = min(jobs, len(some))
        yield from joblib.Parallel(n_jobs=at_a_time, batch_size=1, return_as="generator_unordered")(work)


def _at_a_time(parts: Mapping[int, Sequence[Run]]) -> str:
    """The numbers of runs at a time, in words."""
    return ", then ".join(str(min(jobs, len(some))) for jobs, some in parts.items()) or "1"


def _parts(runs: Sequence[Run], beside: Mapping[Run, int]) -> dict[int, list[Run]]:
    """The runs grouped by the number that is trained at a time."""
    parts: dict[int, list[Run]] = {}
    for run in runs:
        parts.setdefault(beside[run], []).append(run)
    return parts


def _train(
    run: Run, folder: Path, threads: int, until: float | None, wait: bool, report: NewReport, caller: int
) -> Outcome:
    if os.getpid() != caller:
        _end_with(caller)
    torch.set_num_threads(threads)
    here = processes.here()
    if here.agree(until is not None and time.monotonic() > until):
        return run, OutOfTime
    try:
        return run, store.load_or_train(run, folder, until, wait, report, here)
    except (Busy, OutOfTime) as error:
        return run, type(error)


@cache  # one thread is enough
def _end_with(caller: int) -> None:
    """End this process as soon as its parent has ended: nobody would use its result."""
    threading.Thread(target=_look_after, args=(caller,), daemon=True).start()


def _look_after(caller: int) -> None:
    while os.getppid() == caller and psutil.pid_exists(caller):  # Windows keeps the number of a parent that is gone
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)  # as if killed too: its checkpoint is at most half a minute old, its lock is the system's to free
