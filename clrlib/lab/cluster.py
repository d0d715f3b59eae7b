"""A Dask cluster as the place where runs are trained (docs/clusters.md)."""

import traceback
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import joblib
import torch
from distributed import Client, get_worker
from distributed.worker import print as print_at_the_client
from joblib._dask import DaskDistributedBackend

from clrlib.lab import device, store
from clrlib.lab.errors import sentence
from clrlib.lab.files import Busy
from clrlib.lab.progress import Progress
from clrlib.lab.runs import Record, Run
from clrlib.lab.sweep import Outcome

ONE_RUN = {"run": 1}  # a worker says how many trainings it takes at a time: --resources run=1
SECONDS_TO_ANSWER = 20


class Cluster:
    """The workers of a Dask scheduler, at an address such as tcp://host:8786. Raises OSError where none answers.

    Work goes to workers that were started with --resources run=1, one run for each. Where a worker dies, Dask hands its
    run to another.
    """

    def __init__(self, scheduler: str) -> None:
        try:
            self.client = Client(scheduler, timeout=SECONDS_TO_ANSWER, set_as_default=False)
        except (OSError, ValueError) as error:
            mend = "start one with `dask scheduler` and give the address that it prints"
            raise OSError(f"no Dask scheduler answers at {scheduler!r}; {mend}") from error
        workers = self._workers()
        if workers and not self.places():
            self.client.close()
            raise ValueError(
                f"none of {len(workers)} Dask workers says how many runs it takes; start them with --resources run=1"
            )

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.client.close()

    def places(self) -> int:
        """How many runs are trained at a time, by the workers that are there now."""
        return sum(int(worker["resources"].get("run", 0)) for worker in self._workers())

    def _workers(self) -> list[dict[str, Any]]:
        return list(self.client.scheduler_info(n_workers=-1)["workers"].values())

    def machine(self) -> tuple[torch.device, str]:
        """The device and the precision of a worker; waits until there is one."""
        if not self.places():
            print("the Dask cluster has no worker yet; waiting for one", flush=True)
        found: tuple[torch.device, str] = self.client.submit(
            device.pick_machine, resources=ONE_RUN, pure=False
        ).result()
        return found

    def train(self, runs: Sequence[Run], folder: Path, wait: bool) -> Iterator[Outcome]:
        """Each run and its record, or Busy, as they come."""
        with joblib.parallel_config(backend=_Backend(client=self.client, resources=ONE_RUN)):
            # pre_dispatch: a worker that comes later finds work too
            parallel = joblib.Parallel(batch_size=1, pre_dispatch="all", return_as="generator_unordered")
            for run, outcome in parallel(joblib.delayed(_train)(run, folder, wait) for run in runs):
                if isinstance(outcome, str):
                    raise RuntimeError(f"{run.name} failed on a Dask worker: {outcome}")
                yield run, outcome


class _Backend(DaskDistributedBackend):  # type: ignore[misc]
    """joblib's, also where the cluster has one place: joblib would then train here, or at none refuse."""

    def effective_n_jobs(self, n_jobs: int) -> int:
        return 2  # whatever it is: all runs are handed to the scheduler at once


def _train(run: Run, folder: Path, wait: bool) -> tuple[Run, Record | type[Busy] | str]:
    """On a worker. folder: the client's, used where this machine has it too, else the worker's own.

    Where the folder is shared, the checkpoint of a worker that died is taken up; else the run begins anew. What went
    wrong comes back as a sentence: the client would wait for ever for an exception that cannot be pickled.
    """
    torch.set_num_threads(get_worker().state.nthreads)
    here = folder if folder.is_dir() else store.folder(run.profile)
    try:
        return run, store.load_or_train(run, here, wait=wait, progress=partial(Progress, say=print_at_the_client))
    except Busy:
        return run, Busy
    except Exception as error:  # whatever it is, it is told to the client; the worker's own log has the traceback
        traceback.print_exc()
        return run, f"{type(error).__name__}: {sentence(error)}"
