"""train(run) -> Record: the loop, saved now and then, reported, and stopped when the time is up."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from lab.data.image_sets import Images
from lab.experiments.run import Run
from lab.records import checkpoints, provenance
from lab.records.record import Record
from lab.training.alone import ALONE, Alone
from lab.training.device import keep_freed_memory, threads_put_back
from lab.training.loop import Report, Training, nothing, steps

NewReport = Callable[[float | None], Report]  # of one run, from the rate of its loader (images a second)
SECONDS_BETWEEN_CHECKPOINTS = 30.0


class OutOfTime(Exception):
    """A training was stopped at its time limit; what it did is in its checkpoint."""


def train(
    run: Run,
    images: Images,
    checkpoint: Path | None = None,
    report: Report = nothing,
    until: float | None = None,
    processes: Alone = ALONE,
) -> Record:
    """Train a net as the run says, on the images' device, and return the record.

    checkpoint: a file to go on from where it exists and to save to now and then. report: called after each evaluation.
    until: the time (time.monotonic(), which no setting of the clock moves) from which on it saves and stops, before its
    end. processes: that train it together; all call it alike, the first one has the file and the time.
    Raises ValueError for images other than the run's, OutOfTime when stopped before the end.
    """
    keep_freed_memory()
    watch = Watch(checkpoint, until, processes)
    random = torch.random.fork_rng([images.device] if images.device.type == "cuda" else [])
    with processes.interrupts_noted(), random, threads_put_back():
        for training in steps(run, images, processes, watch.begin, watch):
            if not training.ended:
                watch(training)
            report(training)
        return record_of(training)


class Watch:
    """Called between two iterations: saves now and then, and stops when the time is up or Ctrl-C was pressed."""

    def __init__(self, checkpoint: Path | None, until: float | None, processes: Alone) -> None:
        self.checkpoint, self.until, self.processes = checkpoint, until, processes
        self.saved = 0.0
        self.meeting = 0  # the iteration from which on several processes next ask the first one

    def begin(self, training: Training) -> None:
        """Take the checkpoint up where there is one."""
        training.commits = [provenance.git()]  # the code as it is now, not as it will be when the run ends
        if self.checkpoint is not None:
            checkpoints.resume(self.checkpoint, training)
        self.saved = time.monotonic()

    def __call__(self, training: Training) -> None:
        if self.processes.size > 1 and training.done < self.meeting:
            return
        training.count_seconds()
        now, run = training.counted, training.run
        interrupted, late = self.processes.interrupted(), self.until is not None and now > self.until
        due = interrupted or late or now - self.saved > SECONDS_BETWEEN_CHECKPOINTS
        meeting = training.done + 1 + int(training.done / (1 + training.seconds))  # in about a second
        interrupted, late, due, self.meeting = self.processes.agree((interrupted, late, due, meeting))
        if self.checkpoint is not None and due:
            self.processes.by_the_first(partial(checkpoints.save, self.checkpoint, training))
            self.saved = now
        if interrupted:
            raise KeyboardInterrupt
        if late:
            raise OutOfTime(f"{run.name} stopped after {training.done} of {run.iterations} iterations")


def record_of(training: Training) -> Record:
    """The record of what was done so far."""
    images, seconds = training.images, training.seconds
    return Record(
        run=training.run,
        data={"name": images.name, "label": images.label, "sha256": images.sha256},
        curves=training.curves,
        diverged_at=training.diverged_at,
        seconds=round(seconds, 1),
        iterations_per_second=round(training.done / seconds, 2) if seconds else None,
        peak_memory=provenance.peak_memory(training.device),
        machine=provenance.machine(training.device, training.kernels, training.processes.size),
        versions=provenance.versions(),
        commits=training.commits,
    )
