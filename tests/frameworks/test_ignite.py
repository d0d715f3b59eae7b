"""Ignite: the schedule as a handler of every iteration, or in Ignite's own wrapper."""

import torch
from ignite.engine import Events, create_supervised_trainer
from ignite.handlers.param_scheduler import LRScheduler as IgnitesLRScheduler
from torch.nn import functional as F

from clrlib import ScheduleLR


def test_each_step_uses_the_rate_of_its_iteration(model, loader, policy, used):
    optimizer = torch.optim.SGD(model.parameters())
    rates, schedule = used(optimizer), ScheduleLR(optimizer, policy)
    trainer = create_supervised_trainer(model, optimizer, F.cross_entropy)
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: schedule.step())
    trainer.run(loader, max_epochs=2)
    assert rates == [policy(t) for t in range(24)]


def test_ignites_own_wrapper_of_torchs_schedulers_takes_it(model, loader, policy, used):
    optimizer = torch.optim.SGD(model.parameters())
    rates = used(optimizer)
    trainer = create_supervised_trainer(model, optimizer, F.cross_entropy)
    trainer.add_event_handler(Events.ITERATION_STARTED, IgnitesLRScheduler(ScheduleLR(optimizer, policy)))
    trainer.run(loader, max_epochs=1)
    assert rates == [policy(t) for t in range(12)]
