"""Sections 3.2 and 3.3, choosing the cycle: each row differs from CLR_TRIANGULAR (0.001-0.006, 2,000) in one thing."""

from clrlib.lab.experiments.experiment import Experiment
from clrlib.schedules import Cyclical, Hann, Triangular, Welch

TWO_CYCLES = 8_000


def _row(name: str, title: str, policy: Cyclical, iterations: int = TWO_CYCLES) -> Experiment:
    every = {"paper": 500, "quick": 100, "smoke": 20}
    return Experiment(name, title, policy, iterations, evaluate_every=every)


STEP_2_EPOCHS = _row("step-2-epochs", "triangular, step_size 2 epochs", Triangular(1e-3, 6e-3, 1000), 16_000)
STEP_8_EPOCHS = _row("step-8-epochs", "triangular, step_size 8 epochs", Triangular(1e-3, 6e-3, 4000), 16_000)
STEP_10_EPOCHS = _row("step-10-epochs", "triangular, step_size 10 epochs", Triangular(1e-3, 6e-3, 5000), 20_000)
WELCH = _row("welch", "Welch window", Welch(1e-3, 6e-3, 2000))
HANN = _row("hann", "Hann window", Hann(1e-3, 6e-3, 2000))
BASE_THIRD = _row("base-third", "base_lr = max_lr / 3", Triangular(2e-3, 6e-3, 2000))
BASE_QUARTER = _row("base-quarter", "base_lr = max_lr / 4", Triangular(1.5e-3, 6e-3, 2000))
BASE_TENTH = _row("base-tenth", "base_lr = max_lr / 10", Triangular(6e-4, 6e-3, 2000))
BOUNDS_HALF = _row("bounds-half", "both bounds halved", Triangular(5e-4, 3e-3, 2000))
BOUNDS_DOUBLE = _row("bounds-double", "both bounds doubled", Triangular(2e-3, 1.2e-2, 2000))

CYCLE = (
    *(STEP_2_EPOCHS, STEP_8_EPOCHS, STEP_10_EPOCHS),
    *(WELCH, HANN, BASE_THIRD, BASE_QUARTER, BASE_TENTH, BOUNDS_HALF, BOUNDS_DOUBLE),
)
