"""Plain PyTorch: the loop of everyone's script, half precision with a GradScaler, a compiled optimizer."""

import io
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from clrlib import CyclicLR, OneCycle, ScheduleLR


def train(model, optimizer, schedule, batches):
    for inputs, targets in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
        schedule.step()


def test_each_step_uses_the_rate_of_its_iteration(model, loader, policy, used):
    optimizer = torch.optim.SGD(model.parameters(), momentum=0.9)
    rates = used(optimizer)
    train(model, optimizer, ScheduleLR(optimizer, policy), loader)
    assert rates == [policy(t) for t in range(12)]


def test_the_drop_in_trains_the_very_same_weights_as_torchs(data):
    def weights(kind):
        torch.manual_seed(0)
        net = nn.Linear(4, 2)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        schedule = kind(optimizer, 0.0625, 0.5, step_size_up=4, mode="triangular2", cycle_momentum=False)
        train(net, optimizer, schedule, [data[i : i + 4] for i in range(0, 48, 4)])
        return [p.tolist() for p in net.parameters()]

    assert weights(CyclicLR) == weights(torch.optim.lr_scheduler.CyclicLR)


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


def train_scaled(model, loader, policy, used, skipped):
    optimizer = torch.optim.SGD(model.parameters())
    rates = used(optimizer)
    schedule = ScheduleLR(optimizer, policy)
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0, growth_interval=1000)
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


def test_steps_that_a_scaler_skips_count_as_iterations(model, loader, policy, used):
    train_scaled(model, loader, policy, used, skipped=(3, 5))


def test_where_the_scaler_skips_the_very_first_step_torch_suspects_a_wrong_order(model, loader, policy, used):
    with pytest.warns(UserWarning, match=r"`lr_scheduler.step\(\)` before `optimizer.step\(\)`") as told:
        train_scaled(model, loader, policy, used, skipped=(0, 1))
    assert len(told) == 1


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
    seen, compilations = [], 0

    def count(graph, inputs):
        nonlocal compilations
        compilations += 1
        return graph.forward

    @torch.compile(backend=count)
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
    assert compilations == 1
