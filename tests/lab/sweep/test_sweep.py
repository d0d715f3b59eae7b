"""Many runs: only what is missing is trained, and how many at a time changes no number."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from joblib.externals.loky import get_reusable_executor

from clrlib import Fixed, Triangular
from lab.experiments.run import Run
from lab.records import store
from lab.records.record import Record
from lab.records.trainer import OutOfTime
from lab.sweep import sweep
from lab.sweep.sweep import default_jobs, train_missing

RUNS = [
    Run("fixed", Fixed(0.001), 3, seed=0, profile="smoke", data="digits", batch=5, evaluate_every=2),
    Run("clr", Triangular(0.001, 0.003, 2), 3, seed=0, profile="smoke", data="digits", batch=5, evaluate_every=3),
    Run("clr", Triangular(0.001, 0.003, 2), 2, seed=1, profile="smoke", data="digits", batch=5, evaluate_every=2),
]


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Here and in the processes that are started: a GPU need not give the same digits twice."""
    monkeypatch.setattr(store.device, "pick_device", lambda: torch.device("cpu"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    store._images.cache_clear()
    yield
    store._images.cache_clear()


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever this machine has; afterwards torch has its threads again."""
    threads = torch.get_num_threads()
    monkeypatch.setattr(sweep.joblib, "cpu_count", lambda only_physical_cores: 2)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def one_thread_each(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As many cores as jobs, so that every run has one thread: sums in another order would differ in the last digit."""
    monkeypatch.setattr(sweep.joblib, "cpu_count", lambda only_physical_cores: 1)
    yield
    get_reusable_executor().shutdown(wait=True, kill_workers=True)


def records(folder: Path) -> list[Record]:
    """All in a folder, apart from timings."""
    return [replace(r, seconds=0.0, iterations_per_second=None, peak_memory={}) for r in store.load_all(folder)]


@pytest.mark.slow
@pytest.mark.promise
def test_one_or_two_at_a_time_give_the_same_records(
    tmp_path: Path, one_thread_each: None, capfd: pytest.CaptureFixture[str]
) -> None:
    for jobs in (1, 2):
        train_missing(RUNS, tmp_path / str(jobs), jobs)
    one, two = (records(tmp_path / str(jobs)) for jobs in (1, 2))
    assert one == two and {record.run.name for record in one} == {run.name for run in RUNS}
    assert {record.machine["threads"] for record in two} == {1}
    out, err = capfd.readouterr()
    assert out.count("done in ") == out.count("total: ") == 2 * len(RUNS)
    assert (out + err).replace("\n", "").isprintable(), "a log has no control characters"


def test_only_what_is_missing_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store.load_or_train(RUNS[1], tmp_path)
    done = tmp_path / f"{RUNS[1].name}.json"
    before = done.read_bytes(), done.stat().st_mtime_ns
    trained, train = [], store.train
    monkeypatch.setattr(store, "train", lambda run, *rest: (trained.append(run), train(run, *rest))[1])
    capsys.readouterr()

    train_missing(RUNS, tmp_path, jobs=1)
    assert trained == [RUNS[0], RUNS[2]]
    assert (done.read_bytes(), done.stat().st_mtime_ns) == before
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1 of 3 runs are done, 2 to train, 1 at a time"
    totals = [line for line in lines if line.startswith("total: ")]
    assert totals[0].startswith("total: 3/5 iterations, ") and totals[1] == "total: 5/5 iterations, 0 s left"

    train_missing(RUNS, tmp_path, jobs=1)
    assert len(trained) == 2
    assert capsys.readouterr().out == "3 of 3 runs are done, 0 to train, 1 at a time\n"


def test_a_broken_record_stops_the_sweep_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "train", None)
    (tmp_path / f"{RUNS[2].name}.json").write_text("{}")
    with pytest.raises(ValueError, match=f"{RUNS[2].name}.json is not a whole record"):
        train_missing(RUNS, tmp_path, jobs=1)


@pytest.mark.parametrize(
    ("cores", "jobs", "groups", "says"),
    [
        (4, 1, [(1, [4, 4, 4, 4])], "1 at a time"),
        (4, 3, [(3, [1, 1, 1, 1])], "3 at a time"),
        (4, 8, [(4, [1, 1, 1, 1])], "at a time"),  # no more processes than runs
        (1, 1, [(1, [1, 1, 1, 1])], "1 at a time"),
        (4, {"digits": 2, "small": 2, "large": 1}, [(2, [2, 2]), (1, [4, 4])], "2, then 1 at a time"),
    ],
)
def test_the_cores_are_shared_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cores: int,
    jobs: int | dict[str, int],
    groups: list[tuple[int, list[int]]],
    says: str,
) -> None:
    """Runs of which as many go at a time are one group, whatever their images; each group has all of the cores."""
    seen: list[tuple[int, list[int]]] = []

    class Parallel:
        def __init__(self, n_jobs: int, **_: object) -> None:
            self.n_jobs = n_jobs

        def __call__(self, work: Iterator[Any]) -> Iterator[Any]:
            given = [arguments for _, arguments, _ in work]
            seen.append((self.n_jobs, [threads for _, _, threads, *_ in given]))
            yield from ((run, OutOfTime) for run, *_ in given)

    monkeypatch.setattr(sweep.joblib, "cpu_count", lambda only_physical_cores: cores)
    monkeypatch.setattr(sweep.joblib, "Parallel", Parallel)
    images = ("digits", "large", "small", "large")
    train_missing([replace(RUNS[0], data=data, seed=seed) for seed, data in enumerate(images)], tmp_path, jobs)
    assert seen == groups and says in capsys.readouterr().out


def test_taken_up_again_the_last_run_has_the_threads_that_it_would_have_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, two_cores: None
) -> None:
    """Two at a time on two cores are one thread each, also where only one run is left to train."""
    parallel = sweep.joblib.Parallel
    one = SimpleNamespace(Parallel=lambda n_jobs, **more: parallel(n_jobs=1, **more), delayed=sweep.joblib.delayed)
    one.cpu_count = sweep.joblib.cpu_count
    monkeypatch.setattr(sweep, "joblib", one)  # not joblib itself: scikit-learn makes a subclass of its Parallel
    train_missing(RUNS, tmp_path / "undisturbed", jobs=2)
    for record in store.load_all(tmp_path / "undisturbed"):
        if record.run != RUNS[2]:
            store.save(record, tmp_path / "killed")
    train_missing(RUNS, tmp_path / "killed", jobs=2)
    undisturbed, killed = (records(tmp_path / name) for name in ("undisturbed", "killed"))
    assert killed == undisturbed and [record.machine["threads"] for record in killed] == [1, 1, 1]


def test_one_run_at_a_time_on_a_gpu_and_one_a_core_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_jobs(torch.device("cpu")) >= 1
    monkeypatch.setattr(sweep.psutil, "virtual_memory", lambda: SimpleNamespace(total=2**40))
    monkeypatch.setattr(sweep.joblib, "cpu_count", lambda only_physical_cores: 6 if only_physical_cores else 12)
    assert default_jobs(torch.device("cuda")) == 1
    assert default_jobs(torch.device("cpu")) == 6
    assert default_jobs(torch.device("cpu"), "imagenet") == 1, "it is decoded by all cores"
    monkeypatch.setattr(sweep.psutil, "virtual_memory", lambda: SimpleNamespace(total=4 * sweep.BYTES_A_RUN + 1))
    assert default_jobs(torch.device("cpu")) == default_jobs(torch.device("cpu"), "cifar100") == 4
    assert default_jobs(torch.device("cpu"), "imagenette") == 1, "larger images and nets"
    monkeypatch.setattr(sweep.psutil, "virtual_memory", lambda: SimpleNamespace(total=1))
    assert default_jobs(torch.device("cpu")) == 1


def test_when_the_time_is_up_what_is_done_stays_and_the_rest_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before a run is begun, or in the middle of it."""

    def stopped(*_: object) -> None:
        raise OutOfTime("in its middle")

    train_missing(RUNS[:1], tmp_path, jobs=1)
    for budget, load_or_train in ((0.0, store.load_or_train), (600.0, stopped)):
        with monkeypatch.context() as patch:
            patch.setattr(store, "load_or_train", load_or_train)
            train_missing(RUNS, tmp_path, jobs=1, budget=budget)
        assert "time is up: 2 runs are not finished; the same command goes on from here" in capsys.readouterr().out
    assert [record.run for record in store.load_all(tmp_path)] == RUNS[:1]
    train_missing(RUNS, tmp_path, jobs=1, budget=600.0)
    assert len(store.load_all(tmp_path)) == len(RUNS) and "time is up" not in capsys.readouterr().out
