"""The time that runs will take on this machine, measured for some seconds before they start."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
Kind = tuple[Any, ...]  # what decides the time of a step, but for the solver
Costs = Mapping[Run, float]  # seconds of each run, with others beside it
Steps = tuple[float, float]  # seconds of an iteration, and of the evaluation of one image


def measured(runs: Sequence[Run], jobs: int) -> Costs:
    """The seconds of each run with `jobs` runs side by side, from a few steps of each kind of net and batch.

    Measured in the processes that train afterwards, all of them at once.
    """
    kinds = {_kind(run): run for run in runs}
    threads = max(1, joblib.cpu_count(only_physical_cores=True) // jobs)
    work = (joblib.delayed(_steps_of_all)([*kinds.values()], threads) for _ in range(jobs))
    tables = joblib.Parallel(n_jobs=jobs, batch_size=1)(work)
    steps = {kind: _mean([table[k] for table in tables]) for k, kind in enumerate(kinds)}
    return {run: seconds(run, *steps[_kind(run)], store.images_of(run.data)) for run in runs}


def seconds(run: Run, of_iteration: float, of_image: float, images: Images) -> float:
    """The seconds of a whole run: its iterations, and its evaluations of all test images."""
    tested = len(images.train_labels) // 10 if run.test_on == "validation" else len(images.test_labels)
    evaluations = -(-run.iterations // run.evaluate_every)
    return run.iterations * of_iteration + evaluations * tested * of_image


def _kind(run: Run) -> Kind:
    return run.data, run.net, run.batch, run.crop, run.precision


def _mean(steps: Sequence[Steps]) -> Steps:
    iteration, image = (sum(each) / len(steps) for each in zip(*steps, strict=True))
    return iteration, image


def _steps_of_all(runs: Sequence[Run], threads: int) -> list[Steps]:
    keep_freed_memory()
    with threads_put_back(), torch.random.fork_rng([]):
        torch.set_num_threads(threads)
        return [steps(run, store.images_of(run.data)) for run in runs]


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
