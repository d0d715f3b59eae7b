"""Drives a torch optimizer with a policy."""

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from clrlib import checks
from clrlib.policy import Policy


class ScheduleLR(LRScheduler):
    """Set the rate of every parameter group from a policy; call `step()` after each `optimizer.step()`.

    lr of a group = policy(t) * group.get("lr_mult", 1.0), t = iterations done ("lr_mult": Caffe's multiplier).
    iteration: iterations already done, so that this number alone resumes a schedule.
    momentum: a policy for the momentum (Adam's beta1), by the same t; without one momentum is never touched.
    The saved state is that number and nothing else. It is loaded before or after the optimizer's own state of the same
    checkpoint, but after it where the policy has changed since. To put policies in a row use `Stages`, not torch's
    SequentialLR. A group added later has its own rate up to the next `step()`.

    Raises TypeError for something that is not an optimizer or not a policy, ValueError for a negative iteration, and
    either for a bad "lr_mult" or a momentum policy where the optimizer has no momentum or the value is not below 1.

    >>> import torch
    >>> from clrlib import Triangular
    >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)])
    >>> schedule = ScheduleLR(optimizer, Triangular(base_lr=0.001, max_lr=0.006, step_size=2))
    >>> for t in range(3):
    ...     print(optimizer.param_groups[0]["lr"])
    ...     optimizer.step()
    ...     schedule.step()
    0.001
    0.0035
    0.006
    >>> schedule.state_dict()
    {'last_epoch': 3}
    """

    def __init__(
        self, optimizer: Optimizer, policy: Policy, iteration: int = 0, momentum: Policy | None = None
    ) -> None:
        for name, given in (("policy", policy), ("momentum", momentum)):
            if not isinstance(given, Policy) and not (name == "momentum" and given is None):
                raise TypeError(f"{name} is {given!r}; give a clrlib policy, such as Triangular(0.001, 0.006, 2000)")
        rates(optimizer, policy(iteration))  # refuses what is wrong before anything changes
        if momentum is not None:
            check_momentum(optimizer, momentum(iteration))
        self.policy, self.momentum = policy, momentum
        super().__init__(optimizer)
        self._go_to(iteration)

    def get_lr(self) -> list[float | Tensor]:
        return rates(self.optimizer, self.policy(self.last_epoch))  # type: ignore[return-value]

    def _update_lr(self, epoch: int | None = None) -> None:
        """torch's, called by step(), without the copies that make a step dear where there are many groups."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self.momentum is not None:  # first, for it may refuse the value: then neither has changed
            set_momentum(self.optimizer, self.momentum(self.last_epoch))
        _write(self.optimizer, self.get_lr())

    def get_last_lr(self) -> list[float | Tensor]:
        """The rates as they are in the optimizer now, whoever set them; tensors are copies."""
        values = [group["lr"] for group in self.optimizer.param_groups]
        return [value.clone() if isinstance(value, Tensor) else value for value in values]

    def state_dict(self) -> dict[str, Any]:
        return {"last_epoch": self.last_epoch}  # torch's word for the iterations done

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go to the saved iteration and set the optimizer's rates to match. Raises ValueError for another state."""
        if "last_epoch" not in state_dict:
            raise ValueError(f"no 'last_epoch' in the state, only {[*state_dict]}; give what state_dict() returned")
        self._go_to(state_dict["last_epoch"])

    def _go_to(self, iteration: int) -> None:
        if self.momentum is not None:
            set_momentum(self.optimizer, self.momentum(iteration))
        set_rates(self.optimizer, self.policy(iteration))
        self.last_epoch = int(iteration)


def rates(optimizer: Optimizer, lr: float) -> list[float]:
    """The rate of each parameter group: lr * group.get("lr_mult", 1.0). Raises for a multiplier that is not a rate."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer is {optimizer!r}; give a torch.optim optimizer")
    groups = optimizer.param_groups
    found = [lr] * len(groups)
    if not [group for group in groups if "lr_mult" in group]:
        return found
    for i, group in enumerate(groups):
        multiplier = group.get("lr_mult", 1.0)
        if not (multiplier.__class__ is float and 0 <= multiplier < math.inf):  # a plain rate needs no closer look
            multiplier = checks.rate(f"lr_mult of group {i}", multiplier)
        found[i] = lr * multiplier
    return found


def set_rates(optimizer: Optimizer, lr: float) -> None:
    """Write `rates(optimizer, lr)` into the optimizer, all or none."""
    _write(optimizer, rates(optimizer, lr))


def _write(optimizer: Optimizer, values: Sequence[float | Tensor]) -> None:
    for group, rate in zip(optimizer.param_groups, values, strict=False):
        if group["lr"].__class__ is float or not isinstance(group["lr"], Tensor):  # the first is quick, and usual
            group["lr"] = rate
        else:
            group["lr"].fill_(rate)  # compiled and captured steps read this very tensor


def check_momentum(optimizer: Optimizer, momentum: float) -> None:
    """Refuse a momentum that is not below 1, or an optimizer that has none in some group."""
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum is {momentum!r}; give a policy whose values are 0 or more and below 1")
    for i, group in enumerate(optimizer.param_groups):
        if "momentum" not in group and "betas" not in group:
            kind = type(optimizer).__name__
            raise ValueError(f"group {i} of {kind} has neither momentum nor betas; leave the momentum policy out")


def set_momentum(optimizer: Optimizer, momentum: float) -> None:
    """Write the momentum, or Adam's beta1, of every group."""
    check_momentum(optimizer, momentum)
    for group in optimizer.param_groups:
        if "momentum" in group:
            group["momentum"] = momentum
        else:
            group["betas"] = (momentum, *group["betas"][1:])
