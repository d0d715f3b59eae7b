"""T1 to T9: defects of torch's own CyclicLR that ScheduleLR must not have."""

import copy
import gc
import json
import re
import weakref
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import ChainedScheduler, ConstantLR, ExponentialLR, LinearLR, SequentialLR, StepLR

from clrlib import CyclicLR, Fixed, Function, Policy, ScheduleLR, Stages, Triangular, Triangular2

POLICY = Triangular(base_lr=0.1, max_lr=0.3, step_size=4)


def weights(n=1):
    return [nn.Parameter(torch.zeros(2)) for _ in range(n)]


def sgd(lr=0.5, **options):
    return torch.optim.SGD(weights(), lr=lr, **options)


def rates_used(optimizer, schedule, iterations, group=0):
    rates = []
    for _ in range(iterations):
        rates.append(float(optimizer.param_groups[group]["lr"]))
        optimizer.step()
        schedule.step()
    return rates


def snapshot(optimizer, schedule):
    return copy.deepcopy((optimizer.state_dict(), {k: v for k, v in vars(schedule).items() if k != "optimizer"}))


def test_t1_the_first_rate_is_right_after_another_scheduler():
    optimizer = sgd(lr=0.5)
    StepLR(optimizer, 1)
    schedule = ScheduleLR(optimizer, POLICY)
    assert rates_used(optimizer, schedule, 5) == [POLICY(t) for t in range(5)]


def test_t2_loading_leaves_the_callers_dict_alone_and_works_twice():
    optimizer = sgd()
    schedule = ScheduleLR(optimizer, POLICY)
    state = {"last_epoch": 3, "of somebody else": 1}
    for _ in range(2):
        schedule.load_state_dict(state)
        assert state == {"last_epoch": 3, "of somebody else": 1}
        assert optimizer.param_groups[0]["lr"] == POLICY(3) and schedule.get_last_lr() == [POLICY(3)]
        assert rates_used(optimizer, schedule, 3) == [POLICY(t) for t in (3, 4, 5)]


def test_t4_a_state_of_another_policy_is_refused_and_changes_nothing():
    state = ScheduleLR(sgd(), POLICY, iteration=3).state_dict()
    optimizer = sgd()
    other = ScheduleLR(optimizer, Triangular(0.2, 0.4, 5))
    before = snapshot(optimizer, other)
    both = f"the state was saved with policy {POLICY!r}, this schedule has {other.policy!r}"
    message = f'{both}; give it the same, or load {{"last_epoch": 3}} to go on with this'
    with pytest.raises(ValueError, match=re.escape(message)):
        other.load_state_dict(state)
    assert snapshot(optimizer, other) == before
    other.load_state_dict({"last_epoch": 3})
    assert rates_used(optimizer, other, 9) == [Triangular(0.2, 0.4, 5)(t) for t in range(3, 12)]
    slow, none = (ScheduleLR(sgd(momentum=0.9), POLICY, momentum=momentum) for momentum in (Fixed(0.5), None))
    with pytest.raises(ValueError, match=r"with momentum Fixed\(lr=0.5\), this schedule has None; give it the same"):
        none.load_state_dict(slow.state_dict())


def test_t5_the_state_is_plain_json_and_its_number_a_plain_one():
    schedule = ScheduleLR(sgd(), POLICY, iteration=torch.tensor([123]).numpy()[0])
    state = {"last_epoch": 123, "policy": "Triangular(base_lr=0.1, max_lr=0.3, step_size=4)"}
    assert schedule.state_dict() == json.loads(json.dumps(schedule.state_dict())) == state


def test_t5_a_function_is_in_the_state_by_its_name():
    def schedule(policy):
        return ScheduleLR(sgd(), policy, iteration=2)

    falling = Function(lambda t: 0.1 / (1 + t), name="falling")
    state = schedule(falling).state_dict()
    assert state == {"last_epoch": 2, "policy": "Function(name='falling')"}
    schedule(Function(lambda t: 0.1 / (1 + t), name="falling")).load_state_dict(state)
    with pytest.raises(ValueError, match=r"saved with policy Function\(name='falling'\), this schedule has Fixed"):
        schedule(Fixed(0.1)).load_state_dict(state)


def test_any_function_of_the_iteration_will_do_for_a_policy():
    optimizer = sgd(momentum=0.9)
    schedule = ScheduleLR(optimizer, lambda t: 0.1 / (1 + t), momentum=[lambda t: 0.5])
    assert rates_used(optimizer, schedule, 3) == [0.1, 0.05, 0.1 / 3]
    assert (optimizer.param_groups[0]["momentum"], Stages((2, POLICY), (1, lambda t: 0.7))(5)) == (0.5, 0.7)
    with pytest.warns(UserWarning, match="a function that the state tells as '<lambda>' alone; make sure"):
        schedule.load_state_dict(schedule.state_dict())


def test_a_policy_without_a_repr_is_told_by_its_class():
    class Mine(Policy):
        def rate(self, t):
            return 0.1

    state = ScheduleLR(sgd(), Mine()).state_dict()
    assert " at 0x" not in state["policy"]
    with pytest.warns(UserWarning, match="a function that the state tells as ' object>' alone"):
        ScheduleLR(sgd(), Mine()).load_state_dict(state)  # another object of it


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "ASGD", "Rprop"])
def test_t6_only_the_rate_is_touched_whatever_the_optimizer(kind):
    optimizer = getattr(torch.optim, kind)(weights(), lr=0.5)
    before = copy.deepcopy(optimizer.param_groups[0])
    schedule = ScheduleLR(optimizer, POLICY)
    assert rates_used(optimizer, schedule, 9) == [POLICY(t) for t in range(9)]
    after = optimizer.param_groups[0]
    assert {k: v for k, v in after.items() if k not in ("lr", "initial_lr", "params")} == {
        k: v for k, v in before.items() if k not in ("lr", "params")
    }


def test_t7_what_is_chained_is_overruled():
    optimizer = sgd()
    chained = ChainedScheduler([ExponentialLR(optimizer, 0.5), ScheduleLR(optimizer, POLICY)])
    assert rates_used(optimizer, chained, 9) == [POLICY(t) for t in range(9)]


WARM_UP = [0.5, 0.625, 0.75, 0.875]  # LinearLR from half of 1.0


def sequence(first, policy=POLICY, lr=1.0):
    """A LinearLR or a schedule for four iterations, then a schedule, then an ExponentialLR."""
    optimizer = sgd(lr=lr.clone() if isinstance(lr, torch.Tensor) else lr)
    begin = LinearLR(optimizer, 0.5, total_iters=4) if first == "LinearLR" else ScheduleLR(optimizer, Fixed(0.7))
    schedules = [begin, ScheduleLR(optimizer, policy), ExponentialLR(optimizer, 0.5)]
    return optimizer, SequentialLR(optimizer, schedules, milestones=[4, 10])


def expected(first):
    """The rates up to the third iteration of ExponentialLR; what follows is its own affair."""
    begin = WARM_UP if first == "LinearLR" else [0.7] * 4
    return begin + [POLICY(t) for t in range(6)] + [1.0, 0.5, 0.25]


@pytest.mark.parametrize("first", ["LinearLR", "ScheduleLR"])
@pytest.mark.parametrize("optimizer_first", [True, False])
@pytest.mark.parametrize("stopped", range(13))
@pytest.mark.parametrize("lr", [1.0, torch.tensor(1.0)], ids=["float", "tensor"])
def test_a_sequence_of_torch_resumes_at_any_iteration(first, optimizer_first, stopped, lr):
    optimizer, running = sequence(first, lr=lr)
    rates_used(optimizer, running, stopped)
    own = [schedule.state_dict() for schedule in running._schedulers if isinstance(schedule, ScheduleLR)]
    assert json.loads(json.dumps(own)) == own
    saved = copy.deepcopy((optimizer.state_dict(), running.state_dict()))
    optimizer, resumed = sequence(first, lr=lr)
    if optimizer_first:
        optimizer.load_state_dict(saved[0])
    resumed.load_state_dict(saved[1])
    if not optimizer_first:
        optimizer.load_state_dict(saved[0])
    assert rates_used(optimizer, resumed, 13 - stopped) == pytest.approx(expected(first)[stopped:])


def test_t8_t9_long_runs_neither_overflow_nor_drift():
    policy = Triangular2(0.1, 0.3, 1)
    schedule = ScheduleLR(sgd(), policy, iteration=2 * 1025 + 1)
    assert schedule.get_last_lr() == [pytest.approx(0.1)]
    assert ScheduleLR(sgd(), POLICY, iteration=8 * 10**9 + 3).get_last_lr() == [POLICY(3)]


def test_lr_mult_scales_a_groups_rate():
    a, b, c = weights(3)
    groups = [{"params": [a]}, {"params": [b], "lr_mult": 2}, {"params": [c], "lr_mult": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=0.5)
    schedule = ScheduleLR(optimizer, POLICY, iteration=1)
    assert schedule.get_last_lr() == [POLICY(1), 2 * POLICY(1), 0.0]
    optimizer.step()
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == [POLICY(2), 2 * POLICY(2), 0.0]


def test_a_group_added_later_follows_from_the_next_step():
    optimizer = sgd()
    schedule = ScheduleLR(optimizer, POLICY)
    rates_used(optimizer, schedule, 2)
    optimizer.add_param_group({"params": weights(), "lr_mult": 2.0})
    assert schedule.get_last_lr() == [POLICY(2), 0.5]
    optimizer.step()
    schedule.step()
    assert schedule.get_last_lr() == [POLICY(3), 2 * POLICY(3)]


def test_each_group_may_have_a_policy_of_its_own():
    a, b = weights(2)
    optimizer = torch.optim.SGD([{"params": [a]}, {"params": [b], "lr_mult": 2.0}], lr=0.5, momentum=0.9)
    schedule = ScheduleLR(optimizer, [POLICY, Fixed(0.2)], momentum=(Fixed(0.8), Fixed(0.5)))
    assert rates_used(optimizer, schedule, 9) == [POLICY(t) for t in range(9)]
    assert schedule.get_last_lr() == [POLICY(9), 0.4]
    assert [group["momentum"] for group in optimizer.param_groups] == [0.8, 0.5]
    state = schedule.state_dict()
    assert state == json.loads(json.dumps(state))
    assert state["policy"] == [repr(POLICY), repr(Fixed(0.2))]
    again = ScheduleLR(optimizer, [POLICY, Fixed(0.2)], momentum=(Fixed(0.8), Fixed(0.5)))
    again.load_state_dict(state)
    assert again.get_last_lr() == [POLICY(9), 0.4]


def test_a_tensor_rate_is_filled_in_place():
    tensor = torch.tensor(0.5, dtype=torch.float64)
    optimizer = torch.optim.Adam(weights(), lr=tensor)
    schedule = ScheduleLR(optimizer, POLICY)
    assert rates_used(optimizer, schedule, 9) == [POLICY(t) for t in range(9)]
    schedule.load_state_dict({"last_epoch": 3})
    assert optimizer.param_groups[0]["lr"] is tensor
    assert tensor.item() == POLICY(3)
    schedule.get_last_lr()[0].zero_()
    assert tensor.item() == POLICY(3), "get_last_lr gives copies"


def two_groups(lr):
    first, second = weights(2)
    return torch.optim.Adam([{"params": [first]}, {"params": [second], "lr_mult": 0.25}], lr=lr)


SHARED = {
    "one policy": lambda optimizer: ScheduleLR(optimizer, POLICY),
    "a list of policies": lambda optimizer: ScheduleLR(optimizer, [POLICY, Fixed(0.5)]),
    "CyclicLR": lambda optimizer: CyclicLR(optimizer, [0.1, 0.01], [0.3, 0.03], 4),
    "in a SequentialLR": lambda optimizer: SequentialLR(
        optimizer, [ConstantLR(optimizer, 1.0), ScheduleLR(optimizer, POLICY)], milestones=[2]
    ),
}


@pytest.mark.parametrize("kind", SHARED)
def test_groups_that_share_one_tensor_get_the_rates_that_floats_would_have(kind):
    """torch puts the tensor of `Adam(groups, lr=tensor)` into all groups; the first keeps it, for compiled steps."""
    tensor = torch.tensor(0.5, dtype=torch.float64)
    optimizers = two_groups(0.5), two_groups(tensor)
    schedules = [SHARED[kind](optimizer) for optimizer in optimizers]
    for t in range(12):
        plain, shared = ([float(group["lr"]) for group in optimizer.param_groups] for optimizer in optimizers)
        assert shared == pytest.approx(plain, rel=1e-15), t
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
    assert optimizers[1].param_groups[0]["lr"] is tensor


@pytest.mark.parametrize("kind", ["one policy", "a list of policies", "CyclicLR"])
def test_a_shared_tensor_is_refused_once_trained_for_a_compiled_step_would_not_see_another(kind):
    optimizer = two_groups(torch.tensor(0.5))
    optimizer.param_groups[1]["params"][0].grad = torch.zeros(2)
    before = repr(optimizer.param_groups)
    with pytest.raises(ValueError, match=re.escape('first give each its own, group["lr"] = group["lr"].clone()')):
        SHARED[kind](optimizer)
    assert repr(optimizer.param_groups) == before
    for group in optimizer.param_groups:
        group["lr"] = group["lr"].clone()
    SHARED[kind](optimizer)
    alike = torch.optim.Adam([{"params": weights()}, {"params": weights()}], lr=torch.tensor(0.5))
    alike.param_groups[0]["params"][0].grad = torch.zeros(2)
    ScheduleLR(alike, POLICY)  # both groups have its rate, whichever tensor is read


def test_tensors_of_their_own_are_kept_and_shared_ones_that_come_later_are_parted():
    tensor = torch.tensor(0.5)
    shared = two_groups(tensor).state_dict()
    optimizer = two_groups(tensor)
    schedule = ScheduleLR(optimizer, POLICY)
    kept = [group["lr"] for group in optimizer.param_groups]
    rates_used(optimizer, schedule, 3)
    assert all(group["lr"] is mine for group, mine in zip(optimizer.param_groups, kept, strict=True))
    optimizer.load_state_dict(shared)  # of before there was a schedule
    optimizer.add_param_group({"params": weights(), "lr_mult": 4.0})  # it gets the optimizer's tensor
    rates_used(optimizer, schedule, 1)
    assert [float(lr) for lr in schedule.get_last_lr()] == pytest.approx([POLICY(4) * k for k in (1, 0.25, 4)])


@pytest.mark.parametrize(
    ("state", "error", "message"),
    [
        ({}, ValueError, "no 'last_epoch' in the state, only []; give what state_dict() returned"),
        ({"epoch": 3}, ValueError, "no 'last_epoch' in the state, only ['epoch']; give what state_dict() returned"),
        ({"last_epoch": 3, "lr": [0.1, 0.2]}, ValueError, "the state holds 2 rates for 1 parameter groups; give the"),
        ({"last_epoch": -2}, ValueError, "iteration -2 is negative; the first iteration is 0"),
        ({"last_epoch": 2.5}, TypeError, "iteration 2.5 is a float; give an int, 0 or more"),
        ({"last_epoch": None}, TypeError, "iteration None is a NoneType; give an int, 0 or more"),
    ],
)
def test_a_bad_state_is_refused_and_changes_nothing(state, error, message):
    optimizer = sgd()
    schedule = ScheduleLR(optimizer, POLICY, iteration=2)
    before = snapshot(optimizer, schedule)
    with pytest.raises(error, match=re.escape(message)):
        schedule.load_state_dict(state)
    assert snapshot(optimizer, schedule) == before


def test_a_policy_that_gives_no_rate_is_refused_and_changes_nothing():
    class Bad(Policy):
        def rate(self, t):
            return 0.1 if t < 2 else -0.9

    optimizer = sgd()
    schedule = ScheduleLR(optimizer, Bad())
    rates_used(optimizer, schedule, 1)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"the policy gives the rate -0\.9; give one whose rates are finite"):
            schedule.step()
        assert (schedule.last_epoch, optimizer.param_groups[0]["lr"]) == (1, 0.1)
    with pytest.raises(ValueError, match="the policy gives the rate"):
        schedule.load_state_dict({"last_epoch": 7})
    assert (schedule.last_epoch, optimizer.param_groups[0]["lr"]) == (1, 0.1)


def test_it_is_freed_without_the_garbage_collector():
    gc.disable()
    try:
        optimizer = sgd()
        schedule = weakref.ref(ScheduleLR(optimizer, POLICY))
        assert schedule() is None
    finally:
        gc.enable()


def test_a_copied_schedule_goes_on_by_itself():
    optimizer = sgd()
    schedule = ScheduleLR(optimizer, POLICY, iteration=2)
    twin = copy.deepcopy(schedule)
    rates_used(optimizer, schedule, 3)
    assert (schedule.last_epoch, twin.last_epoch) == (5, 2)
    assert twin.get_last_lr() == [POLICY(2)]


def test_a_subclass_may_give_its_own_rates() -> None:
    class Halved(ScheduleLR):
        def get_lr(self) -> list[float | torch.Tensor]:
            return [0.5 * lr for lr in super().get_lr()]

    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.0)
    schedule = Halved(optimizer, Triangular(0.002, 0.006, step_size=4))
    seen = [optimizer.param_groups[0]["lr"]]
    for _ in range(3):
        optimizer.step()
        schedule.step()
        seen.append(optimizer.param_groups[0]["lr"])
    assert seen == pytest.approx([0.001, 0.0015, 0.002, 0.0025])


def test_a_schedule_stepped_before_its_optimizer_is_warned_of_where_it_was_called() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.0)
    schedule = ScheduleLR(optimizer, Triangular(0.002, 0.006, step_size=4))
    with pytest.warns(UserWarning, match=r"lr_scheduler.step\(\)` before `optimizer.step") as warned:
        schedule.step()
    assert warned[0].filename == __file__


UP_DOWN = Triangular(0.85, 0.95, step_size=4)


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.RMSprop, torch.optim.Adam, torch.optim.AdamW])
def test_momentum_follows_a_policy_of_its_own(make: Any) -> None:
    optimizer = make([torch.zeros(1, requires_grad=True)], lr=0.1)
    schedule = ScheduleLR(optimizer, Fixed(0.1), momentum=UP_DOWN)
    for t in range(10):
        group = optimizer.param_groups[0]
        assert (group["momentum"] if "momentum" in group else group["betas"][0]) == UP_DOWN(t)
        if "betas" in group:
            assert group["betas"][1] == 0.999
        optimizer.step()
        schedule.step()
    schedule.load_state_dict({"last_epoch": 3})
    group = optimizer.param_groups[0]
    assert (group["momentum"] if "momentum" in group else group["betas"][0]) == UP_DOWN(3)


def test_policies_that_are_changed_in_mid_run_hold_from_the_next_step_on() -> None:
    optimizer = sgd(momentum=0.9)
    schedule = ScheduleLR(optimizer, Fixed(0.1))
    for change in ({"policy": [POLICY]}, {"momentum": [UP_DOWN]}):
        vars(schedule).update(change)
        rates_used(optimizer, schedule, 1)
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]) == (POLICY(2), UP_DOWN(2))
    assert schedule.state_dict()["momentum"] == [repr(UP_DOWN)]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"optimizer": "sgd"}, TypeError, "optimizer is 'sgd'; give a torch.optim optimizer"),
        ({"policy": 0.1}, TypeError, "policy is 0.1; give a clrlib policy, such as Triangular(0.001, 0.006, 2000)"),
        ({"policy": Triangular}, TypeError, "Triangular'>; give a clrlib policy"),
        ({"policy": [POLICY, 0.1]}, TypeError, "policy[1] is 0.1; give a clrlib policy"),
        ({"policy": []}, TypeError, "policy is []; give a clrlib policy"),
        ({"policy": [POLICY] * 3}, ValueError, "policy gives 3 values for 2 parameter groups; give one for each, or"),
        ({"iteration": -1}, ValueError, "iteration -1 is negative"),
        ({"momentum": 0.9}, TypeError, "momentum is 0.9; give a clrlib policy"),
        ({"momentum": Fixed(1.0)}, ValueError, "momentum is 1.0; give a policy whose values are 0 or more and below 1"),
        ({"momentum": [Fixed(0.5)]}, ValueError, "momentum gives 1 values for 2 parameter groups"),
        ({"kind": "Adagrad", "momentum": UP_DOWN}, ValueError, "a group of Adagrad has neither momentum nor betas"),
        ({"lr_mult": -1.0}, ValueError, "lr_mult of group 1 is -1.0; a learning rate must be 0 or more"),
        ({"lr_mult": float("nan")}, ValueError, "lr_mult of group 1 is nan; give a finite number"),
        ({"lr_mult": "2"}, TypeError, "lr_mult of group 1 must be a number, not '2'"),
    ],
    ids=repr,
)
def test_what_makes_no_schedule_is_refused_before_anything_changes(arguments, error, message) -> None:
    arguments = {"policy": POLICY, **arguments}
    groups = [{"params": weights()}, {"params": weights(), "lr_mult": arguments.pop("lr_mult", 1.0)}]
    made = getattr(torch.optim, arguments.pop("kind", "SGD"))(groups, lr=0.5)
    before = repr(made.param_groups)
    with pytest.raises(error, match=re.escape(message)):
        ScheduleLR(**{"optimizer": made, **arguments})
    assert repr(made.param_groups) == before
