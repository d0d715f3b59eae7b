"""Records as pandas tables of numbers and words, for notebooks to group and to plot."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab import paths
from lab.records import store
from lab.records.record import Record

if TYPE_CHECKING:
    import pandas as pd

SETTINGS = ("experiment", "seed", "profile", "data", "net", "optimizer", "batch", "order", "precision", "test_on")
MEASURED = ("iteration", "lr", "test_accuracy", "test_loss", "train_loss")


def frame(records: Sequence[Record] | None = None) -> "pd.DataFrame":
    """One row for each record; by default for those in results/.

    name: of the record's file. policy: its class. iterations: of the whole run. accuracy: in percent, at its end; NaN
    where it diverged, which pandas leaves out of means and counts. diverged_at: iteration, else <NA>. seconds: wall
    time. memory: peak of the process in bytes, <NA> where unknown. commit: of the last sitting, missing outside a
    checkout. Rows may be averaged that agree in profile, data_sha256, test_on, device and precision.

    >>> frame().groupby("experiment").accuracy.agg(["mean", "std", "count"]).columns.tolist()
    ['mean', 'std', 'count']
    """
    import pandas as pd  # here, as below: the processes that train have no use for it

    records = _published() if records is None else records
    runs = [record.run for record in records]
    return pd.DataFrame(
        {
            "name": [run.name for run in runs],
            **{setting: [getattr(run, setting) for run in runs] for setting in SETTINGS},
            "policy": [type(run.policy).__name__ for run in runs],
            "iterations": [run.iterations for run in runs],
            "accuracy": [100 * record.accuracy for record in records],
            "diverged_at": pd.array([record.diverged_at for record in records], dtype="Int64"),
            "seconds": [record.seconds for record in records],
            "memory": pd.array([record.peak_memory["process"] for record in records], dtype="Int64"),
            "device": [record.machine["device"] for record in records],
            "machine": [record.machine["name"] for record in records],
            "kernels": [record.machine["kernels"] for record in records],
            "data_label": [record.data["label"] for record in records],
            "data_sha256": [record.data["sha256"] for record in records],
            "commit": [record.commits[-1]["commit"] if record.commits else None for record in records],
        }
    )


def curves(records: Sequence[Record] | None = None) -> "pd.DataFrame":
    """One row for each evaluation of each record; by default of those in results/.

    The curves of `Record` by their names there, beside the run's name, experiment, policy and seed; accuracy is
    test_accuracy in percent. sns.lineplot(curves(), x="iteration", y="accuracy", hue="experiment") draws the mean of
    the seeds and its 95 % interval; merge with `frame()` on "name" for more columns.

    >>> curves().query("iteration == 25_000 and experiment == 'clr-table2'").accuracy.between(70, 90).all()
    np.True_
    """
    import pandas as pd

    rows = [
        (record.run.name, record.run.experiment, type(record.run.policy).__name__, record.run.seed, *values)
        for record in (_published() if records is None else records)
        for values in zip(*(record.curves[name] for name in MEASURED), strict=True)
    ]
    table = pd.DataFrame(rows, columns=["name", "experiment", "policy", "seed", *MEASURED])
    return table.assign(accuracy=100 * table.test_accuracy)


def _published() -> list[Record]:
    return store.load_all(paths.records("published"))
