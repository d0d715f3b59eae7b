"""Drives a torch optimizer with a policy."""

import math
import re
import warnings
from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from clrlib import checks
from clrlib.guards import NOTHING, Watch, Written, as_held, as_written, warn_of_mid_cycle
from clrlib.policy import Policy, is_policy


class ScheduleLR(LRScheduler):
    """Set the rate of every parameter group from a policy; call `step()` after each `optimizer.step()`.

    lr of a group = policy(t) * group.get("lr_mult", 1.0), t = iterations done ("lr_mult": Caffe's multiplier).
    policy: one for all groups, or a list with one for each. iteration: iterations already done, so that this number
    alone resumes a schedule. momentum: a policy (or list) for the momentum (Adam's beta1), by the same t; without one
    momentum is never touched. total_iterations: of the training; warns where it stops in mid-cycle.

    The state is plain JSON: that number, and the policy in words. It is loaded before or after the optimizer's own
    state of the same checkpoint. The state of another policy is refused; {"last_epoch": n} alone, loaded after the
    optimizer's, goes on with a new one. To put policies in a row use `Stages`; in torch's SequentialLR it works too,
    but for a momentum policy, which is in force from the start; what a ChainedScheduler multiplies is overruled.
    A group added later has its own rate up to the next `step()`. Warns once where something else sets the rate, and
    once where it seems to be stepped after each epoch.

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
    {'last_epoch': 3, 'policy': 'Triangular(base_lr=0.001, max_lr=0.006, step_size=2)'}
    """

    def __init__(
        self,
        optimizer: Optimizer,
        policy: Policy | Sequence[Policy],
        iteration: int = 0,
        momentum: Policy | Sequence[Policy] | None = None,
        *,
        total_iterations: int | None = None,
    ) -> None:
        self.policy: Policy | Sequence[Policy] = _policies("policy", policy)
        self.momentum = None if momentum is None else _policies("momentum", momentum)
        rates(optimizer, _values(self.policy, iteration))  # refuses what is wrong before anything changes
        if self.momentum is not None:
            momenta(optimizer, _values(self.momentum, iteration))
        self._watch = Watch()
        super().__init__(optimizer)
        self._go_to(checks.iteration(iteration))
        if total_iterations is not None:
            for one in dict.fromkeys([self.policy] if isinstance(self.policy, Policy) else self.policy):
                warn_of_mid_cycle(one, total_iterations)

    def get_lr(self) -> list[float | Tensor]:
        return rates(self.optimizer, _values(self.policy, self.last_epoch))  # type: ignore[return-value]

    def _update_lr(self, epoch: int | None = None) -> None:
        """torch's, called by step(), without the copies that make a step dear where there are many groups."""
        jump = epoch is not None or self._is_initial  # SequentialLR begins so
        if not jump:
            self._watch.look(self.optimizer)
        self._watch.written = self._go_to(self.last_epoch + 1 if epoch is None else epoch)
        if jump:
            self._watch.begin(self.optimizer, NOTHING)

    def _go_to(self, iteration: int) -> Written:
        """Set rates and momenta of an iteration, or nothing at all where one of them is refused."""
        before, self.last_epoch = self.last_epoch, iteration
        try:
            lr = self.get_lr()
            if self.momentum is not None:
                set_momentum(self.optimizer, _values(self.momentum, iteration))
        except Exception:
            self.last_epoch = before
            raise
        return _write(self.optimizer, lr)

    def get_last_lr(self) -> list[float | Tensor]:
        """The rates as they are in the optimizer now, whoever set them; tensors are copies."""
        values = [group["lr"] for group in self.optimizer.param_groups]
        return [value.clone() if isinstance(value, Tensor) else value for value in values]

    def state_dict(self) -> dict[str, Any]:
        """The iterations done (torch's word: last_epoch) and the policies in words; plain JSON.

        Where the optimizer's rates are not this schedule's, as in a SequentialLR that is elsewhere, they are in it too.
        """
        state: dict[str, Any] = {"last_epoch": self.last_epoch, "policy": _words(self.policy)}
        if self.momentum is not None:
            state["momentum"] = _words(self.momentum)
        held = [group["lr"] for group in self.optimizer.param_groups]
        lr = [float(value) for value in held]
        if self.last_epoch < 0 or lr != [*map(as_held, held, self.get_lr())]:
            state["lr"] = lr
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go to the saved iteration and set the optimizer's rates to match.

        Raises ValueError for the state of another policy, or for something else. Any state with a 'last_epoch' will do.
        """
        if "last_epoch" not in state_dict:
            raise ValueError(f"no 'last_epoch' in the state, only {[*state_dict]}; give what state_dict() returned")
        iteration = state_dict["last_epoch"]
        own = self.state_dict()
        for name in ("policy", "momentum") if "policy" in state_dict else ():
            if state_dict.get(name) != own.get(name):
                told = f"the state was saved with {name} {state_dict.get(name)}, this schedule has {own.get(name)}"
                raise ValueError(f'{told}; give it the same, or load {{"last_epoch": {iteration}}} to go on with this')
        written = NOTHING
        if iteration == -1:  # SequentialLR has yet to begin it
            self.last_epoch = -1
        else:
            written = self._go_to(checks.iteration(iteration))
        if "lr" in state_dict:
            written = _write(self.optimizer, state_dict["lr"])
        self._watch.begin(self.optimizer, written)
        if unnamed := re.search(r"<lambda>| object>", str(own)):
            told = f"the policy holds a function that the state tells as {unnamed[0]!r} alone; make sure it is the same"
            warnings.warn(told, stacklevel=2)


def _policies(name: str, given: Any) -> Policy | tuple[Policy, ...]:
    if isinstance(given, (list, tuple)) and given:
        return tuple(is_policy(f"{name}[{i}]", one) for i, one in enumerate(given))
    return is_policy(name, given)


def _values(policy: Policy | Sequence[Policy], t: int) -> float | list[float]:
    """The rate of iteration t: one for all groups, or one for each."""
    return policy(t) if callable(policy) else [one(t) for one in policy]


def _words(policy: Policy | Sequence[Policy]) -> str | list[str]:
    """repr, without the addresses of things that have no better one: the same in the next process."""
    if isinstance(policy, Policy):
        return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(policy))
    return [str(_words(one)) for one in policy]


def rates(optimizer: Optimizer, lr: float | Sequence[float]) -> list[float]:
    """The rate of each parameter group: lr * group.get("lr_mult", 1.0). Raises for a multiplier that is not a rate.

    lr: one for all groups, or one for each.
    """
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer is {optimizer!r}; give a torch.optim optimizer")
    groups = optimizer.param_groups
    found = _for_each("policy", lr, len(groups))
    for rate in found:
        if not 0 <= rate < math.inf:
            raise ValueError(f"the policy gives the rate {rate!r}; give one whose rates are finite, 0 or more")
    if not [group for group in groups if "lr_mult" in group]:
        return found
    for i, group in enumerate(groups):
        multiplier = group.get("lr_mult", 1.0)
        if not (multiplier.__class__ is float and 0 <= multiplier < math.inf):  # a plain rate needs no closer look
            multiplier = checks.rate(f"lr_mult of group {i}", multiplier)
        found[i] *= multiplier
    return found


def set_rates(optimizer: Optimizer, lr: float | Sequence[float]) -> None:
    """Write `rates(optimizer, lr)` into the optimizer, all or none."""
    _write(optimizer, rates(optimizer, lr))


def _write(optimizer: Optimizer, values: Sequence[float | Tensor]) -> Written:
    """Set the rates; returns what is to be found next time, by which another's write is known."""
    for group, rate in zip(optimizer.param_groups, values, strict=False):
        if group["lr"].__class__ is float or not isinstance(group["lr"], Tensor):  # the first is quick, and usual
            group["lr"] = rate
        else:
            group["lr"].fill_(rate)  # compiled and captured steps read this very tensor
    return as_written(optimizer, values)


def momenta(optimizer: Optimizer, momentum: float | Sequence[float]) -> list[float]:
    """The momentum of each group. Raises for one that is not below 1, or an optimizer that has none in some group."""
    found = _for_each("momentum", momentum, len(optimizer.param_groups))
    for i, group in enumerate(optimizer.param_groups):
        if not 0 <= found[i] < 1:
            raise ValueError(f"momentum is {found[i]!r}; give a policy whose values are 0 or more and below 1")
        if "momentum" not in group and "betas" not in group:
            kind = type(optimizer).__name__
            raise ValueError(f"group {i} of {kind} has neither momentum nor betas; leave the momentum policy out")
    return found


def set_momentum(optimizer: Optimizer, momentum: float | Sequence[float]) -> None:
    """Write the momentum, or Adam's beta1, of every group."""
    for group, value in zip(optimizer.param_groups, momenta(optimizer, momentum), strict=True):
        if "momentum" in group:
            group["momentum"] = value
        else:
            group["betas"] = (value, *group["betas"][1:])


def _for_each(name: str, value: float | Sequence[float], groups: int) -> list[float]:
    values = [value] * groups if isinstance(value, (int, float)) else [*value]
    if len(values) != groups:
        raise ValueError(f"{name} gives {len(values)} values for {groups} parameter groups; give one for each, or one")
    return values
