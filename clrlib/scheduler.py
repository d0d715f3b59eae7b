"""ScheduleLR drives a torch optimizer with a policy."""

from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from clrlib.schedules import Policy


class ScheduleLR(LRScheduler):
    """Set each group's rate to policy(t) * lr_mult, t = iterations done."""

    def __init__(self, optimizer: Optimizer, policy: Policy, iteration: int = 0) -> None:
        self.policy = policy
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        super().__init__(optimizer, last_epoch=iteration - 1)

    def get_lr(self) -> list[float]:
        return [self.policy(self.last_epoch) * g.get("lr_mult", 1.0) for g in self.optimizer.param_groups]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.last_epoch = state_dict["last_epoch"]
        for g, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            g["lr"] = lr
