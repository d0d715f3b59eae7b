"""The forecast of a sweep: steps by a clock that we turn, and what a run makes of them."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from clrlib import Fixed
from lab import paths
from lab.data import image_sets
from lab.experiments.run import Run
from lab.records import store
from lab.sweep import estimate, sweep

RUN = Run("fixed", Fixed(0.001), 7, profile="quick", data="digits", batch=5, evaluate_every=3)


@pytest.mark.parametrize(("each", "steps"), [(0.2, 3), (2.0, 2)])
def test_a_step_is_timed_after_a_first_one_and_long_enough(
    each: float, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first takes a minute and does not count."""
    clock = SimpleNamespace(perf_counter=lambda: clock.now, now=0.0, called=0)
    monkeypatch.setattr(estimate, "time", clock)

    def step() -> None:
        clock.called += 1
        clock.now += each if clock.called > 1 else 60.0

    assert estimate._timed(step) == pytest.approx(each) and clock.called == 1 + steps


@pytest.mark.parametrize(("test_on", "tested"), [("test", 360), ("validation", 143)])
def test_a_run_takes_its_iterations_and_its_evaluations(test_on: str, tested: int) -> None:
    images = image_sets.load("digits")
    run = replace(RUN, test_on=test_on)
    assert estimate.seconds(run, 2.0, 0.5, images) == 7 * 2.0 + 3 * tested * 0.5, "after 3, 6 and 7 iterations"


def test_each_kind_is_measured_once_and_in_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [RUN, replace(RUN, seed=1), replace(RUN, batch=10), replace(RUN, optimizer="caffe_adam", iterations=14)]
    asked = []

    def steps(run: Run, images: image_sets.Images) -> tuple[float, float]:
        asked.append(run)
        return float(run.batch), 0.0

    monkeypatch.setattr(estimate, "steps", steps)
    measured = estimate.measured(runs, jobs=1)
    assert len(asked) == 2 and measured == dict(zip(runs, (35.0, 35.0, 70.0, 70.0), strict=True))


def test_a_sweep_says_first_how_long_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By real steps of a real net: a number of seconds, and the budget where that is less."""
    monkeypatch.setenv("CLRLIB_KERNELS", "torch")
    ended, folder = [], tmp_path / "results"
    sweep.train_missing([RUN], folder, 1, forecast=True, ended=lambda record, say: ended.append(record))
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first == "0 of 1 runs are done, 1 to train, 1 at a time" and second.startswith("training takes about ")
    assert ended == store.load_all(folder)
    took = estimate.measured([RUN], jobs=1)[RUN]
    assert 0 < took < 60
    monkeypatch.setattr(estimate, "measured", lambda runs, jobs: dict.fromkeys(runs, 3600.0))
    begun = replace(RUN, seed=1)
    paths.checkpoint(begun.name, folder).parent.mkdir()
    paths.checkpoint(begun.name, folder).write_bytes(b"not whole")
    sweep.train_missing([begun], folder, 1, budget=600.0, forecast=True)
    assert "training takes about 10 min, less what its checkpoints have done\n" in capsys.readouterr().out
