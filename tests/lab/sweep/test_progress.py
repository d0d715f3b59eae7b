"""The lines printed while a training runs, with a clock set by hand."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from clrlib import Fixed
from lab.experiments.run import Run
from lab.sweep import progress
from lab.sweep.progress import Progress


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def training(done: int, accuracy: float = 0.5, seconds: float = 100.0, diverged_at: int | None = None) -> Any:
    run = Run("clr-table2", Fixed(0.1), iterations=25_000, seed=3)
    curves = {"test_accuracy": [0.1, accuracy] if done else []}
    return SimpleNamespace(run=run, done=done, curves=curves, seconds=seconds, diverged_at=diverged_at)


def test_a_line_now_and_then_with_the_time_left(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    report = Progress()
    lines = []
    for seconds, done in ((5, 500), (5, 1000), (6, 1600), (10, 2600), (5, 3100)):
        clock.now += seconds
        report(training(done, accuracy=0.423))
        lines.append(capsys.readouterr().out)
    assert lines == [
        "",
        "",
        "clr-table2       seed 3   1,600/25,000 it   42.3 %  100.0 it/s  4 min left\n",
        "",
        "clr-table2       seed 3   3,100/25,000 it   42.3 %  100.0 it/s  4 min left\n",
    ]


def test_a_resumed_training_is_timed_from_where_it_was_taken_up(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    report = Progress()
    clock.now += 20
    report(training(20_000, seconds=400))
    assert "20,000/25,000 it   50.0 %  50.0 it/s\n" in capsys.readouterr().out  # nothing to measure yet but the past
    clock.now += 20
    report(training(20_400))
    assert "20.0 it/s  4 min left" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("ended", "says"),
    [
        (training(25_000, accuracy=0.8141, seconds=4000), "25,000/25,000 it   81.4 %  done in 1 h 07 min\n"),
        (training(500, diverged_at=523), "   500/25,000 it  diverged at iteration 523\n"),
        (training(0, diverged_at=2), "     0/25,000 it  diverged at iteration 2\n"),  # before the first evaluation
    ],
)
def test_the_end_is_always_printed(clock: Clock, ended: Any, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    Progress()(ended)
    assert capsys.readouterr().out == f"clr-table2       seed 3  {says}"


def test_beside_a_bar_the_end_alone_is_printed(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    count = np.zeros(2, np.int64)
    report = Progress(often=False, count=count)
    for done in (500, 1000, 25_000):
        clock.now += 20
        report(training(done))
        assert [*count] == [done, 0]
    assert capsys.readouterr().out == "clr-table2       seed 3  25,000/25,000 it   50.0 %  done in 2 min\n"


def test_what_was_done_before_is_counted_apart() -> None:
    """By whole evaluations: the first report is of the first evaluation after the checkpoint."""
    count = np.zeros(2, np.int64)
    report = Progress(count=count)
    for done in (20_000, 20_500):
        report(training(done))
        assert [*count] == [done, 20_000 - training(0).run.evaluate_every]
