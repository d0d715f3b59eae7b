"""Caffe's update rules where they differ from torch's."""

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer


class CaffeSGD(Optimizer):
    """Caffe's SGD with momentum: the rate sits inside the momentum buffer (src/caffe/solvers/sgd_solver.cpp).

    v <- momentum * v + lr * (g + weight_decay * w);  w <- w - v.
    torch has v <- momentum * v + (g + weight_decay * w);  w <- w - lr * v: the same at a constant rate, but when the
    rate falls tenfold Caffe's v still carries the old rate for some ten iterations.

    params: parameters or groups, as for torch.optim.SGD. lr, momentum, weight_decay: defaults of the groups.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = CaffeSGD([w], lr=0.5, momentum=0.9)
    >>> w.grad = torch.tensor([1.0])
    >>> optimizer.step(); w.item()
    0.5
    """

    def __init__(self, params: Any, lr: float, momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            weights = [w for w in group["params"] if w.grad is not None]
            if not weights:
                continue
            gradients = torch._foreach_add([w.grad for w in weights], weights, alpha=group["weight_decay"])
            velocities = [self._velocity(w) for w in weights]
            torch._foreach_mul_(velocities, group["momentum"])
            torch._foreach_add_(velocities, gradients, alpha=group["lr"])
            torch._foreach_sub_(weights, velocities)
        return loss

    def _velocity(self, w: torch.Tensor) -> torch.Tensor:
        state = self.state[w]
        if not state:
            state["velocity"] = torch.zeros_like(w)
        return state["velocity"]  # type: ignore[no-any-return]


OPTIMIZERS = {"caffe_sgd": CaffeSGD}
