"""The time that runs will take on this machine, measured for some seconds before they start."""

import io
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Any

import joblib
import torch

from lab.data.image_sets import Images
from lab.experiments.run import Run
from lab.records import store
from lab.training.device import keep_freed_memory, threads_put_back
from lab.training.loop import Training

SECONDS, LEAST = 0.5, 2  # of a measurement, and the steps that it takes at least
FEW = 100  # test images that are evaluated in a measurement
Costs = Mapping[Run, float]  # seconds of each run, with others beside it
Steps = tuple[float, float]  # seconds of an iteration, and of the evaluation of one image


def measured(runs: Sequence[Run], jobs: int) -> Costs:
    """The seconds of each run with `jobs` runs side by side, from a few steps of each kind of net and batch.

    Measured in the processes that train afterwards, all of them at once; the mean of them.
    """
    threads = max(1, joblib.cpu_count(only_physical_cores=True) // jobs)
    work = (joblib.delayed(_seconds_of_all)(runs, threads) for _ in range(jobs))
    in_each = joblib.Parallel(n_jobs=jobs, batch_size=1)(work)
    return {run: sum(ours) / jobs for run, *ours in zip(runs, *in_each, strict=True)}


def _seconds_of_all(runs: Sequence[Run], threads: int) -> list[float]:
    keep_freed_memory()
    known: dict[tuple[Any, ...], Steps] = {}  # by what decides the time of a step, but for the solver
    with threads_put_back(), torch.random.fork_rng([]), redirect_stdout(io.StringIO()):  # the images say what they are
        torch.set_num_threads(threads)
        for run in runs:
            if (kind := _kind(run)) not in known:
                known[kind] = steps(run, store.images_of(run.data))
        return [seconds(run, *known[_kind(run)], store.images_of(run.data)) for run in runs]


def _kind(run: Run) -> tuple[Any, ...]:
    return run.data, run.net, run.batch, run.crop, run.precision


def seconds(run: Run, of_iteration: float, of_image: float, images: Images) -> float:
    """The seconds of a whole run: its iterations, and its evaluations of all test images."""
    tested = len(images.train_labels) // 10 if run.test_on == "validation" else len(images.test_labels)
    evaluations = -(-run.iterations // run.evaluate_every)
    return run.iterations * of_iteration + evaluations * tested * of_image


def needed(costs: Collection[float], jobs: int) -> float:
    """The seconds until all runs are done, `jobs` at a time: all of them shared out, but no less than the longest.

    >>> needed([30.0, 10.0, 40.0], jobs=2), needed([50.0, 10.0], jobs=2)
    (40.0, 50.0)
    """
    return max(sum(costs) / jobs, max(costs))


def steps(run: Run, images: Images) -> Steps:
    """The seconds of one iteration, and of one image's evaluation, by a clock."""
    training = Training(replace(run, test_on="test", hold_out=False, snapshots=(), iterations=10**9), images)
    training.set_mode(training=True)
    batches = training.images.batches(training.order, 0, training.run.iterations)
    iteration = _timed(lambda: training.step(*next(batches)))
    training.set_mode(training=False)
    few, _ = next(training.images.test_batches(FEW))
    return iteration, _timed(lambda: training.scores(training.net, iter([few]))) / len(few)


def _timed(step: Callable[[], object]) -> float:
    """The mean seconds of a step, after a first one that is not counted."""
    step()
    return next(mean for done, mean in _means(step) if done >= LEAST and done * mean >= SECONDS)


def _means(step: Callable[[], object]) -> Iterator[tuple[int, float]]:
    began, done = time.perf_counter(), 0
    while True:
        step()
        done += 1
        yield done, (time.perf_counter() - began) / done
