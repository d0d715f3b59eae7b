"""clrlib: cyclical learning rates for PyTorch (Smith, arXiv 1506.01186).

>>> import torch
>>> from clrlib import ScheduleLR, Triangular2
>>> model = torch.nn.Linear(2, 2)
>>> optimizer = torch.optim.SGD(model.parameters(), momentum=0.9)
>>> schedule = ScheduleLR(optimizer, Triangular2(base_lr=0.001, max_lr=0.006, step_size=200))
>>> for _ in range(100):
...     model(torch.ones(1, 2)).sum().backward()
...     optimizer.step()
...     optimizer.zero_grad()
...     schedule.step()  # after each iteration, not each epoch
>>> schedule.get_last_lr()
[0.0035]
"""

from clrlib.policy import Policy
from clrlib.range_test import Bounds, RangeTest, lr_range_test, lr_sweep
from clrlib.scheduler import ScheduleLR
from clrlib.schedules import (
    Cyclical,
    Exponential,
    ExpRange,
    Fixed,
    Hann,
    LinearDecay,
    MultiStep,
    PiecewiseLinear,
    Stages,
    Triangular,
    Triangular2,
    WarmRestarts,
    Welch,
    epochs_to_iterations,
)

__all__ = [
    "Bounds",
    "Cyclical",
    "ExpRange",
    "Exponential",
    "Fixed",
    "Hann",
    "LinearDecay",
    "MultiStep",
    "PiecewiseLinear",
    "Policy",
    "RangeTest",
    "ScheduleLR",
    "Stages",
    "Triangular",
    "Triangular2",
    "WarmRestarts",
    "Welch",
    "epochs_to_iterations",
    "lr_range_test",
    "lr_sweep",
]
