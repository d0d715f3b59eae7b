"""A Dask cluster as the place where runs are trained (docs/clusters.md)."""

import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from distributed import Client, as_completed, get_worker
from distributed.worker import print as print_at_the_client

from lab import paths
from lab.errors import sentence
from lab.experiments.run import Run
from lab.files import Busy
from lab.records import store
from lab.records.record import Record
from lab.sweep.outcome import Outcome
from lab.sweep.progress import Progress
from lab.training import device

ONE_RUN = {"run": 1}  # what a run needs of a worker, and all that a worker has: --resources run=1
SECONDS_TO_ANSWER = 20
TRIES = 3
_training = threading.Lock()  # two runs in one process would draw from one generator


class Cluster:
    """The workers of a Dask scheduler, at an address such as tcp://host:8786.

    Work goes to workers that were started with --resources run=1. If one dies, Dask hands its run to another.
    Raises OSError where no scheduler answers, RuntimeError as connected does, and ValueError where a worker does not
    take exactly one run at a time.
    """

    def __init__(self, scheduler: str) -> None:
        try:
            self.client = connected(scheduler)
        except (OSError, ValueError) as error:
            fix = "start one with `dask scheduler` and give the address that it prints"
            raise OSError(f"no Dask scheduler answers at {scheduler!r}; {fix}") from error
        try:
            self._check()
        except ValueError:
            self.client.close()
            raise

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.client.close()

    def places(self) -> int:
        """The number of runs that the present workers train at a time."""
        return sum(worker["resources"].get("run") == 1 for worker in self._workers().values())

    def _workers(self) -> dict[str, dict[str, Any]]:
        return dict(self.client.scheduler_info(n_workers=-1)["workers"])

    def _check(self) -> None:
        runs = [worker["resources"].get("run", 0) for worker in self._workers().values()]
        if runs and (max(runs) > 1 or not any(runs)):
            wrong = sum(number != 1 for number in runs)
            raise ValueError(
                f"{wrong} of {len(runs)} Dask workers do not take one run at a time; start them with --resources run=1"
            )

    def machine(self) -> torch.device:
        """The device of a worker; waits for the first worker."""
        if not self._workers():
            print("the Dask cluster has no worker yet; waiting for one", flush=True)
            self.client.wait_for_workers(1)
        self._check()
        one = next(iter(self._workers()))
        try:
            devices: dict[str, torch.device] = self.client.run(device.pick_device, workers=[one])
        except Exception as error:  # whatever its environment lacks
            raise RuntimeError(f"the Dask worker {one} cannot train ({sentence(error)}); fix it") from error
        return devices[one]

    def train(self, runs: Sequence[Run], folder: Path, wait: bool) -> Iterator[Outcome]:
        """Yield each run with its record, or Busy, as it ends. Raises RuntimeError for a run that failed."""
        submitted = {self.client.submit(_train, run, folder, wait, resources=ONE_RUN, pure=False): run for run in runs}
        with self.client.as_current():
            finished = as_completed([*submitted])
        for future in finished:
            run = submitted.pop(future)
            try:
                outcome = future.result()
            except Exception as error:  # its worker died again and again, the scheduler went, the versions differ
                what = f"{type(error).__name__}: {sentence(error)}"
                raise RuntimeError(
                    f"{run.name} failed on the Dask cluster ({what}); fix that and call again"
                ) from error
            if isinstance(outcome, str):
                raise RuntimeError(f"{run.name} failed on a Dask worker: {outcome}")
            yield run, outcome


def connected(scheduler: str) -> Client:
    """A client of the scheduler. Raises OSError or ValueError where it does not answer, RuntimeError where the client
    does not start.

    If the machine stalls for ten seconds, Dask's client fails with a bare AssertionError: so it is tried again.
    """
    for _ in range(TRIES):
        with suppress(AssertionError):
            return Client(scheduler, timeout=SECONDS_TO_ANSWER, set_as_default=False)
    raise RuntimeError(f"Dask's client did not start in {TRIES} tries; close other programs and call again")


def _train(run: Run, folder: Path, wait: bool) -> Record | type[Busy] | str:
    """Train a run on a worker. An error comes back as a sentence, since not every exception can be pickled."""
    if not _training.acquire(blocking=False):
        return "the worker trains another run already; start it with --resources run=1"
    try:
        torch.set_num_threads(get_worker().state.nthreads)
        report = partial(Progress, say=print_at_the_client)
        return store.load_or_train(run, _place(run, folder), wait=wait, report=report)
    except Busy:
        return Busy
    except Exception as error:  # whatever it is, it is told to the client; the worker's own log has the traceback
        traceback.print_exc()
        return f"{type(error).__name__}: {sentence(error)}"
    finally:
        _training.release()


def _place(run: Run, folder: Path) -> Path:
    """The client's folder if this machine shares it, so that a dead worker's checkpoint is used; else a local one."""
    return folder if folder.is_dir() else paths.records(run.profile)
