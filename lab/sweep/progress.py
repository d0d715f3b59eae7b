"""How far a training is, in plain lines that read well in a terminal, a notebook and a log."""

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # data tells of downloads by these lines too, before there is a training
    from lab.experiments.run import Run
    from lab.training.loop import Training

SECONDS_BETWEEN_LINES = 15.0
Say = Callable[[str], None]
say: Say = partial(print, flush=True)  # a log shows a line when it is written


class Progress:
    """Called after each evaluation; says a line with the time left, now and then and at the end.

    loader_rate: images a second of the loader alone, where there is one; the line then has the training's beside it.
    say: takes the lines. often: whether it says more than the end. count: takes the iterations done, and of these the
    ones that were done before, which a training that goes on from a checkpoint has (up to its last evaluation).
    """

    def __init__(
        self, loader_rate: float | None = None, say: Say = say, often: bool = True, count: np.ndarray | None = None
    ) -> None:
        self.loader_rate, self.say, self.often, self.count = loader_rate, say, often, count
        self.printed = time.monotonic()
        self.started: tuple[float, int] | None = None

    def __call__(self, training: "Training") -> None:
        now, run = time.monotonic(), training.run
        if self.started is None:
            self.started = now, training.done
            if self.count is not None:
                self.count[1] = max(0, training.done - 1) // run.evaluate_every * run.evaluate_every
        ended = training.done == run.iterations or training.diverged_at is not None
        if self.count is not None:
            self.count[0] = training.done
        due = self.often and now - self.printed >= SECONDS_BETWEEN_LINES
        if not (due or ended):
            return
        self.printed = now
        self.say(self._line(training, now))

    def _line(self, training: "Training", now: float) -> str:
        run, done = training.run, training.done
        head = f"{run.experiment:<16} seed {run.seed}  {done:>6,}/{run.iterations:,} it"
        if training.diverged_at is not None:
            return f"{head}  diverged at iteration {training.diverged_at:,}"
        head += f"  {100 * training.curves['test_accuracy'][-1]:5.1f} %"
        if done == run.iterations:
            return f"{head}  done in {duration(training.seconds)}{self._images(run, done, training.seconds)}"
        assert self.started is not None
        since, first = self.started
        if done == first:
            return f"{head}  {done / training.seconds:.1f} it/s{self._images(run, done, training.seconds)}"
        speed = (done - first) / (now - since)
        left = duration((run.iterations - done) / speed)
        return f"{head}  {speed:5.1f} it/s  {left} left{self._images(run, done - first, now - since)}"

    def _images(self, run: "Run", iterations: int, seconds: float) -> str:
        """Images a second, evaluations in the time but not in the count."""
        if self.loader_rate is None:
            return ""
        return f"  {iterations * run.batch / seconds:,.0f} images/s (the loader alone: {self.loader_rate:,.0f})"


NewProgress = Callable[[float | None], Progress]  # of one run, from the rate of its loader


def duration(seconds: float) -> str:
    """Hours, minutes or seconds, for people.

    >>> duration(42), duration(200), duration(4000)
    ('42 s', '3 min', '1 h 07 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
