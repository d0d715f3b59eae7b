"""Caffe's update rules (src/caffe/solvers), which differ from torch's where the rate moves."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class CaffeSolver(Optimizer):
    """The common part of the solvers: g <- gradient + weight_decay * w, then w <- w - update(g).

    params: parameters or groups, as for torch.optim.SGD. lr, momentum, weight_decay: defaults of the groups.
    A new solver overrides `update`.
    """

    def __init__(self, params: Any, lr: float, momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            weights = [w for w in group["params"] if w.grad is not None]
            if weights:
                gradients = torch._foreach_add([w.grad for w in weights], weights, alpha=group["weight_decay"])
                torch._foreach_sub_(weights, self.update(weights, list(gradients), group))
        return loss

    def update(self, weights: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> Any:
        """The amount that is subtracted from the weights of a group."""
        raise NotImplementedError

    def history(self, weights: list[Tensor], name: str) -> list[Tensor]:
        """A buffer of each weight's shape, zero at first."""
        for w in weights:
            if name not in self.state[w]:
                self.state[w][name] = torch.zeros_like(w)
        return [self.state[w][name] for w in weights]


class CaffeSGD(CaffeSolver):
    """SGD with momentum: the rate sits inside the momentum buffer (sgd_solver.cpp).

    v <- momentum * v + lr * g;  w <- w - v.
    torch has v <- momentum * v + g;  w <- w - lr * v: the same at a constant rate, but when the rate falls tenfold
    Caffe's v still carries the old rate for some ten iterations.

    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = CaffeSGD([w], lr=0.5, momentum=0.9)
    >>> w.grad = torch.tensor([1.0])
    >>> optimizer.step(); w.item()
    0.5
    """

    def update(self, weights: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> Any:
        velocities = self.history(weights, "velocity")
        torch._foreach_mul_(velocities, group["momentum"])
        torch._foreach_add_(velocities, gradients, alpha=group["lr"])
        return velocities


class CaffeNesterov(CaffeSolver):
    """Nesterov's momentum (nesterov_solver.cpp).

    u <- momentum * v + lr * g;  w <- w - (1 + momentum) * u + momentum * v;  v <- u.
    """

    def update(self, weights: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> Any:
        velocities, momentum = self.history(weights, "velocity"), group["momentum"]
        before = torch._foreach_mul(velocities, momentum)
        torch._foreach_mul_(velocities, momentum)
        torch._foreach_add_(velocities, gradients, alpha=group["lr"])
        return torch._foreach_sub(torch._foreach_mul(velocities, 1 + momentum), before)


class CaffeAdam(CaffeSolver):
    """Adam (adam_solver.cpp), with momentum as beta1.

    m <- beta1 * m + (1 - beta1) * g;  v <- beta2 * v + (1 - beta2) * g**2;
    w <- w - lr * sqrt(1 - beta2**t) / (1 - beta1**t) * m / (sqrt(v) + delta), t = 1, 2, ...
    beta2 = 0.999 and delta = 1e-8 are Caffe's defaults. torch adds its eps to another root: sqrt(v / (1 - beta2**t)).
    """

    beta2, delta = 0.999, 1e-8

    def update(self, weights: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> Any:
        mean, square, beta1 = self.history(weights, "mean"), self.history(weights, "square"), group["momentum"]
        t = group["t"] = group.get("t", 0) + 1
        torch._foreach_lerp_(mean, gradients, 1 - beta1)
        moving_average_of_squares(square, gradients, self.beta2)
        correction = (1 - self.beta2**t) ** 0.5 / (1 - beta1**t)
        return torch._foreach_div(torch._foreach_mul(mean, group["lr"] * correction), root(square, self.delta))


class WithoutMomentum(CaffeSolver):
    """A solver that has no momentum. Raises ValueError for one other than 0, as Caffe does."""

    def __init__(self, params: Any, lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        if momentum != 0:
            solver = type(self).__name__.removeprefix("Caffe")
            raise ValueError(f"momentum is {momentum!r}; Caffe's {solver} has none, give 0")
        super().__init__(params, lr, momentum, weight_decay)


class CaffeRMSProp(WithoutMomentum):
    """RMSProp (rmsprop_solver.cpp): h <- 0.99 * h + 0.01 * g**2;  w <- w - lr * g / (sqrt(h) + 1e-8)."""

    decay, delta = 0.99, 1e-8

    def update(self, weights: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> Any:
        square = self.history(weights, "square")
        moving_average_of_squares(square, gradients, self.decay)
        return torch._foreach_div(torch._foreach_mul(gradients, group["lr"]), root(square, self.delta))


class CaffeAdaGrad(WithoutMomentum):
    """AdaGrad (adagrad_solver.cpp): h <- h + g**2;  w <- w - lr * g / (sqrt(h) + 1e-8)."""

    delta = 1e-8

    def update(self, weights: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> Any:
        square = self.history(weights, "square")
        torch._foreach_addcmul_(square, gradients, gradients)
        return torch._foreach_div(torch._foreach_mul(gradients, group["lr"]), root(square, self.delta))


class CaffeAdaDelta(CaffeSolver):
    """AdaDelta times a rate (adadelta_solver.cpp), with momentum as rho.

    h <- rho * h + (1 - rho) * g**2;  u = g * sqrt((d + delta) / (h + delta));  d <- rho * d + (1 - rho) * u**2;
    w <- w - lr * u, delta = 1e-8.
    """

    delta = 1e-8

    def update(self, weights: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> Any:
        square, moved, rho = self.history(weights, "square"), self.history(weights, "moved"), group["momentum"]
        moving_average_of_squares(square, gradients, rho)
        ratio = torch._foreach_div(torch._foreach_add(moved, self.delta), torch._foreach_add(square, self.delta))
        updates = torch._foreach_mul(gradients, torch._foreach_sqrt(ratio))
        moving_average_of_squares(moved, list(updates), rho)
        return torch._foreach_mul(updates, group["lr"])


def moving_average_of_squares(average: list[Tensor], values: list[Tensor], keep: float) -> None:
    """average <- keep * average + (1 - keep) * values**2, in place."""
    torch._foreach_mul_(average, keep)
    torch._foreach_addcmul_(average, values, values, value=1 - keep)


def root(square: list[Tensor], delta: float) -> Any:
    """sqrt(square) + delta."""
    return torch._foreach_add(torch._foreach_sqrt(square), delta)


def schedule_free_sgd(params: Any, lr: float, momentum: float = 0.9) -> Optimizer:
    """Schedule-free SGD (arXiv 2405.15682) by its authors' package. Its rate should rise, then stay constant."""
    from schedulefree import SGDScheduleFree

    optimizer: Optimizer = SGDScheduleFree(params, lr=lr, momentum=momentum)
    return optimizer


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "caffe_sgd": CaffeSGD,
    "caffe_nesterov": CaffeNesterov,
    "caffe_adam": CaffeAdam,
    "caffe_rmsprop": CaffeRMSProp,
    "caffe_adagrad": CaffeAdaGrad,
    "caffe_adadelta": CaffeAdaDelta,
    "torch_sgd": torch.optim.SGD,
    "torch_nesterov": partial(torch.optim.SGD, nesterov=True),
    "schedule_free_sgd": schedule_free_sgd,
}
