"""Properties of every policy and schedule, whatever the numbers: tried on many that hypothesis makes up."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from clrlib import (
    Cyclical,
    CyclicLR,
    Exponential,
    ExpRange,
    Fixed,
    Hann,
    LinearDecay,
    OneCycle,
    PiecewiseLinear,
    Policy,
    ScheduleLR,
    Stages,
    Triangular,
    Triangular2,
    UpDown,
    WarmRestarts,
    Welch,
)

settings.register_profile("clrlib", deadline=None, database=None, derandomize=True, max_examples=60)
settings.load_profile("clrlib")

sizes = st.integers(1, 50)
factors = st.floats(0.9, 1.0)
iterations = st.integers(0, 10**6)
rates = st.floats(1e-6, 10.0)
bounds = st.tuples(rates, rates).map(lambda pair: (min(pair), max(pair)))


@st.composite
def updowns(draw: Any) -> UpDown:
    each_cycle, each_iteration = draw(st.sampled_from([1.0, 0.5])), draw(st.just(1.0) | factors)
    return UpDown(*draw(bounds), draw(sizes), draw(sizes), each_cycle, each_iteration)


@st.composite
def cyclical(draw: Any) -> Cyclical:
    kind = draw(st.sampled_from([Triangular, Triangular2, Welch, Hann, ExpRange]))
    more = (draw(factors), draw(st.sampled_from(["bounds", "amplitude"]))) if kind is ExpRange else ()
    return kind(*draw(bounds), draw(sizes), *more)  # type: ignore[no-any-return]


@st.composite
def one_cycles(draw: Any) -> OneCycle:
    pct_start, anneal, three_phase = (
        draw(st.floats(0, 0.45)),
        draw(st.sampled_from(["cos", "linear"])),
        draw(st.booleans()),
    )
    return OneCycle.torch(draw(rates), draw(st.integers(2, 300)), pct_start, anneal, three_phase=three_phase)


@st.composite
def plain(draw: Any) -> Policy:
    """One of the policies that are not made of others."""
    (low, high), size = draw(bounds), draw(sizes)
    others = [
        Fixed(high),
        Exponential(high, draw(factors)),
        LinearDecay(high, low, size),
        WarmRestarts(low, high, size, draw(st.integers(1, 3))),
        PiecewiseLinear(((0, low), (size, high), (3 * size, low))),
    ]
    return draw(st.sampled_from(others) | cyclical() | updowns() | one_cycles())  # type: ignore[no-any-return]


@st.composite
def policies(draw: Any) -> Policy:
    first = draw(plain())
    made = draw(st.sampled_from(["alone", "then", "repeat", "count on"]))
    if made == "then":
        return first.then(draw(plain()), after=draw(sizes))
    if made == "repeat":
        return first.repeat(every=draw(sizes))
    return first if made == "alone" else Stages((draw(sizes), first), (9, draw(plain())), restart=False)


def sgd() -> torch.optim.SGD:
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)


def used(optimizer: Any, schedule: Any, steps: int) -> list[float]:
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def near(a: float, b: float, scale: float) -> bool:
    return abs(a - b) <= 1e-12 * scale


# Shapes


def halves(policy: Cyclical | UpDown) -> tuple[int, int]:
    if isinstance(policy, UpDown):
        return policy.step_size_up, policy.step_size_down
    return policy.step_size, policy.step_size


def shrink(policy: Cyclical | UpDown) -> float:
    """The height of a cycle over that of the one before, where that is all that changes."""
    assume(not isinstance(policy, ExpRange))
    if isinstance(policy, UpDown):
        assume(policy.gamma == 1)
        return policy.shrink
    return 0.5 if isinstance(policy, Triangular2) else 1.0


@given(cyclical() | updowns(), iterations)
def test_bounds_are_kept(policy: Cyclical | UpDown, t: int) -> None:
    both_shrink = isinstance(policy, ExpRange) and policy.decay == "bounds"
    assert (0 if both_shrink else policy.base_lr) <= policy(t) <= policy.max_lr * (1 + 1e-15)


@given(cyclical() | updowns(), st.integers(0, 500), st.integers(1, 10**12))
def test_the_period_is_a_cycle_and_the_height_shrinks_by_its_factor(policy: Any, t: int, cycles: int) -> None:
    later = policy(t + cycles * sum(halves(policy)))
    if shrink(policy) == 1:
        assert later == policy(t)  # in every digit, however late
    else:
        height = (policy(t) - policy.base_lr) * 0.5 ** min(cycles, 2000)
        assert near(later, policy.base_lr + height, policy.max_lr)


@given(cyclical() | updowns(), st.integers(0, 20))
def test_cycles_begin_at_the_lower_bound_and_turn_at_the_upper(policy: Any, cycle: int) -> None:
    start = cycle * sum(halves(policy))
    turn = policy(start + halves(policy)[0])
    assert near(turn, policy.base_lr + (policy.max_lr - policy.base_lr) * shrink(policy) ** cycle, policy.max_lr)
    assert policy(start) == policy.base_lr
    assert turn == max(policy(t) for t in range(start, start + sum(halves(policy))))


@given(plain(), plain(), sizes, iterations)
def test_put_together_policies_give_their_own_rates(first: Policy, second: Policy, n: int, t: int) -> None:
    assert first.then(second, after=n)(t) == (first(t) if t < n else second(t - n))
    assert first.repeat(every=n)(t) == first(t % n)
    counted_on = Stages((n, first), (1, second), restart=False)
    assert counted_on(t) == (first if t < n else second)(t)


# One rate, whoever asks


@settings(max_examples=30)
@given(bounds, sizes, sizes, st.sampled_from(["triangular", "triangular2", "exp_range"]), factors, st.booleans())
def test_policy_and_schedule_agree_with_torch(
    ends: Any, up: int, down: int, mode: Any, gamma: float, cycle: bool
) -> None:
    """To 1e-12 of max_lr: so exact is torch's own over the first thousand iterations."""
    ours, theirs = sgd(), sgd()
    schedule = CyclicLR(ours, *ends, up, down, mode, gamma, cycle_momentum=cycle)
    peer = torch.optim.lr_scheduler.CyclicLR(theirs, *ends, up, down, mode, gamma, cycle_momentum=cycle)
    expected = used(theirs, peer, 300)
    np.testing.assert_allclose(used(ours, schedule, 300), expected, rtol=0, atol=1e-12 * ends[1])
    assert isinstance(schedule.policy, UpDown)
    np.testing.assert_allclose(schedule.policy(np.arange(300)), expected, rtol=0, atol=1e-12 * ends[1])
    assert ours.param_groups[0]["momentum"] == pytest.approx(theirs.param_groups[0]["momentum"], abs=1e-12)


# Resume


@settings(max_examples=30)
@given(policies(), st.integers(0, 60), st.permutations(["optimizer", "schedule", "schedule again", "number"]))
def test_it_resumes_at_any_iteration_whatever_is_loaded_first(policy: Policy, stopped: int, order: list[str]) -> None:
    optimizer = sgd()
    schedule = ScheduleLR(optimizer, policy)
    used(optimizer, schedule, stopped)
    saved, state = optimizer.state_dict(), json.loads(json.dumps(schedule.state_dict()))
    resumed = sgd()
    again = ScheduleLR(resumed, policy)
    for load in order:
        if load == "optimizer":
            resumed.load_state_dict(saved)
        else:
            again.load_state_dict({"last_epoch": stopped} if load == "number" else state)
    assert used(resumed, again, 20) == [policy(t) for t in range(stopped, stopped + 20)]
    assert state["last_epoch"] == stopped
