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

from clrlib._cyclic_lr import CyclicLR as CyclicLR
from clrlib._policy import Function as Function
from clrlib._policy import Policy as Policy
from clrlib._policy import Repeat as Repeat
from clrlib._policy import Stages as Stages
from clrlib._range_test import lr_range_test as lr_range_test
from clrlib._range_test import lr_sweep as lr_sweep
from clrlib._reading import Bounds as Bounds
from clrlib._reading import RangeTest as RangeTest
from clrlib._scheduler import ScheduleLR as ScheduleLR
from clrlib._schedules import Cyclical as Cyclical
from clrlib._schedules import Exponential as Exponential
from clrlib._schedules import ExpRange as ExpRange
from clrlib._schedules import Fixed as Fixed
from clrlib._schedules import Hann as Hann
from clrlib._schedules import LinearDecay as LinearDecay
from clrlib._schedules import MultiStep as MultiStep
from clrlib._schedules import OneCycle as OneCycle
from clrlib._schedules import PiecewiseLinear as PiecewiseLinear
from clrlib._schedules import Triangular as Triangular
from clrlib._schedules import Triangular2 as Triangular2
from clrlib._schedules import UpDown as UpDown
from clrlib._schedules import WarmRestarts as WarmRestarts
from clrlib._schedules import Welch as Welch
from clrlib._schedules import epochs_to_iterations as epochs_to_iterations
