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

from clrlib.cyclic_lr import CyclicLR
from clrlib.policy import Policy
from clrlib.range_test import Bounds, RangeTest, lr_range_test, lr_sweep
from clrlib.scheduler import ScheduleLR
from clrlib.schedules import (
    Cyclical,
    Exponential,
    ExpRange,
    Fixed,
    Function,
    Hann,
    LinearDecay,
    MultiStep,
    OneCycle,
    PiecewiseLinear,
    Repeat,
    Stages,
    Triangular,
    Triangular2,
    UpDown,
    WarmRestarts,
    Welch,
    epochs_to_iterations,
)

__all__ = [
    "Bounds",
    "CyclicLR",
    "Cyclical",
    "ExpRange",
    "Exponential",
    "Fixed",
    "Function",
    "Hann",
    "LinearDecay",
    "MultiStep",
    "OneCycle",
    "PiecewiseLinear",
    "Policy",
    "RangeTest",
    "Repeat",
    "ScheduleLR",
    "Stages",
    "Triangular",
    "Triangular2",
    "UpDown",
    "WarmRestarts",
    "Welch",
    "epochs_to_iterations",
    "lr_range_test",
    "lr_sweep",
]
