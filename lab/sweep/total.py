"""Progress of many runs together: in a terminal a bar at the bottom, in a log a line after each."""

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
from lab.lines import duration
from lab.records.record import Record
from lab.records.trainer import NewReport
from lab.sweep.progress import Progress

SECONDS_BETWEEN_REFRESHES = 1.0
FORM = "total: {percentage:3.0f} %|{bar}| {n:,}/{total:,} iterations, {desc}"


class Counts:
    """Counts of iterations done, and seconds left as far as this sitting can tell.

    counts: of each run the iterations done and those of them that were done before this sitting (runs x 2), in a file:
    written by the processes that train, read here.
    """

    def __init__(self, runs: Sequence[Run], counts: np.ndarray) -> None:
        self.place, self.counts, self.started = {run: k for k, run in enumerate(runs)}, counts, time.monotonic()
        self.iterations = np.array([run.iterations for run in runs])

    def of(self, run: Run) -> np.ndarray:
        """The run's two counts."""
        part: np.ndarray = self.counts[self.place[run]]
        return part

    def ended(self, record: Record) -> None:
        """Count a run as done; where it diverged, what it did not do is no work of this sitting."""
        run, count = record.run, self.of(record.run)
        count[1] += run.iterations - (run.iterations if record.diverged_at is None else record.diverged_at)
        count[0] = run.iterations

    def done(self) -> int:
        """Iterations of all runs, as they are now."""
        return int(self.counts[:, 0].sum())

    def left(self) -> str:
        """The time that the iterations left take at the mean speed of this sitting, for people."""
        done, before = self.counts.sum(0)
        if done <= before:
            return "?"
        return duration((time.monotonic() - self.started) * (self.iterations.sum() - done) / (done - before))


class Lines:
    """A line after each run; the runs say theirs as they go."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts

    def progress(self, run: Run) -> NewReport:
        """A report of how far a run is, for its own process."""
        return partial(Progress, count=self.counts.of(run))

    def ended(self, record: Record) -> None:
        """Count a run that has its record."""
        self.counts.ended(record)
        done, every = self.counts.done(), self.counts.iterations.sum()
        print(f"total: {done:,}/{every:,} iterations, {self.counts.left()} left", flush=True)


class Bar:
    """A bar that moves as the runs do, each of which says one line, at its end."""

    def __init__(self, counts: Counts, bar: tqdm) -> None:
        self.counts, self.bar, self.finished = counts, bar, 0
        self.show()

    def progress(self, run: Run) -> NewReport:
        """A report of how far a run is, for its own process."""
        return partial(Progress, say=_say_above_the_bar, often=False, count=self.counts.of(run))

    def ended(self, record: Record) -> None:
        """Count a run that has its record."""
        self.counts.ended(record)  # also where it diverged, or another process trained it
        self.finished += 1
        self.show()

    def show(self) -> None:
        """Draw it as things are now; one thread at a time, or both would add the same iterations."""
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
        """Draw it again and again: as far as the runs are, and below the lines that they print."""
        while not over.wait(SECONDS_BETWEEN_REFRESHES):
            self.show()


@contextmanager
def total(runs: Sequence[Run]) -> Iterator[Lines | Bar]:
    """A Bar where both outputs are a terminal, else Lines: a log is to have all of them, and no bar."""
    with TemporaryDirectory() as folder:
        counts = Counts(runs, np.memmap(Path(folder, "counts"), np.int64, "w+", shape=(len(runs), 2)))
        if not (sys.stdout.isatty() and sys.stderr.isatty()):
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
    """Print a line where the bar is, which its next refresh draws below; in one write, or a refresh could break it."""
    sys.stdout.flush()
    print(f"\r\x1b[K{line}\n", end="", flush=True)
