"""Plain PyTorch: the loop of everyone's script, half precision with a GradScaler, a compiled optimizer."""

import io
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from clrlib import OneCycle, ScheduleLR


def train(model, optimizer, schedule, batches):
    for inputs, targets in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("optimizer_first", [True, False])
def test_a_checkpoint_in_a_file_goes_on_bit_for_bit(loader, optimizer_first):
    policy = OneCycle.torch(max_lr=0.1, iterations=24)

    def begin():
        torch.manual_seed(0)
        net = nn.Linear(4, 2)
        optimizer = torch.optim.AdamW(net.parameters())
        return net, optimizer, ScheduleLR(optimizer, policy, momentum=policy.momentum())

    whole = begin()
    for _ in range(2):
        train(*whole, loader)
    half = begin()
    train(*half, loader)
    file = io.BytesIO()
    torch.save([part.state_dict() for part in half], file)
    file.seek(0)
    again = begin()
    states = [*zip(again, torch.load(file, weights_only=True), strict=True)]
    for part, state in states if optimizer_first else reversed(states):
        part.load_state_dict(state)
    train(*again, loader)
    assert torch.equal(again[0].weight, whole[0].weight)
    assert str(again[1].state_dict()) == str(whole[1].state_dict())


def test_steps_that_a_scaler_skips_count_as_iterations(model, loader, policy, used):
    optimizer = torch.optim.SGD(model.parameters())
    rates, schedule = used(optimizer), ScheduleLR(optimizer, policy)
    scaler, skipped = torch.amp.GradScaler("cpu", init_scale=64.0, growth_interval=1000), (3, 5)
    for t, (inputs, targets) in enumerate(loader):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.float16):
            loss = F.cross_entropy(model(inputs).float(), targets)
        scaler.scale(loss * (math.inf if t in skipped else 1.0)).backward()  # what an overflow of float16 does
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
    assert scaler.get_scale() == 64.0 / 2 ** len(skipped)
    assert rates == [policy(t) for t in range(12) if t not in skipped]


def test_a_compiled_step_takes_the_rates_of_two_groups_that_shared_a_tensor(model, loader):
    groups = [{"params": [model.weight]}, {"params": [model.bias], "lr_mult": 0.25}]
    optimizer = torch.optim.SGD(groups, lr=torch.tensor(0.1))
    schedule = ScheduleLR(optimizer, lambda t: 0.2 / (1 + t))
    step = torch.compile(lambda: optimizer.step(), backend="eager")
    for t, (inputs, targets) in enumerate(loader):
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        before = [parameter.clone() for parameter in model.parameters()]
        step()
        pairs = zip(before, model.parameters(), strict=True)
        seen = [((old - new) / new.grad).median().item() for old, new in pairs]
        assert seen == pytest.approx([0.2 / (1 + t), 0.05 / (1 + t)], rel=1e-3)
        schedule.step()
    optimizer.param_groups[1]["lr"] = optimizer.param_groups[0]["lr"]  # a step compiled now would read this alone
    with pytest.raises(
        ValueError, match="groups that have trained share one tensor as their rate, and a compiled step goes on"
    ):
        ScheduleLR(optimizer, lambda t: 0.1)
    ScheduleLR(torch.optim.SGD(model.parameters(), lr=torch.tensor(0.1)), lambda t: 0.1)


def test_a_compiled_optimizer_with_a_rate_in_a_tensor_is_compiled_once(model, loader, policy):
    optimizer = torch.optim.SGD(model.parameters(), lr=torch.tensor(0.1))
    schedule = ScheduleLR(optimizer, policy)
    seen, compiled = [], []

    @torch.compile(backend=lambda graph, inputs: (compiled.append(graph), graph.forward)[1])
    def step():
        optimizer.step()

    for inputs, targets in loader:
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        before = model.weight.clone()
        step()
        seen.append(((before - model.weight) / model.weight.grad).median().item())
        schedule.step()
    assert seen == pytest.approx([policy(t) for t in range(12)], rel=1e-3)
    assert len(compiled) == 1
