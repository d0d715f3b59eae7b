"""Progress of a whole sweep: a bar at the bottom of a terminal, a line after each run in a log or a notebook."""

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from tqdm import tqdm

from lab.experiments.run import Run
from lab.lines import duration, say
from lab.records.record import Record
from lab.records.trainer import NewReport
from lab.sweep.estimate import Costs, needed
from lab.sweep.progress import Progress

SECONDS_BETWEEN_REFRESHES = 1.0
SECONDS_OF_TRUST = 60.0  # the measured costs count as much as so long a sitting
FORM = "{percentage:3.0f} %, {desc} |{bar}| {n:,}/{total:,} iterations"  # 40 columns show the time left


class Counts:
    """Iterations done, and the time left by the speed of this sitting.

    counts: (runs, 2), the iterations done and those of them done before this sitting, in a memory-mapped file that the
    training processes write and this one reads. costs: the measured seconds of each run, which weigh its iterations and
    are trusted until the sitting has shown its own speed. at_a_time: number of runs that were beside each other then.
    """

    def __init__(self, runs: Sequence[Run], counts: np.ndarray, costs: Costs | None = None, at_a_time: int = 1) -> None:
        self.place, self.counts = {run: k for k, run in enumerate(runs)}, counts
        self.busy, self.looked = 0.0, time.monotonic()  # seconds of all processes that had a run, up to the last look
        self.iterations = np.array([run.iterations for run in runs])
        self.weights = np.array([costs[run] / run.iterations if costs else 1.0 for run in runs])
        self.trust = SECONDS_OF_TRUST if costs else 0.0
        self.at_a_time = at_a_time

    def of(self, run: Run) -> np.ndarray:
        """Both counts of a run."""
        part: np.ndarray = self.counts[self.place[run]]
        return part

    def ended(self, record: Record) -> None:
        """Count a run as done. The iterations that a diverged run skipped do not count as work of this sitting."""
        self._look()
        run, count = record.run, self.of(record.run)
        count[1] += run.iterations - (run.iterations if record.diverged_at is None else record.diverged_at)
        count[0] = run.iterations

    def _look(self) -> None:
        """Add the time since the last look for each process that has a run."""
        now, unfinished = time.monotonic(), int((self.counts[:, 0] < self.iterations).sum())
        self.busy, self.looked = self.busy + (now - self.looked) * min(self.at_a_time, unfinished), now

    def done(self) -> int:
        """Iterations that all runs have done so far."""
        return int(self.counts[:, 0].sum())

    def left(self) -> str:
        """The time left at the mean speed of this sitting, in words."""
        done, before = self.weights @ self.counts
        self._look()
        trusted = self.trust * self.at_a_time
        if done - before + trusted <= 0:
            return "?"
        left = self.weights * (self.iterations - self.counts[:, 0])
        return duration((self.busy + trusted) / (done - before + trusted) * needed(left, self.at_a_time))


class Lines:
    """Report a sweep by a line after each run, between the lines of the runs themselves."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts

    def progress(self, run: Run) -> NewReport:
        """A report of how far a run is, for its own process."""
        return partial(Progress, count=self.counts.of(run))

    def say(self, line: str) -> None:
        """Print a line of somebody else's."""
        say(line)

    def ended(self, record: Record) -> None:
        """Count a run that has its record."""
        self.counts.ended(record)
        done, every = self.counts.done(), self.counts.iterations.sum()
        print(f"total: {done:,}/{every:,} iterations, {self.counts.left()} left", flush=True)


class Bar:
    """Report a sweep by a bar that moves with the iterations; each run prints one line at its end."""

    def __init__(self, counts: Counts, bar: tqdm) -> None:
        self.counts, self.bar, self.finished = counts, bar, 0
        self.show()

    def progress(self, run: Run) -> NewReport:
        """A report of how far a run is, for its own process."""
        return partial(Progress, say=_say_above_the_bar, often=False, count=self.counts.of(run))

    def say(self, line: str) -> None:
        """Print a line of somebody else's above the bar."""
        _say_above_the_bar(line)

    def ended(self, record: Record) -> None:
        """Count a run that has its record."""
        self.counts.ended(record)  # also where it diverged, or another process trained it
        self.finished += 1
        self.show()

    def show(self) -> None:
        """Redraw the bar. One thread at a time, or two would add the same iterations."""
        with self.bar.get_lock():
            self._show()

    def _show(self) -> None:
        self.bar.ncols, self.bar.nrows = shutil.get_terminal_size()  # tqdm hides it where the terminal does not say
        runs, left = len(self.counts.place), self.counts.left()
        self.bar.set_description_str(f"{self.finished} of {runs} runs, {left} left", refresh=False)
        if new := self.counts.done() - self.bar.n:
            self.bar.update(new)
        self.bar.refresh()

    def keep_showing(self, over: threading.Event) -> None:
        """Redraw the bar until the end, as the runs advance and print lines above it."""
        while not over.wait(SECONDS_BETWEEN_REFRESHES):
            self.show()


@contextmanager
def total(runs: Sequence[Run], costs: Costs | None = None, at_a_time: int = 1) -> Iterator[Lines | Bar]:
    """A Bar if stdout and stderr are a terminal that can redraw a line, else Lines: a log has every line and no bar."""
    with TemporaryDirectory() as folder:
        shared = np.memmap(Path(folder, "counts"), np.int64, "w+", shape=(len(runs), 2))
        counts = Counts(runs, shared, costs, at_a_time)
        if not (sys.stdout.isatty() and sys.stderr.isatty()) or os.environ.get("TERM") == "dumb":
            yield Lines(counts)
            return
        with tqdm(total=int(counts.iterations.sum()), bar_format=FORM) as drawn:
            bar, over = Bar(counts, drawn), threading.Event()
            shown = threading.Thread(target=bar.keep_showing, args=(over,), daemon=True)
            shown.start()
            try:
                yield bar
            finally:
                over.set()
                shown.join()


def _say_above_the_bar(line: str) -> None:
    """Print a line in place of the bar, whose next refresh is below. A single write, so that no refresh splits it."""
    sys.stdout.flush()
    print(f"\r\x1b[K{line}\n", end="", flush=True)
