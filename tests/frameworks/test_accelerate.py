"""Accelerate: prepared with the rest, gradients accumulated, states saved and loaded by the Accelerator."""

import math

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from torch import nn
from torch.nn import functional as F

from clrlib import OneCycle, ScheduleLR


@pytest.fixture(autouse=True)
def a_process_of_its_own():
    yield
    AcceleratorState._reset_state(True)  # they are shared by all Accelerators of a process
    GradientState._reset_state()


def prepare(loader, policy, used, accumulate=1):
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), momentum=0.9)
    rates, schedule = used(optimizer), ScheduleLR(optimizer, policy)
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    return accelerator, rates, *accelerator.prepare(model, optimizer, loader, schedule)


def train(accelerator, model, optimizer, loader, schedule):
    for inputs, targets in loader:
        with accelerator.accumulate(model):
            accelerator.backward(F.cross_entropy(model(inputs), targets))
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()


@pytest.mark.parametrize("accumulate", [1, 3])
def test_each_step_uses_the_rate_of_its_iteration_gradients_accumulated_or_not(loader, policy, used, accumulate):
    accelerator, rates, *rest = prepare(loader, policy, used, accumulate)
    train(accelerator, *rest)
    assert rates == [policy(t) for t in range(12 // accumulate)]


def test_a_cycle_counted_in_steps_of_the_optimizer_ends_where_it_should(loader, used):
    """12 batches, 5 accumulated: two whole steps and a rest."""
    policy = OneCycle.torch(max_lr=0.1, iterations=math.ceil(len(loader) / 5))
    accelerator, rates, *rest = prepare(loader, policy, used, accumulate=5)
    train(accelerator, *rest)
    assert rates == [policy(0), policy(1), policy.final_lr]


def test_a_saved_state_goes_on_at_its_iteration(loader, policy, used, tmp_path):
    accelerator, _, *rest = prepare(loader, policy, used)
    train(accelerator, *rest)
    accelerator.save_state(tmp_path)
    AcceleratorState._reset_state(True)
    accelerator, rates, *rest = prepare(loader, policy, used)
    accelerator.load_state(tmp_path)
    train(accelerator, *rest)
    assert rates == [policy(t) for t in range(12, 24)]
