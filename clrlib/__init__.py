"""clrlib: cyclical learning rates for PyTorch (Smith, arXiv 1506.01186)."""

from clrlib.schedules import (
    Cyclical,
    Exponential,
    ExpRange,
    Fixed,
    Hann,
    LinearDecay,
    MultiStep,
    Policy,
    Stages,
    Triangular,
    Triangular2,
    Welch,
    epochs_to_iterations,
)

__all__ = [
    "Cyclical",
    "ExpRange",
    "Exponential",
    "Fixed",
    "Hann",
    "LinearDecay",
    "MultiStep",
    "Policy",
    "Stages",
    "Triangular",
    "Triangular2",
    "Welch",
    "epochs_to_iterations",
]
