"""The names of the curves that a training measures, and their check."""

from typing import Any

CURVES = ("iteration", "lr", "test_accuracy", "test_loss", "train_loss")  # of every training
OF_SNAPSHOTS = ("snapshot_iteration", "ensemble_accuracy", "average_accuracy")  # of one that keeps snapshots too


def check_curves(curves: Any) -> None:
    """Refuse impossible curves: one missing, unequal lengths, entries that are not numbers, or no accuracy."""
    if not isinstance(curves, dict) or (missing := [name for name in CURVES if name not in curves]):
        raise ValueError(f"it has no curve {missing[0]!r}" if isinstance(curves, dict) else "it has no curves")
    for name, values in curves.items():
        if not isinstance(values, list) or any(type(value) not in (int, float) for value in values):
            raise ValueError(f"its curve {name!r} is no list of numbers")
        if name in CURVES and len(values) != len(curves["iteration"]):
            raise ValueError(f"its curve {name!r} has {len(values)} values for {len(curves['iteration'])} evaluations")
        if name.endswith("accuracy") and not all(0 <= value <= 1 for value in values):
            raise ValueError(f"its curve {name!r} is no share of the images, from 0 to 1")
