"""Runs on a real Dask scheduler with two workers, one of them killed in mid-run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from sweeps import SMALL, apart_from_timings

from lab.cli.__main__ import main
from lab.records import store
from lab.sweep import sweep
from lab.sweep.dask import Cluster, connected
from lab.training.device import threads_put_back

HERE = Path(__file__).parent
LONG = replace(SMALL, iterations=40, evaluate_every=20)
RUNS = [LONG, replace(LONG, seed=1), SMALL]


@dataclass
class Dask:
    """A scheduler's address, and what starts a worker for it."""

    address: str
    worker: Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one that all tests use in turn: each takes its workers away at its end."""
    log = tmp_path_factory.mktemp("scheduler") / "log.txt"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    with log.open("w") as out:
        process = subprocess.Popen([*command, *options], stdout=out, stderr=out)
    try:
        yield wait_for(lambda: address_in(log))
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def dask(scheduler: str, tmp_path: Path) -> Iterator[Dask]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CLRLIB_DATA": "digits", "CUDA_VISIBLE_DEVICES": ""}
    environment |= {"CLRLIB_KERNELS": "torch", "PYTHONPATH": str(HERE.parents[1])}
    with ExitStack() as ends:

        def worker(log: str, *more: str, **settings: str) -> "subprocess.Popen[str]":
            command = [sys.executable, "-m", "distributed.cli.dask_worker", scheduler]
            alone = ("--no-nanny", "--no-dashboard", "--nthreads", "1", "--local-directory", str(tmp_path))
            options = more or ("--resources", "run=1")
            command += [*alone, *options, "--preload", str(HERE / "on_worker.py")]
            with (tmp_path / log).open("w") as out:
                process = subprocess.Popen(command, env=environment | settings, stdout=out, stderr=out, text=True)
            ends.callback(process.wait)
            ends.callback(process.kill)
            return process

        yield Dask(scheduler, worker)
    with connected(scheduler) as client:
        wait_for(lambda: not client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.workers)))


def address_in(log: Path) -> str:
    return next((word for word in log.read_text().split() if word.startswith("tcp://127")), "")


def wait_for(look: Callable[[], Any], seconds: float = 120) -> Any:
    """Call look until it returns a true value, and return that."""
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return seen


def kill_when(process: "subprocess.Popen[str]", look: Callable[[], Any]) -> None:
    """Kill it as soon as look finds something; in the end anyhow, for others wait for that."""
    try:
        wait_for(look)
    finally:
        process.kill()
        process.wait(timeout=60)


def begun(results: Path) -> set[str]:
    """The long runs that have a checkpoint in this moment (x.before.pt is the one before of the same run)."""
    names = {path.name.split(".")[0] for path in (results.parent / "checkpoints").glob("*.pt")}
    return names & {run.name for run in RUNS if run.iterations == LONG.iterations}


@pytest.mark.slow
@pytest.mark.parametrize(
    "shared", [pytest.param(True, marks=pytest.mark.promise), False], ids=["shared storage", "none shared"]
)
def test_a_dead_workers_run_is_taken_up_by_the_other(
    shared: bool, dask: Dask, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From its checkpoint on shared storage, else from the start; the records come to the client."""
    client = tmp_path / "client" / "smoke" / "results"
    theirs = [client if shared else tmp_path / f"worker{k}" / "smoke" / "results" for k in (1, 2)]
    go_on = tmp_path / "go on"
    places = [{} if shared else {"ELSEWHERE": str(tmp_path / f"worker{k}")} for k in (1, 2)]
    workers = [dask.worker(f"worker{k}.log", HELD_UNTIL=str(go_on), **places[k - 1]) for k in (1, 2)]
    with Cluster(dask.address) as cluster, ThreadPoolExecutor() as beside:
        wait_for(lambda: cluster.places() == 2)

        killed = beside.submit(kill_when, workers[0], lambda: len(set().union(*map(begun, theirs))) == 2)
        killed.add_done_callback(lambda _: go_on.touch())
        sweep.train_missing(RUNS, client, jobs=1, cluster=cluster)
        killed.result()
    assert workers[0].returncode == -signal.SIGKILL
    names = {run.name for run in RUNS}
    assert {path.stem for path in client.glob("*.json")} == names, "every record came to the client"
    with threads_put_back(), pytest.MonkeyPatch.context() as patch:
        torch.set_num_threads(1)
        patch.setenv("CLRLIB_DATA", "digits")
        patch.setenv("CLRLIB_KERNELS", "torch")
        here = [apart_from_timings(store.load_or_train(run, tmp_path / "here" / "results")) for run in RUNS]
    assert {r.run.name: apart_from_timings(r) for r in store.load_all(client)} == {r.run.name: r for r in here}
    log = (tmp_path / "worker2.log").read_text()
    assert ("goes on from iteration" in log) == shared
    printed = capsys.readouterr().out
    assert "0 of 3 runs are done, 3 to train, 2 at a time" in printed and "total: 92/92 iterations" in printed


@pytest.mark.slow
def test_an_error_of_a_training_comes_to_the_client(
    dask: Dask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even one that cannot be pickled, for which Dask would let the client wait for ever."""
    monkeypatch.setenv("CLRLIB_PRECISION", "bfloat16")
    dask.worker("worker.log", "--resources", "run=1", CLRLIB_KERNELS="slow")
    with Cluster(dask.address) as cluster:
        wait_for(lambda: cluster.places() == 1)
        assert cluster.machine() == torch.device("cpu")
        with pytest.raises(RuntimeError, match=rf"{SMALL.name} failed on a Dask worker: ValueError: CLRLIB_KERNELS is"):
            sweep.train_missing([SMALL], tmp_path / "results", jobs=1, cluster=cluster)


@pytest.mark.slow
def test_a_run_that_kills_its_workers_is_given_up(dask: Dask, tmp_path: Path) -> None:
    """After as many deaths as the scheduler allows; the client does not wait for ever."""
    folder = tmp_path / "smoke" / "results"
    worker = dask.worker("worker.log", HELD_UNTIL=str(tmp_path / "never"))

    def allow(dask_scheduler: Any, deaths: int) -> int:
        before, dask_scheduler.allowed_failures = dask_scheduler.allowed_failures, deaths
        return int(before)

    with Cluster(dask.address) as cluster, ThreadPoolExecutor() as beside:
        wait_for(cluster.places)
        before = cluster.client.run_on_scheduler(allow, deaths=0)
        killed = beside.submit(kill_when, worker, lambda: begun(folder))
        with pytest.raises(RuntimeError, match=rf"{LONG.name} failed on the Dask cluster \(KilledWorker: .*fix that"):
            try:
                sweep.train_missing([LONG], folder, jobs=1, cluster=cluster)
            finally:
                cluster.client.run_on_scheduler(allow, deaths=before)
        killed.result()


@pytest.mark.slow
@pytest.mark.parametrize("resources", [["--name", "silent"], ["--resources", "run=2"]], ids=["none", "two"])
def test_workers_that_do_not_take_one_run_are_refused(
    resources: list[str], dask: Dask, capsys: pytest.CaptureFixture[str]
) -> None:
    """For one that takes none Dask would wait for ever; two in one process would draw from one generator."""
    dask.worker("worker.log", *resources)
    with connected(dask.address) as client:
        client.wait_for_workers(1)
    assert main(["train", "--profile", "smoke", "--engine", "dask", "--scheduler", dask.address]) == 1
    said = capsys.readouterr().err
    assert said == "error: 1 of 1 Dask workers do not take one run at a time; start them with --resources run=1\n"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("--engine dask", "engine is dask without a scheduler; give its address too, as SCHEDULER=tcp://host:8786"),
        ("--scheduler tcp://a:1", "scheduler is 'tcp://a:1', but the engine is local; give ENGINE=dask too"),
        ("--engine dask --scheduler tcp://a:1 --budget 5m", "BUDGET and JOBS are for this machine alone; leave them"),
        ("--engine dask --scheduler tcp://127.0.0.1:9", "no Dask scheduler answers at 'tcp://127.0.0.1:9'; start one"),
        ("--engine dask --scheduler ftp://a:1", "no Dask scheduler answers at 'ftp://a:1'; start one with `dask"),
        ("--engine ray", "argument --engine: invalid choice: 'ray' (choose from 'local', 'dask')"),
    ],
)
def test_an_engine_that_cannot_be_is_one_sentence(
    options: str, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lab.sweep.dask.SECONDS_TO_ANSWER", 0.5)
    assert main(["train", "--profile", "smoke", *options.split()]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: {says}") and said.count("\n") == 1


@pytest.mark.parametrize("stands_still", [1, 9])
def test_a_machine_that_stands_still_gets_new_tries_and_then_one_sentence(
    stands_still: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dask itself raises a bare AssertionError."""
    tries: list[str] = []

    def client(address: str, **_: object) -> str:
        tries.append(address)
        assert len(tries) > stands_still
        return "connected"

    monkeypatch.setattr("lab.sweep.dask.Client", client)
    if stands_still == 1:
        assert connected("tcp://a:1") == "connected"
        return
    with pytest.raises(RuntimeError, match="Dask's client did not start in 3 tries; close other programs and call"):
        connected("tcp://a:1")
    assert len(tries) == 3
