"""The bar of a sweep on a terminal, and that a log has none."""

import io
import re
import sys
import threading
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest
from tqdm import tqdm

from clrlib import Fixed
from lab.experiments.run import Run
from lab.lines import duration
from lab.records.record import Record
from lab.sweep import total
from lab.sweep.total import Bar, Counts, Lines

RUNS = [
    Run("fixed", Fixed(0.001), iterations, seed, profile="smoke", data="digits", batch=5, evaluate_every=2)
    for seed, iterations in enumerate((6, 4))
]


def record(run: Run, diverged_at: int | None = None) -> Record:
    return SimpleNamespace(run=run, diverged_at=diverged_at)  # type: ignore[return-value]


@pytest.mark.parametrize(("out", "err"), [(True, True), (True, False), (False, True)])
def test_a_terminal_shows_a_line_for_each_run_and_a_bar_below(
    monkeypatch: pytest.MonkeyPatch, out: bool, err: bool
) -> None:
    """Unless both outputs are a terminal, there are lines alone."""
    monkeypatch.setenv("COLUMNS", "100")
    sent = io.StringIO()
    for name, is_terminal in (("stdout", out), ("stderr", err)):
        stream = SimpleNamespace(write=sent.write, flush=sent.flush, isatty=lambda is_terminal=is_terminal: is_terminal)
        monkeypatch.setattr(sys, name, stream)
    with total.total(RUNS) as shown:
        assert isinstance(shown, Bar if out and err else Lines)
        for run in RUNS:
            curves = {"test_accuracy": [0.5]}
            ended = SimpleNamespace(run=run, done=run.iterations, curves=curves, seconds=1.0, diverged_at=None)
            shown.progress(run)()(ended)
            shown.ended(record(run))
    lines = sent.getvalue().splitlines()
    ends = [line.rpartition("\x1b[K")[2] for line in lines if " it  " in line]
    assert len(ends) == 2 and all(re.fullmatch(r"fixed +seed \d +\d/\d it .* done in .*", line) for line in ends)
    bars = [line for line in re.split(r"[\r\n]+", sent.getvalue()) if line.startswith("total:")]
    if out and err:
        assert bars[0].startswith("total:   0 %|") and "| 0/10 iterations, 0 of 2 runs, ? left" in bars[1]
        assert bars[-1].startswith("total: 100 %|") and "| 10/10 iterations, 2 of 2 runs, 0 s left" in bars[-1]
        assert sent.getvalue().endswith("left\n"), "the next output begins a line"
    else:
        assert len(bars) == 2 and bars[-1] == "total: 10/10 iterations, 0 s left" and "\r" not in sent.getvalue()


def test_the_time_left_is_by_what_this_sitting_did(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=0.0)
    monkeypatch.setattr(total, "time", clock)
    counts = Counts(RUNS, np.zeros((2, 2), np.int64))
    assert counts.left() == "?", "nothing is done yet"
    clock.now = 20.0
    counts.of(RUNS[0])[:] = 4, 2  # two were done before
    assert (counts.done(), counts.left()) == (4, duration((2 + 4) * 10))
    counts.ended(record(RUNS[0], diverged_at=4))
    assert (counts.done(), counts.left()) == (6, duration(4 * 10)), "what it left out was no work"
    counts.ended(record(RUNS[1]))
    assert (counts.done(), counts.left()) == (10, "0 s")


def test_two_threads_do_not_count_the_same_iterations_twice() -> None:
    """The bar's thread and the one whose run has ended; beyond its total tqdm could draw nothing."""
    with tqdm(total=100, bar_format=total.FORM, file=io.StringIO()) as inner:
        counts = np.zeros((2, 2), np.int64)
        bar = Bar(Counts(RUNS, counts), inner)
        both, update, counts[0, 0] = threading.Barrier(2), inner.update, 10

        def late(new: int) -> None:
            with suppress(threading.BrokenBarrierError):
                both.wait(0.2)
            update(new)

        inner.update = late
        threads = [threading.Thread(target=bar.show) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert inner.n == 10
