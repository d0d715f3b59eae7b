"""Two mistakes are told, each once, and what is no mistake is not (any warning fails these tests)."""

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from clrlib import CyclicLR, Fixed, ScheduleLR, Stages, Triangular, lr_sweep
from clrlib._scheduler import MANY

POLICY = Triangular(base_lr=0.1, max_lr=0.3, step_size=4)


def sgd() -> torch.optim.SGD:
    return torch.optim.SGD([nn.Parameter(torch.zeros(2))], lr=0.5)


def train(optimizer: Any, schedule: Any, steps: int, optimizer_steps: int = 1) -> None:
    for _ in range(steps):
        for _ in range(optimizer_steps):
            optimizer.step()
        schedule.step()


# Stopping in mid-cycle


def test_a_training_that_stops_in_mid_cycle_is_told_of_before_it_begins() -> None:
    message = "a training of 20 iterations stops in mid-cycle; stop at 24, where the cycle ends"
    with pytest.warns(UserWarning, match=message) as warned:
        ScheduleLR(sgd(), POLICY, total_iterations=20)
    assert len(warned) == 1 and warned[0].filename == __file__
    with pytest.warns(UserWarning, match=message):
        CyclicLR(sgd(), 0.1, 0.3, 4, total_iterations=20)


@pytest.mark.parametrize("policy", [POLICY, Fixed(0.1), Stages((11, POLICY), (1, Triangular(0.1, 0.2, 13)))], ids=repr)
@pytest.mark.parametrize("total", [8, 24])
def test_a_training_that_stops_at_the_end_of_a_cycle_is_not(policy: Any, total: int) -> None:
    end = policy.cycle_end_at_or_after(total)
    ScheduleLR(sgd(), policy, iteration=3, total_iterations=end)


# Stepped after each epoch


@pytest.mark.parametrize("resumed", [False, True])
def test_a_schedule_stepped_after_each_epoch_is_told_of_once(resumed: bool) -> None:
    optimizer = sgd()
    schedule = ScheduleLR(optimizer, POLICY)
    if resumed:
        schedule.load_state_dict(schedule.state_dict())
    train(optimizer, schedule, 1, optimizer_steps=MANY)
    message = (
        rf"schedule.step\(\) came after {MANY} optimizer steps, for the second time in a row; "
        r"call it after each optimizer.step\(\), not after each epoch"
    )
    with pytest.warns(UserWarning, match=message) as warned:
        train(optimizer, schedule, 20, optimizer_steps=MANY)
    assert len(warned) == 1 and warned[0].filename == __file__


def test_the_count_works_with_copies_and_with_optimizers_that_are_not_quite() -> None:
    optimizer = sgd()
    schedule = ScheduleLR(optimizer, POLICY)
    train(optimizer, schedule, 30)
    twin = copy.deepcopy(schedule)
    train(twin.optimizer, twin, 30)

    class Wrapper(torch.optim.Optimizer):
        def __init__(self, inner: torch.optim.Optimizer) -> None:
            self.inner, self.param_groups, self.defaults = inner, inner.param_groups, inner.defaults

        def step(self, closure: Any = None) -> None:
            self.inner.step(closure)

    wrapper = Wrapper(sgd())
    train(wrapper, ScheduleLR(wrapper, POLICY), 30, optimizer_steps=3)


@pytest.mark.parametrize("lr", [0.5, torch.tensor(0.5)])
def test_groups_added_and_rates_that_are_tensors_are_no_mistake(lr: Any) -> None:
    optimizer = torch.optim.Adam([nn.Parameter(torch.zeros(2))], lr=lr)
    schedule = ScheduleLR(optimizer, POLICY)
    train(optimizer, schedule, 2)
    optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))]})
    train(optimizer, schedule, 3)
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(optimizer, schedule, 3)


def test_pauses_and_earlier_schedules_are_no_mistake() -> None:
    optimizer = sgd()
    for schedule in (CosineAnnealingLR(optimizer, 10), ScheduleLR(optimizer, POLICY), ScheduleLR(optimizer, POLICY)):
        for _ in range(3):
            train(optimizer, schedule, 1, optimizer_steps=100)  # a warm-up at a fixed rate
            train(optimizer, schedule, 5)
        train(optimizer, schedule, 20, optimizer_steps=MANY - 1)
    assert len(optimizer._optimizer_step_post_hooks) == 1
    assert optimizer.param_groups[0]["lr"] == POLICY(38)


def test_range_tests_between_two_steps_are_no_mistake() -> None:
    optimizer = sgd()
    schedule = ScheduleLR(optimizer, POLICY)
    for _ in range(3):
        lr_sweep(lambda lr: optimizer.step() or 1.0, end_lr=1.0, iterations=2 * MANY, keep=[optimizer])
        train(optimizer, schedule, 1)
