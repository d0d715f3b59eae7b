"""The bar of a sweep on a terminal, and that a log has none."""

import io
import os
import pty
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from joblib.externals.loky import get_reusable_executor
from tqdm import tqdm

from clrlib import Fixed
from lab.experiments.run import Run
from lab.lines import duration
from lab.records import store
from lab.records.record import Record
from lab.sweep import sweep, total
from lab.sweep.total import Bar, Counts, Lines

RUNS = [
    Run("fixed", Fixed(0.001), iterations, seed, profile="smoke", data="digits", batch=5, evaluate_every=2)
    for seed, iterations in enumerate((6, 4))
]
END = b"\0"
CLEARED = "\r\x1b[K"


@contextmanager
def a_terminal() -> Iterator[bytearray]:
    """Both outputs, here and in the processes that are started, are a terminal; what it is sent, whole at the end."""
    ours, theirs = pty.openpty()
    sent = bytearray()

    def read() -> None:
        while not sent.endswith(END):
            sent.extend(os.read(ours, 4096))

    reader = threading.Thread(target=read)
    reader.start()
    kept = [(number, os.dup(number)) for number in (1, 2)]
    try:
        for number, _ in kept:
            os.dup2(theirs, number)
        os.close(theirs)
        with (
            open(1, "w", closefd=False) as out,
            open(2, "w", closefd=False) as err,
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            yield sent
    finally:
        os.write(1, END)  # nor would it be closed: joblib starts a process that stays
        for number, original in kept:
            os.dup2(original, number)
            os.close(original)
        get_reusable_executor().shutdown(wait=True, kill_workers=True)
        reader.join()
        os.close(ours)


@pytest.mark.slow
def test_a_terminal_shows_one_line_a_run_and_a_bar_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CUDA_VISIBLE_DEVICES": "", "CLRLIB_DEVICE": "cpu", "CLRLIB_KERNELS": "torch"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sweep.joblib, "cpu_count", lambda only_physical_cores: 1)
    with a_terminal() as received:
        sweep.train_missing(RUNS, tmp_path / "results", jobs=2)
    sent = received.removesuffix(END).decode()
    assert len(store.load_all(tmp_path / "results")) == 2
    first, *lines = sent.split("\r\n")
    assert first == "0 of 2 runs are done, 2 to train, 2 at a time"
    ended = [line.rpartition(CLEARED)[2] for line in lines if " it  " in line]
    assert len(ended) == 2 and all(re.fullmatch(r"fixed +seed \d +\d/\d it .* done in .*", line) for line in ended)
    bars = [part for part in sent.split("\r") if " iterations" in part]
    assert bars[0].startswith("  0 %, 0 of 2 runs, ? left |") and "| 0/10 iterations" in bars[0]
    assert bars[-1].startswith("100 %, 2 of 2 runs, 0 s left |") and "| 10/10 iterations" in bars[-1]
    assert sent.endswith("iterations\r\n"), "what comes next begins a line"
    assert re.findall(r"\x1b\[[^K]*", sent) == ["\x1b["] * sent.count(CLEARED), "a line is cleared; no colours"


def record(run: Run, diverged_at: int | None = None) -> Record:
    return SimpleNamespace(run=run, diverged_at=diverged_at)  # type: ignore[return-value]


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


def test_measured_costs_weigh_the_iterations_and_are_trusted_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """6 iterations of 10 s and 4 of 60 s, two at a time: the longer one, corrected by what this sitting takes."""
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=0.0)
    monkeypatch.setattr(total, "time", clock)
    counts = Counts(RUNS, np.zeros((2, 2), np.int64), dict(zip(RUNS, (60.0, 240.0), strict=True)), at_a_time=2)
    assert counts.left() == duration(240)
    clock.now = 90.0  # twice 90 s for 60 s and one of 60 s
    counts.of(RUNS[1])[0] = 1
    counts.ended(record(RUNS[0]))
    assert counts.left() == duration(180 * (2 * 90 + 120) / (60 + 60 + 120))
    clock.now = 180.0  # alone
    counts.of(RUNS[1])[0] = 2
    assert counts.left() == duration(120 * (3 * 90 + 120) / (60 + 2 * 60 + 120))


def test_a_line_of_somebody_elses_stands_above_the_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with tqdm(total=10, bar_format=total.FORM, file=io.StringIO()) as inner:
        Bar(Counts(RUNS, np.zeros((2, 2), np.int64)), inner).say("here")
    Lines(Counts(RUNS, np.zeros((2, 2), np.int64))).say("there")
    assert capsys.readouterr().out == f"{CLEARED}here\nthere\n"


def test_two_threads_do_not_count_the_same_iterations_twice() -> None:
    """The bar's own thread and the one whose run has ended; of more than the total tqdm could draw nothing."""
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


def test_forty_columns_show_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    drawn = io.StringIO()
    many = [replace(RUNS[0], seed=seed, iterations=10**6) for seed in range(120)]
    with tqdm(total=120 * 10**6, bar_format=total.FORM, file=drawn) as inner:
        bar = Bar(Counts(many, np.ones((120, 2), np.int64)), inner)
        bar.finished = 110
        monkeypatch.setattr(bar.counts, "left", lambda: "21 h 17 min")
        bar.show()
    *_, last = drawn.getvalue().rstrip().split("\r")
    assert len(last.rstrip()) <= 40 and "110 of 120 runs, 21 h 17 min" in last


@pytest.mark.parametrize(
    ("out", "err", "term", "drawn"),
    [(True, True, "xterm", True), (True, True, "dumb", False), (True, False, "xterm", False), (False, True, "", False)],
)
def test_only_where_all_goes_to_a_terminal(
    monkeypatch: pytest.MonkeyPatch, out: bool, err: bool, term: str, drawn: bool
) -> None:
    monkeypatch.setenv("TERM", term)
    for name, is_terminal in (("stdout", out), ("stderr", err)):
        stream = io.StringIO()
        monkeypatch.setattr(stream, "isatty", lambda is_terminal=is_terminal: is_terminal)
        monkeypatch.setattr(sys, name, stream)
    with total.total(RUNS) as shown:
        assert isinstance(shown, Bar if drawn else Lines)
