"""How far many runs together are: in a terminal a bar at the bottom, in a log a line after each."""

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

from clrlib.lab.progress import NewProgress, Progress, duration
from clrlib.lab.runs import Run

SECONDS_BETWEEN_REFRESHES = 1.0
FORM = "total: {percentage:3.0f} %|{bar}| {n:,}/{total:,} iterations, {desc}, {remaining} left"


class Lines:
    """A line after each run; the runs say theirs as they go."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.started, self.done, self.total = time.monotonic(), 0, sum(run.iterations for run in runs)

    def progress(self, run: Run) -> NewProgress:
        """What tells how far a run is, in its own process."""
        return Progress

    def ended(self, run: Run) -> None:
        """Count a run that has its record."""
        self.done += run.iterations
        left = (time.monotonic() - self.started) * (self.total - self.done) / self.done
        print(f"total: {self.done:,}/{self.total:,} iterations, {duration(left)} left", flush=True)


class Bar:
    """A bar that moves as the runs do, each of which says one line, at its end.

    counts: the iterations of each run, in a file: written by the processes that train, read here.
    """

    def __init__(self, runs: Sequence[Run], bar: tqdm, counts: np.ndarray) -> None:
        self.place, self.bar, self.counts, self.finished = {run: k for k, run in enumerate(runs)}, bar, counts, 0
        self.show()

    def progress(self, run: Run) -> NewProgress:
        """What tells how far a run is, in its own process."""
        k = self.place[run]
        return partial(Progress, say=_say_above_the_bar, count=self.counts[k : k + 1])

    def ended(self, run: Run) -> None:
        """Count a run that has its record."""
        self.counts[self.place[run]] = run.iterations  # also where it diverged, or another process trained it
        self.finished += 1
        self.show()

    def show(self) -> None:
        """Draw it as things are now; one thread at a time, or both would add the same iterations."""
        with self.bar.get_lock():
            self._show()

    def _show(self) -> None:
        self.bar.ncols, self.bar.nrows = shutil.get_terminal_size()  # tqdm hides it where the terminal does not say
        self.bar.set_description_str(f"{self.finished} of {len(self.place)} runs", refresh=False)
        if new := int(self.counts.sum()) - self.bar.n:
            self.bar.update(new)
        self.bar.refresh()

    def keep_showing(self, over: threading.Event) -> None:
        """Draw it again and again: as far as the runs are, and below the lines that they print."""
        while not over.wait(SECONDS_BETWEEN_REFRESHES):
            self.show()


@contextmanager
def total(runs: Sequence[Run]) -> Iterator[Lines | Bar]:
    """A Bar where both outputs are a terminal, else Lines: a log is to have all of them, and no bar."""
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        yield Lines(runs)
        return
    iterations = sum(run.iterations for run in runs)
    with (
        TemporaryDirectory() as folder,
        tqdm(total=iterations, bar_format=FORM, smoothing=0.1) as drawn,
    ):
        bar = Bar(runs, drawn, np.memmap(Path(folder, "counts"), np.int64, "w+", shape=len(runs)))
        over = threading.Event()
        shown = threading.Thread(target=bar.keep_showing, args=(over,), daemon=True)
        shown.start()
        try:
            yield bar
        finally:
            over.set()
            shown.join()


def _say_above_the_bar(line: str) -> None:
    """Print a line where the bar is, which its next refresh draws below."""
    print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    print(line, flush=True)
