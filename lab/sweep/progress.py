"""Progress of a training, as plain lines for a terminal, a notebook or a log."""

import time

import numpy as np

from lab.experiments.run import Run
from lab.lines import SECONDS_BETWEEN_LINES, Say, duration, say
from lab.training.loop import Training


class Progress:
    """Report a training. Called after each evaluation, prints the time left now and then, and a line at the end.

    loader_rate: images a second of the loader alone, if there is one, printed beside the training's. say: prints a
    line. often: print lines before the end too. count: called with the iterations done, and those of them that were
    done before this sitting, up to the last evaluation in the checkpoint.
    """

    def __init__(
        self, loader_rate: float | None = None, say: Say = say, often: bool = True, count: np.ndarray | None = None
    ) -> None:
        self.loader_rate, self.say, self.often, self.count = loader_rate, say, often, count
        self.printed = time.monotonic()
        self.started: tuple[float, int] | None = None

    def __call__(self, training: Training) -> None:
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

    def _line(self, training: Training, now: float) -> str:
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

    def _images(self, run: Run, iterations: int, seconds: float) -> str:
        """Images trained per second; the time includes the evaluations."""
        if self.loader_rate is None:
            return ""
        return f"  {iterations * run.batch / seconds:,.0f} images/s (the loader alone: {self.loader_rate:,.0f})"
