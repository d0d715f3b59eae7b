"""The LR range test."""

from clrlib.schedules import Triangular


def range_test_policy(start_lr: float, end_lr: float, iterations: int) -> Triangular:
    return Triangular(start_lr, end_lr, step_size=iterations - 1)
