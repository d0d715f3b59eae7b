"""Sections 3.2 and 3.3, choosing the cycle: each row differs from a triangular one (0.001-0.006, 2,000) in one thing.

Rows on step_size and window are compared with CLR_TRIANGULAR. The rate at which a
training ends decides much of its accuracy, and other bounds end at other rates. So the rows on the bounds, and AS_FOUND
that they are compared with, all end with 1,000 iterations at 0.0001.
"""

from clrlib import Fixed, Hann, Policy, Stages, Triangular, Welch
from lab.experiments.experiment import Experiment

TWO_CYCLES = 8_000


def _row(name: str, title: str, policy: Policy, iterations: int = TWO_CYCLES) -> Experiment:
    every = {"paper": 500, "quick": iterations // 20, "smoke": 4}
    return Experiment(name, title, policy, iterations, evaluate_every=every)


def _bounds(name: str, title: str, base_lr: float, max_lr: float) -> Experiment:
    """Two cycles between these bounds, then the same low rate for all."""
    policy = Stages((TWO_CYCLES, Triangular(base_lr, max_lr, 2000)), (1_000, Fixed(1e-4)))
    return _row(name, title, policy, TWO_CYCLES + 1_000)


STEP_2_EPOCHS = _row("step-2-epochs", "triangular, step_size 2 epochs", Triangular(1e-3, 6e-3, 1000), 16_000)
STEP_8_EPOCHS = _row("step-8-epochs", "triangular, step_size 8 epochs", Triangular(1e-3, 6e-3, 4000), 16_000)
STEP_10_EPOCHS = _row("step-10-epochs", "triangular, step_size 10 epochs", Triangular(1e-3, 6e-3, 5000), 20_000)
WELCH = _row("welch", "Welch window", Welch(1e-3, 6e-3, 2000))
HANN = _row("hann", "Hann window", Hann(1e-3, 6e-3, 2000))
AS_FOUND = _bounds("bounds-as-found", "the paper's bounds, 0.001 to 0.006", 1e-3, 6e-3)
BASE_THIRD = _bounds("base-third", "base_lr = max_lr / 3", 2e-3, 6e-3)
BASE_QUARTER = _bounds("base-quarter", "base_lr = max_lr / 4", 1.5e-3, 6e-3)
BASE_TENTH = _bounds("base-tenth", "base_lr = max_lr / 10", 6e-4, 6e-3)
BOUNDS_HALF = _bounds("bounds-half", "both bounds halved", 5e-4, 3e-3)
BOUNDS_DOUBLE = _bounds("bounds-double", "both bounds doubled", 2e-3, 1.2e-2)

CYCLE = (
    *(STEP_2_EPOCHS, STEP_8_EPOCHS, STEP_10_EPOCHS),
    *(WELCH, HANN, AS_FOUND, BASE_THIRD, BASE_QUARTER, BASE_TENTH, BOUNDS_HALF, BOUNDS_DOUBLE),
)
