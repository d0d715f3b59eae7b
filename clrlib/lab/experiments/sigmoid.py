"""Figure 6: the Caffe net with sigmoids and batch normalisation, which trains badly at its own fixed rate."""

from typing import Any

from clrlib.lab.experiments.experiment import Experiment
from clrlib.range_test import range_test_policy

NET: dict[str, Any] = {"net": "caffe_cifar10_sigmoid_bn", "weight_decay": 0.0}  # Caffe's solver has none for it

SIGMOID_RANGE_TEST = Experiment(
    "sigmoid-range-test",
    "sigmoid net: LR range test, 0-0.1 over 8 epochs",
    range_test_policy(0.0, 0.1, 4000),
    4000,
    evaluate_every={"paper": 100, "quick": 50, "smoke": 10},
    shorter={"paper": 1, "quick": 4, "smoke": 50},
    settings=NET,
)
