"""Drive a torch optimizer with a policy."""

import math
import re
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from clrlib import _checks as checks
from clrlib._policy import Policy, as_policy

MANY = 10  # optimizer steps between two steps of a schedule: more than an oversight, fewer than an epoch
Rule = Policy | Callable[[int], float]


class ScheduleLR(LRScheduler):
    """Set the rate of every parameter group from a policy; call `step()` after each `optimizer.step()`.

    lr of a group = policy(t) * group.get("lr_mult", 1.0), t = iterations done ("lr_mult": Caffe's multiplier).
    policy: one for all groups, or a list with one for each; any function of the iteration will do, see `Function`.
    iteration: iterations already done; this number alone resumes a schedule. momentum: a policy (or list) for the
    momentum (Adam's beta1), by the same t; without one momentum is never touched. total_iterations: of the training;
    warns where it stops in mid-cycle.

    The state is plain JSON: that number, and the policy in words. It is loaded before or after the optimizer's
    state of the same checkpoint. The state of another policy is refused; {"last_epoch": n} alone, loaded after the
    optimizer's, goes on with a new one. To put policies in a row use `Stages`; in torch's SequentialLR it works too,
    but for a momentum policy, which is in force from the start; what a ChainedScheduler multiplies is overruled.
    A group added later has its own rate up to the next `step()`. A rate that is a tensor is filled; where groups share
    one, all but the first get their own. Once trained, where their rates differ, that is refused: a compiled step would
    not see it. Warns where it seems to be stepped after each epoch.

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

    _steps = _rare = 0
    cycle_momentum: Any = property(lambda self: self.momentum is not None)  # torch's word

    def __init__(
        self,
        optimizer: Optimizer,
        policy: Rule | Sequence[Rule],
        iteration: int = 0,
        momentum: Rule | Sequence[Rule] | None = None,
        *,
        total_iterations: int | None = None,
    ) -> None:
        self.policy = _policies("policy", policy)
        self.momentum = None if momentum is None else _policies("momentum", momentum)
        self._begin(optimizer, iteration, total_iterations)

    def _begin(self, optimizer: Any, iteration: int, total: int | None, initial_lrs: Sequence[Any] = ()) -> None:
        groups, t = groups_of(optimizer), checks.iterations(iteration)
        self.optimizer, self.last_epoch = optimizer, t
        self.get_lr(), self.cycle_momentum and self._momenta()  # refuse what is wrong before anything changes
        policies = self.policy if isinstance(self.policy, tuple) else (self.policy,)
        tensors = [id(group["lr"]) for group in groups if isinstance(group["lr"], Tensor)]
        differ = len(policies) > 1 or any("lr_mult" in group for group in groups)
        if differ and len({*tensors}) < len(tensors) and any(p.grad is not None for g in groups for p in g["params"]):
            shared = "groups that have trained share one tensor as their rate, and a compiled step goes on with it"
            raise ValueError(f'{shared}; first give each its own, group["lr"] = group["lr"].clone(), then compile')
        for end in {one.cycle_end_at_or_after(total) for one in policies} - {total} if total is not None else ():
            stops = f"a training of {total} iterations stops in mid-cycle"
            warnings.warn(f"{stops}; stop at {end}, where the cycle ends", stacklevel=3)
        if not hasattr(optimizer, "_clrlib_steps"):  # nor has a copy
            optimizer._clrlib_steps = 0
            with suppress(AttributeError):  # a wrapper that is not a full optimizer stays at 0
                # torch 2.11's compiler stumbles over the hook; imported here, since each optimizer imports it anyway
                optimizer.register_step_post_hook(torch.compiler.disable(_count))  # type: ignore[no-untyped-call]
        for group, lr in zip(groups, initial_lrs, strict=False):
            group.setdefault("initial_lr", lr)  # where schedulers that are built later begin
        LRScheduler.__init__(self, optimizer)
        self.base_lrs = [*initial_lrs] or self.base_lrs
        self._update_lr(t)

    def get_lr(self) -> list[float | Tensor]:
        return scaled(self.optimizer.param_groups, self._values("policy"))  # type: ignore[return-value]

    def _update_lr(self, epoch: int | None = None) -> None:
        """Set rates and momenta of the next iteration, or of `epoch`, or nothing where one of them is refused.

        Called by torch's step(). Torch's own copies every rate twice, which is dear where there are many groups.
        """
        before, steps, optimizer = self.last_epoch, self._steps, self.optimizer
        groups, self._steps = optimizer.param_groups, getattr(optimizer, "_clrlib_steps", 0)  # a copy has no count
        self._rare = self._rare + 1 if self._steps - steps >= MANY else 0
        if self._rare == 2:
            came = f"schedule.step() came after {self._steps - steps} optimizer steps, for the second time in a row"
            warnings.warn(f"{came}; call it after each optimizer.step(), not after each epoch", stacklevel=3)
        self.last_epoch = before + 1 if epoch is None else epoch
        try:
            lr, momenta = self.get_lr(), self._momenta() if self.cycle_momentum else ()
        except Exception:
            self.last_epoch = before
            raise
        write(groups, lr)
        self._last_lr = lr
        for group, value in zip(groups, momenta, strict=True) if momenta else ():
            if "momentum" in group:
                group["momentum"] = value
            else:
                group["betas"] = (value, *group["betas"][1:])

    def _momenta(self) -> list[float]:
        momenta = self._values("momentum")
        for value, group in zip(momenta, self.optimizer.param_groups, strict=True):
            if not 0 <= value < 1:
                raise ValueError(f"momentum is {value!r}; give a policy whose values are 0 or more and below 1")
            if "momentum" not in group and "betas" not in group:
                kind = type(self.optimizer).__name__
                raise ValueError(f"a group of {kind} has neither momentum nor betas; leave the momentum policy out")
        return momenta

    def _values(self, name: str) -> list[float]:
        """The value of "policy" or "momentum" for each parameter group."""
        policy, groups, t = getattr(self, name), self.optimizer.param_groups, self.last_epoch
        if not isinstance(policy, (tuple, list)):
            return [float(policy.rate(t))] * len(groups)
        if len(policy) != len(groups):
            given = f"{name} gives {len(policy)} values for {len(groups)} parameter groups"
            raise ValueError(f"{given}; give one for each, or one")
        return [float(one.rate(t)) for one in policy]

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
        lr = [float(value) for value in self.get_last_lr()]
        if self.last_epoch < 0 or lr != self._last_lr:
            state["lr"] = lr
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go to the saved iteration and set the optimizer's rates to match.

        Raises ValueError for the state of another policy, or for something else. Any state with a 'last_epoch' will do.
        """
        if "last_epoch" not in state_dict:
            raise ValueError(f"no 'last_epoch' in the state, only {[*state_dict]}; give what state_dict() returned")
        iteration, mine = state_dict["last_epoch"], self.state_dict()
        groups = self.optimizer.param_groups
        if len(state_dict.get("lr", groups)) != len(groups):
            saved = f"the state holds {len(state_dict['lr'])} rates for {len(groups)} parameter groups"
            raise ValueError(f"{saved}; give the optimizer the groups that it had, then load the state")
        for name in ("policy", "momentum") if "policy" in state_dict else ():
            if state_dict.get(name) != mine.get(name):
                both = f"the state was saved with {name} {state_dict.get(name)}, this schedule has {mine.get(name)}"
                raise ValueError(f'{both}; give it the same, or load {{"last_epoch": {iteration}}} to go on with this')
        if iteration == -1:  # SequentialLR has yet to begin it
            self.last_epoch = -1
        else:
            self._update_lr(checks.iterations(iteration))
        if "lr" in state_dict:
            write(groups, state_dict["lr"])
        if unnamed := re.search(r"<lambda>| object>", str(mine)):
            held = f"the policy holds a function that the state tells as {unnamed[0]!r} alone"
            warnings.warn(f"{held}; make sure it is the same", stacklevel=2)


def groups_of(optimizer: Any) -> list[dict[str, Any]]:
    """The parameter groups; raises TypeError for something that is not an optimizer."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer is {optimizer!r}; give a torch.optim optimizer")
    return optimizer.param_groups


def scaled(groups: list[dict[str, Any]], rates: list[float]) -> list[float]:
    """Multiply the rate of each group by its "lr_mult", in place. Raises for a value or multiplier that is no rate."""
    for i, group in enumerate(groups):
        if not 0 <= rates[i] < math.inf:
            raise ValueError(f"the policy gives the rate {rates[i]!r}; give one whose rates are finite, 0 or more")
        if "lr_mult" in group:
            multiplier = group["lr_mult"]
            if not (type(multiplier) is float and 0 <= multiplier < math.inf):  # a plain one needs no closer look
                multiplier = checks.rate(f"lr_mult of group {i}", multiplier)
            rates[i] *= multiplier
    return rates


def write(groups: list[dict[str, Any]], rates: Sequence[float | Tensor]) -> None:
    """Set the rate of each group; a tensor is filled, since compiled and captured steps read this very tensor.

    Groups that share one (torch gives the tensor in `SGD(groups, lr=tensor)` to all) get their own, but for the first.
    """
    holders: dict[int, Any] = {}
    for group, rate in zip(groups, rates, strict=True):
        if isinstance(lr := group["lr"], Tensor):
            if holders.setdefault(id(lr), group) is not group:
                lr = group["lr"] = lr.clone()
            lr.fill_(rate)
        else:
            group["lr"] = rate


def _policies(name: str, given: Any) -> Policy | tuple[Policy, ...]:
    if isinstance(given, (list, tuple)) and given:
        return tuple(as_policy(f"{name}[{i}]", one) for i, one in enumerate(given))
    return as_policy(name, given)


def _words(policy: Policy | Sequence[Policy]) -> str | list[str]:
    """repr, without the addresses of things that have no better one: the same in the next process."""
    if isinstance(policy, Policy):
        return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(policy))
    return [str(_words(one)) for one in policy]


def _count(optimizer: Any, *_: Any) -> None:
    optimizer._clrlib_steps += 1
