"""Ignite: the schedule as a handler of every iteration, or in Ignite's own wrapper."""

import pytest
import torch
from ignite.engine import Events, create_supervised_trainer
from ignite.handlers.param_scheduler import LRScheduler as IgnitesLRScheduler
from torch.nn import functional as F

from clrlib import ScheduleLR


@pytest.mark.parametrize("wrapped", [False, True])
def test_each_step_uses_the_rate_of_its_iteration(model, loader, policy, used, wrapped):
    optimizer = torch.optim.SGD(model.parameters())
    rates, schedule = used(optimizer), ScheduleLR(optimizer, policy)
    trainer = create_supervised_trainer(model, optimizer, F.cross_entropy)
    if wrapped:
        trainer.add_event_handler(Events.ITERATION_STARTED, IgnitesLRScheduler(schedule))
    else:
        trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: schedule.step())
    trainer.run(loader, max_epochs=2)
    assert rates == [policy(t) for t in range(24)]
