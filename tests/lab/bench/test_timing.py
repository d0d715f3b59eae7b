"""Timing in separate processes: the timings that come back, side by side too, and a failure."""

import os
import sys
import time
from collections.abc import Callable

import pytest
import torch

from lab.bench.timing import Contender, time_all

pytestmark = pytest.mark.slow


def sleeper(seconds: float) -> Callable[[int], None]:
    assert torch.get_num_threads() == 1 and os.environ["BENCH_MARK"] == "here"
    return lambda t: time.sleep(seconds)


def idler() -> Callable[[int], None]:
    return lambda t: None


def broken() -> Callable[[int], None]:
    raise OSError("a test of the bench")


def test_two_sleepers_make_twice_the_iterations_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    mark = {"BENCH_MARK": "here"}
    rows = [Contender(f"{n}", sleeper, (0.1,), 1, n, mark, warm_up=1, chunk=2, chunks=3) for n in (1, 2)]
    timings = time_all(rows, rounds=1)
    assert set(timings) == {"1", "2"} and "BENCH_MARK" not in os.environ
    for processes, timing in zip((1, 2), timings.values(), strict=True):
        assert timing.milliseconds >= 100  # sleep promises no less
        assert timing.rate == pytest.approx(processes * 1000 / timing.milliseconds, rel=0.5)
        assert timing.memory > 50
    assert "round 1/1" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="only there a process starts with its parent's peak")
def test_memory_is_the_process_own_and_not_its_parents() -> None:
    held = torch.ones(2**28)  # 1 GiB here
    (timing,) = time_all([Contender("idle", idler, warm_up=0, chunk=1, chunks=1)], rounds=1).values()
    assert held.nbytes == 2**30 and timing.memory < 1000


def test_a_process_that_fails_ends_the_bench() -> None:
    with pytest.raises(RuntimeError, match="a process of the bench failed"):
        time_all([Contender("broken", broken)], rounds=1)
