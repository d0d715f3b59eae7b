"""Figure 6: the Caffe net with sigmoids and batch normalisation, which trains badly at its own fixed rate."""

from typing import Any

from clrlib import Fixed, Triangular
from lab.experiments import choices
from lab.experiments.experiment import Experiment

NET: dict[str, Any] = {"net": "caffe_cifar10_sigmoid_bn", "weight_decay": 0.0}  # Caffe's solver has none for it

SIGMOID_RANGE_TEST = Experiment(
    "sigmoid-range-test",
    "sigmoid net: LR range test, 0-0.1 over 8 epochs",
    Triangular(0.0, 0.1, step_size=4000 - 1),
    4000,
    evaluate_every={"paper": 100, "quick": 50, "smoke": 10},
    shorter={"paper": 1, "quick": 8, "smoke": 50},
    settings=NET,
)

# The paper gives no bounds. The range test's accuracy is too ragged to read (the running statistics of batch
# normalisation lag behind): they are read off its training loss (lab.claims.range_tests.bounds_of_loss).
CHOICE = "sigmoid-bounds"
BOUNDS = choices.bounds(CHOICE)
SIZE: dict[str, Any] = {
    "shorter": {"paper": 1, "quick": 125, "smoke": 500},
    "evaluate_every": {"paper": 500, "quick": 120, "smoke": 40},
    "settings": NET,
}
SIGMOID_FIXED = Experiment(
    "sigmoid-fixed", "sigmoid net, fixed 0.001", Fixed(1e-3), 60_000, 60.8, "section 4.1.1 on Figure 6", **SIZE
)


def between(bounds: tuple[float, float] | None) -> tuple[Experiment, Experiment]:
    """A fixed rate at the lower bound, and CLR between the bounds; both wait until the bounds are chosen."""
    (low, high), waits_for = bounds or (0.0, 0.0), "" if bounds else CHOICE
    at, from_to = (f"{low:g}", f"{low:g}-{high:g}") if bounds else ("base_lr", "base_lr-max_lr")
    clr = Triangular(low, high, 2000)
    return (
        Experiment(
            "sigmoid-fixed-at-base", f"sigmoid net, fixed {at}", Fixed(low), 60_000, waits_for=waits_for, **SIZE
        ),
        Experiment(
            "sigmoid-clr",
            f"sigmoid net, triangular {from_to}",
            clr,
            60_000,
            72.2,
            "section 4.1.1 on Figure 6",
            waits_for=waits_for,
            **SIZE,
        ),
    )


SIGMOID_FIXED_AT_BASE, SIGMOID_CLR = between(BOUNDS)
