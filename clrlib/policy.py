"""Policy: what every learning-rate schedule is."""

from abc import ABC, abstractmethod
from typing import Any, overload

import numpy as np
import torch

from clrlib import checks


class Policy(ABC):
    """A learning rate as a function of the iteration: lr = policy(t).

    policy(int) gives a float; an integer numpy array or torch tensor of any shape gives a float64 array or tensor
    of that shape. Raises TypeError for a boolean or float t, ValueError for a negative one.
    """

    @abstractmethod
    def rate(self, t: Any) -> Any:
        """The formula alone, written so that a Python int and an int64 array go through the same lines."""

    @overload
    def __call__(self, t: int) -> float: ...
    @overload
    def __call__(self, t: np.ndarray) -> np.ndarray: ...
    @overload
    def __call__(self, t: torch.Tensor) -> torch.Tensor: ...
    def __call__(self, t: int | np.ndarray | torch.Tensor) -> float | np.ndarray | torch.Tensor:
        if type(t) is int:  # the scheduler's case, at every step
            return float(self.rate(checks.iteration(t)))
        if isinstance(t, torch.Tensor):
            return torch.from_numpy(self(t.detach().cpu().numpy())).to(t.device)
        if isinstance(t, np.ndarray):
            t = checks.iteration_array(t)
            return np.array(np.broadcast_to(self.rate(t), t.shape), dtype=np.float64)
        return float(self.rate(checks.iteration(t)))
