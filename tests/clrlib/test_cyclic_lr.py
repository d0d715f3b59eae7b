"""CyclicLR gives the rates of torch's class of that name and has none of its defects T1 to T10."""

import json
import math
import pickle
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import CyclicLR as Theirs
from torch.optim.lr_scheduler import ExponentialLR, LinearLR, SequentialLR, StepLR

from clrlib import CyclicLR


def optimizer_of(kind: str = "SGD", groups: int = 1, lr: float = 0.5, **options: Any) -> torch.optim.Optimizer:
    return getattr(torch.optim, kind)(
        [{"params": [nn.Parameter(torch.zeros(2))]} for _ in range(groups)], lr, **options
    )


def momentum_of(group: dict[str, Any]) -> Any:
    return group["momentum"] if "momentum" in group else group.get("betas", (None,))[0]


def used(optimizer: Any, schedule: Any, iterations: int) -> list[list[Any]]:
    """Rate and momentum of every group, at every iteration."""
    found = []
    for _ in range(iterations):
        found.append([value for group in optimizer.param_groups for value in (group["lr"], momentum_of(group))])
        optimizer.step()
        schedule.step()
    return found


def assert_like_torchs(groups: int = 1, kind: str = "SGD", iterations: int = 120, **arguments: Any) -> None:
    ours, theirs = (optimizer_of(kind, groups, **{"momentum": 0.9} if kind == "SGD" else {}) for _ in range(2))
    arguments = {"cycle_momentum": False, **arguments}
    ours_used = used(ours, CyclicLR(ours, **arguments), iterations)
    theirs_used = used(theirs, Theirs(theirs, **arguments), iterations)
    np.testing.assert_allclose(np.array(ours_used), np.array(theirs_used), rtol=1e-12)


HALVES: list[dict[str, Any]] = [{"step_size_up": 5}, {"step_size_up": 4, "step_size_down": 9}]
MODES: list[dict[str, Any]] = [
    {"mode": "triangular"},
    {"mode": "triangular2"},
    {"mode": "exp_range", "gamma": 0.99},
    {"mode": "triangular", "gamma": 0.5, "scale_mode": "iterations"},  # both are ignored
    {"scale_fn": lambda cycle: 1 / cycle},
    {"scale_fn": lambda t: 0.999**t, "scale_mode": "iterations", "mode": "ignored"},
    {"scale_fn": lambda cycle: 0.5 * (1 + math.sin(cycle * math.pi / 2))},
]
BOUNDS: list[dict[str, Any]] = [
    {"base_lr": 0.1, "max_lr": 0.3},
    {"base_lr": 0.2, "max_lr": 0.2},
    {"base_lr": [0.1, 0.05], "max_lr": (0.3, 0.6), "groups": 2},
    {"base_lr": 0.1, "max_lr": [0.3, 0.6], "groups": 2},
]


EACH_MODE = pytest.mark.parametrize("mode", MODES, ids=lambda mode: re.sub(r" at 0x\w+", "", str(mode)))


@pytest.mark.parametrize("halves", HALVES, ids=repr)
@EACH_MODE
@pytest.mark.parametrize("bounds", BOUNDS, ids=repr)
def test_the_rates_are_torchs(halves: dict[str, Any], mode: dict[str, Any], bounds: dict[str, Any]) -> None:
    assert_like_torchs(**halves, **mode, **bounds)


@pytest.mark.parametrize("kind", ["SGD", "RMSprop", "Adam", "AdamW"])
@EACH_MODE
def test_the_momentum_is_torchs_where_it_is_asked_for(kind: str, mode: dict[str, Any]) -> None:
    arguments = {"base_lr": 0.1, "max_lr": 0.3, "step_size_up": 4, "step_size_down": 6, "cycle_momentum": True, **mode}
    assert_like_torchs(kind=kind, **arguments)
    each: dict[str, Any] = {"base_momentum": [0.7, 0.5], "max_momentum": [0.8, 0.99]}
    assert_like_torchs(kind=kind, groups=2, **arguments, **each)


def test_the_arguments_are_torchs_in_torchs_order() -> None:
    for make in (CyclicLR, Theirs):
        optimizer = optimizer_of(momentum=0.9)
        schedule = make(optimizer, 0.1, 0.3, 4, 6, "exp_range", 0.9, None, "cycle", True, 0.5, 0.7, -1)  # type: ignore[operator]
        rates = used(optimizer, schedule, 13)
        assert rates[4] == pytest.approx([0.1 + 0.2 * 0.9**4, 0.7 - 0.2 * 0.9**4])
        assert rates[12] == pytest.approx([0.1 + 0.1 * 0.9**12, 0.7 - 0.1 * 0.9**12])
    optimizer = optimizer_of()
    assert used(optimizer, CyclicLR(optimizer, 0.1, 0.3), 4001)[2000::1000] == [
        [0.3, 0],
        [pytest.approx(0.2), 0],
        [0.1, 0],
    ]


def test_tensors_will_do_for_bounds_and_are_read_once() -> None:
    low = torch.tensor(0.1, dtype=torch.float64)
    optimizer = optimizer_of(lr=low)
    schedule = CyclicLR(optimizer, low, torch.tensor(0.25), 4)
    low.fill_(9.0)
    assert schedule.base_lrs == [0.1] and schedule.max_lrs == [0.25]


READ_ONLY = ("mode", "gamma", "scale_mode", "total_size", "step_ratio")
TORCHS = (*READ_ONLY, "base_lrs", "max_lrs", "cycle_momentum", "base_momentums", "max_momentums", "_last_lr")


@EACH_MODE
def test_torchs_attributes_are_there_with_torchs_values(mode: dict[str, Any]) -> None:
    arguments = {"base_lr": [0.1, 0.2], "max_lr": 0.3, "step_size_up": 4, "step_size_down": 6, "cycle_momentum": True}
    ours, theirs = (kind(optimizer_of(groups=2), **arguments, **mode) for kind in (CyclicLR, Theirs))
    assert isinstance(ours, Theirs)  # loops that step such schedulers after each batch ask for this
    assert {name: getattr(ours, name) for name in TORCHS} == {name: getattr(theirs, name) for name in TORCHS}
    for x in (1, 2, 5):
        assert ours.scale_fn(x) == pytest.approx(theirs.scale_fn(x), rel=1e-15)
    for name in READ_ONLY:
        with pytest.raises(AttributeError):
            setattr(ours, name, getattr(theirs, name))


@pytest.mark.parametrize(
    "changed",
    [
        {"max_lrs": [0.05, 0.7]},
        {"base_lrs": [0.0, 0.2]},
        {"base_momentums": [0.1, 0.2], "max_momentums": [0.5, 0.6]},
        {"cycle_momentum": False},
    ],
    ids=repr,
)
def test_bounds_that_are_changed_in_mid_run_hold_from_the_next_step_on_as_with_torch(changed: dict[str, Any]) -> None:
    found = []
    for kind in (CyclicLR, Theirs):
        optimizer = optimizer_of(groups=2, momentum=0.9)
        schedule = kind(optimizer, 0.1, 0.3, 4, mode="triangular2", cycle_momentum=True)
        rates = used(optimizer, schedule, 3)
        for name, value in changed.items():
            setattr(schedule, name, value)
        found.append(rates + used(optimizer, schedule, 9))
        if kind is CyclicLR and "max_lrs" in changed:
            assert [policy.max_lr for policy in schedule.policy] == [0.05, 0.7]
            assert schedule.state_dict()["policy"] == [repr(policy) for policy in schedule.policy]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


def test_changed_bounds_that_are_not_one_for_each_group_are_refused_in_one_sentence() -> None:
    optimizer = optimizer_of(groups=2)
    schedule = CyclicLR(optimizer, 0.1, 0.3, 4)
    schedule.max_lrs = [0.5]
    optimizer.step()
    with pytest.raises(ValueError, match=r"policy cycles from \[0.1, 0.1\] to \[0.5\]; give one bound of both"):
        schedule.step()
    assert schedule.last_epoch == 0 and schedule.get_last_lr() == [0.1, 0.1]


# The defects of torch's


def test_t2_states_of_torchs_own_class_and_of_earlier_versions_load() -> None:
    theirs = optimizer_of()
    peer = Theirs(theirs, 0.1, 0.3, 4, cycle_momentum=False)
    used(theirs, peer, 3)
    for state in (peer.state_dict(), {"last_epoch": 3}):
        optimizer = optimizer_of()
        schedule = CyclicLR(optimizer, 0.1, 0.3, 4)
        schedule.load_state_dict(state)
        assert [lr for lr, _ in used(optimizer, schedule, 2)] == pytest.approx([0.25, 0.3])


def test_t3_it_resumes_from_the_number_alone_without_initial_lr() -> None:
    optimizer = optimizer_of(momentum=0.9)
    whole = used(optimizer, CyclicLR(optimizer, 0.1, 0.3, 4, cycle_momentum=True), 20)
    for done in (0, 3, 11):
        fresh = optimizer_of(momentum=0.9)
        schedule = CyclicLR(fresh, 0.1, 0.3, 4, cycle_momentum=True, last_epoch=done - 1)
        assert used(fresh, schedule, 20 - done) == whole[done:]


def half(cycle: int) -> float:
    return 0.5


def test_t5_a_scale_fn_is_in_the_state_by_name_and_not_dropped() -> None:
    state = CyclicLR(optimizer_of(), 0.1, 0.3, 4, scale_fn=half).state_dict()
    assert json.loads(json.dumps(state)) == state
    assert state["policy"].endswith("scale_fn=<function half>, scale_mode='cycle')")
    CyclicLR(optimizer_of(), 0.1, 0.3, 4, scale_fn=half).load_state_dict(state)
    with pytest.raises(ValueError, match=r"scale_fn=<function half>, scale_mode='cycle'\), this schedule has UpDown"):
        CyclicLR(optimizer_of(), 0.1, 0.3, 4).load_state_dict(state)
    with pytest.raises(ValueError, match=r"scale_mode='cycle'.*<function half>, scale_mode='iterations'"):
        CyclicLR(optimizer_of(), 0.1, 0.3, 4, scale_fn=half, scale_mode="iterations").load_state_dict(state)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "Adagrad", "Adadelta", "ASGD", "Rprop"])
def test_t6_the_momentum_is_left_alone_unless_asked_for(kind: str) -> None:
    optimizer = optimizer_of(kind)
    before = momentum_of(optimizer.param_groups[0])
    rates = used(optimizer, CyclicLR(optimizer, 0.1, 0.3, 4), 9)
    assert {momentum for _, momentum in rates} == {before}


@pytest.mark.parametrize("other", ["LinearLR", "StepLR", "ExponentialLR"])
@pytest.mark.parametrize("cyclic_first", [True, False])
def test_t7_sequences_are_as_with_torchs_class(other: str, cyclic_first: bool) -> None:
    found = []
    for kind in (CyclicLR, Theirs):
        optimizer = optimizer_of(lr=0.2)
        makers: list[Any] = [
            lambda o, kind=kind: kind(o, 0.1, 0.3, 4, cycle_momentum=False),
            lambda o: {"LinearLR": LinearLR(o, 0.5), "StepLR": StepLR(o, 3), "ExponentialLR": ExponentialLR(o, 0.5)}[
                other
            ],
        ]
        schedules = [make(optimizer) for make in (makers if cyclic_first else makers[::-1])]
        found.append(used(optimizer, SequentialLR(optimizer, schedules, milestones=[7]), 20))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


def test_t8_the_halving_does_not_overflow() -> None:
    optimizer = optimizer_of()
    schedule = CyclicLR(optimizer, 0.1, 0.3, 1, mode="triangular2", last_epoch=2 * 1100)
    assert [lr for lr, _ in used(optimizer, schedule, 5)] == [0.1] * 5
    with pytest.raises(OverflowError):
        fresh = optimizer_of()
        fresh.param_groups[0]["initial_lr"] = 0.1
        Theirs(fresh, 0.1, 0.3, 1, mode="triangular2", cycle_momentum=False, last_epoch=2 * 1100)


@pytest.mark.parametrize("scale_fn", [None, half])
def test_a_group_added_later_follows_where_all_have_the_same_bounds(scale_fn: Any) -> None:
    optimizer = optimizer_of(groups=2)
    schedule = CyclicLR(optimizer, [0.1, 0.1], 0.3, 4, scale_fn=scale_fn)
    used(optimizer, schedule, 2)
    optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))]})
    used(optimizer, schedule, 1)
    assert len(set(schedule.get_last_lr())) == 1


def test_a_group_added_later_needs_bounds_of_its_own_where_they_differ() -> None:
    optimizer = optimizer_of(groups=2)
    schedule = CyclicLR(optimizer, [0.1, 0.2], 0.3, 4)
    optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))]})
    optimizer.step()
    with pytest.raises(ValueError, match="policy gives 2 values for 3 parameter groups; give one for each, or one"):
        schedule.step()
    assert schedule.last_epoch == 0
    schedule.base_lrs.append(0.0)
    schedule.max_lrs.append(0.4)
    schedule.step()
    assert schedule.get_last_lr() == pytest.approx([0.15, 0.225, 0.1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"base_lr": 0.4}, "base_lr 0.4 is above max_lr 0.3; give the lower bound as base_lr"),
        ({"base_lr": [0.1, 0.2]}, "base_lr has 2 values for 1 parameter groups; give one for each, or one"),
        ({"step_size_down": 0}, "step_size_down is 0; give a whole number, 1 or more"),
        ({"mode": "exp_range", "gamma": 2}, "gamma is 2; give a factor above 0 and up to 1"),
        ({"mode": "cats"}, 'mode is \'cats\'; give "triangular" or "triangular2" or "exp_range"'),
        ({"scale_mode": "cats"}, 'scale_mode is \'cats\'; give "cycle" or "iterations"'),
        (
            {"cycle_momentum": True, "base_momentum": 0.95},
            "base_momentum 0.95 is above max_momentum 0.9; give the lower",
        ),
        (
            {"cycle_momentum": True, "max_momentum": 1.5},
            "momentum is 1.5; give a policy whose values are 0 or more and",
        ),
        ({"last_epoch": -2}, "iteration -1 is negative; the first iteration is 0"),
    ],
    ids=repr,
)
def test_what_makes_no_cycle_is_refused_before_anything_changes(arguments: dict[str, Any], message: str) -> None:
    optimizer = optimizer_of(momentum=0.9)
    with pytest.raises(ValueError, match=re.escape(message)):
        CyclicLR(optimizer, **{"base_lr": 0.1, "max_lr": 0.3, **arguments})
    assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]) == (0.5, 0.9)
    assert "initial_lr" not in optimizer.param_groups[0]


def test_a_schedule_with_a_scale_fn_can_be_pickled() -> None:
    optimizer = optimizer_of()
    schedule = CyclicLR(optimizer, 0.1, 0.3, 4, scale_fn=half)
    used(optimizer, schedule, 3)
    again = pickle.loads(pickle.dumps(schedule))  # noqa: S301
    assert used(again.optimizer, again, 9) == used(optimizer, schedule, 9)


def test_a_sine_that_should_be_zero_does_not_end_a_training() -> None:
    optimizer = optimizer_of()
    schedule = CyclicLR(optimizer, 0.0, 0.3, 1, scale_fn=lambda t: math.sin(math.pi * t), scale_mode="iterations")
    assert max(rate for rate, _ in used(optimizer, schedule, 50)) < 1e-12
