"""Deviations of reproductions from Caffe, and their cost: table 2 in a tenth of its length, three seeds."""

from typing import Any

from lab.experiments.experiment import Experiment, shortened
from lab.experiments.table_1 import TABLE_2


def _row(name: str, title: str, **settings: Any) -> Experiment:
    return Experiment(
        f"deviation-{name}",
        title,
        shortened(TABLE_2, 10),
        2_500,
        seeds=3,
        evaluate_every={"paper": 500, "quick": 125},
        shorter={"paper": 1, "quick": 10},
        settings=settings,
    )


AS_CAFFE = _row("none", "as everywhere here")
BFLOAT16 = _row("bfloat16", "bfloat16 in place of float32", precision="bfloat16")
DEVIATIONS = (
    BFLOAT16,
    _row("once", "one shuffled order a seed", order="once"),
    _row("epoch", "shuffled anew each epoch", order="epoch"),
    _row("torch-momentum", "torch's momentum rule", optimizer="torch_sgd"),
    _row("without-lrn", "local response normalisation left out", net="caffe_cifar10_full_without_lrn"),
    _row("scaled-inputs", "inputs scaled by 1/255", net="caffe_cifar10_full_scaled_inputs"),
)
