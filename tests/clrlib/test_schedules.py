import copy
import dataclasses
import json
import math
import pickle
import re

import numpy as np
import pytest
import torch

import clrlib
from clrlib import (
    Exponential,
    ExpRange,
    Fixed,
    Hann,
    LinearDecay,
    MultiStep,
    OneCycle,
    PiecewiseLinear,
    Policy,
    Stages,
    Triangular,
    Triangular2,
    UpDown,
    WarmRestarts,
    Welch,
    epochs_to_iterations,
)
from lab.experiments import as_json

B, M, S, GAMMA = 0.001, 0.006, 20, 0.99994
CYCLICAL = (Triangular(B, M, S), Triangular2(B, M, S), ExpRange(B, M, S, GAMMA), Welch(B, M, S), Hann(B, M, S))
POLICIES = (
    *CYCLICAL,
    ExpRange(B, M, S, GAMMA, decay="amplitude"),
    Fixed(0.01),
    MultiStep(0.001, (60, 65)),
    Exponential(0.001, GAMMA),
    LinearDecay(0.007, 0.001, 40),
    PiecewiseLinear(((0, 0.001), (40, 0.005), (80, 0.0))),
    WarmRestarts(B, M, 30),
    WarmRestarts(B, M, 10, growth=2),
    Stages((160, Triangular2(0.001, 0.005, 20)), (60, Triangular2(0.0001, 0.0005, 10))),
    Stages((7, Fixed(0.1))),
    Stages((7, Fixed(0.1)), restart=False),
    Stages(
        (50, Triangular(B, M, S)), (70, Triangular2(B / 10, M / 10, S)), (30, LinearDecay(B, 0, 150)), restart=False
    ),
    UpDown(B, M, 7, 13),
    UpDown(M, B, 13, 7, shrink=0.5, gamma=GAMMA),
    OneCycle.torch(M, 100),
    OneCycle.torch(M, 95, pct_start=0.25, anneal="linear", three_phase=True),
    Fixed(0.01).then(Hann(B, M, S), after=30).repeat(every=77),
)
every_policy = pytest.mark.parametrize("policy", POLICIES, ids=repr)


# The formulas as the paper prints them, transcribed on their own.


def torch7_share(t, s):
    """Section 3.1: the share of max_lr - base_lr at iteration t."""
    cycle = math.floor(1 + t / (2 * s))
    x = abs(t / s - 2 * cycle + 1)
    return max(0.0, 1 - x)


def caffe_rate(t, b, m, s, halving):
    """Appendix A."""
    if t <= 0:
        return b
    cycle = t // (2 * s)
    x = (t - (2 * cycle + 1) * s) / s
    return b + (m - b) * min(1.0, max(0.0, (1 - abs(x)) / 2 ** (cycle * halving)))


def optimizer_with(lr):
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)


def rates_of(scheduler, iterations):
    rates = []
    for _ in range(iterations):
        rates.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    return rates


def agree(policy, expected):
    assert [policy(t) for t in range(len(expected))] == pytest.approx(list(expected), rel=1e-12, abs=1e-18)


@pytest.mark.parametrize("s", [1, 7, 20, 2000])
def test_triangular_agrees_with_both_forms_of_the_paper_for_ten_cycles(s):
    agree(Triangular(B, M, s), [B + (M - B) * torch7_share(t, s) for t in range(20 * s + 1)])
    agree(Triangular(B, M, s), [caffe_rate(t, B, M, s, halving=False) for t in range(20 * s + 1)])


@pytest.mark.parametrize("s", [1, 7, 20])
def test_triangular2_agrees_with_the_appendix_for_ten_cycles(s):
    agree(Triangular2(B, M, s), [caffe_rate(t, B, M, s, halving=True) for t in range(20 * s + 1)])


def test_exp_range_shrinks_both_bounds_or_only_the_amplitude():
    shares = [torch7_share(t, S) for t in range(200)]
    agree(ExpRange(B, M, S, 0.99), [0.99**t * (B + (M - B) * share) for t, share in enumerate(shares)])
    amplitude = ExpRange(B, M, S, 0.99, decay="amplitude")
    agree(amplitude, [B + (M - B) * share * 0.99**t for t, share in enumerate(shares)])


def test_equal_halves_are_the_cyclical_policies_digit_for_digit():
    t = np.arange(20 * S)
    for policy, twin in (
        (UpDown(B, M, S, S), Triangular(B, M, S)),
        (UpDown(B, M, S, S, shrink=0.5), Triangular2(B, M, S)),
        (UpDown(B, M, S, S, gamma=GAMMA), ExpRange(B, M, S, GAMMA, decay="amplitude")),
    ):
        np.testing.assert_array_equal(policy(t), twin(t))


def test_multistep_and_exponential_agree_with_torch():
    theirs = torch.optim.lr_scheduler.MultiStepLR(optimizer_with(0.1), [3, 7, 8], gamma=0.5)
    agree(MultiStep(0.1, (3, 7, 8), gamma=0.5), rates_of(theirs, 20))
    agree(Exponential(0.1, 0.9), rates_of(torch.optim.lr_scheduler.ExponentialLR(optimizer_with(0.1), 0.9), 50))


def test_welch_and_hann_are_the_windows_of_their_names():
    u = np.arange(200) / (2 * S) % 1
    agree(Welch(B, M, S), B + (M - B) * (1 - (2 * u - 1) ** 2))
    agree(Hann(B, M, S), B + (M - B) * (1 - np.cos(2 * np.pi * u)) / 2)


def test_stages_restart_the_cycle_of_table_2():
    stages = ((16_000, 0.001, 0.005, 2000), (6_000, 0.0001, 0.0005, 1000), (3_000, 0.00001, 0.00005, 500))
    policy = Stages(*((iterations, Triangular2(b, m, s)) for iterations, b, m, s in stages))
    expected = [caffe_rate(t, b, m, s, halving=True) for n, b, m, s in stages for t in range(n)]
    np.testing.assert_allclose(policy(np.arange(25_000)), expected, rtol=1e-12)
    assert policy(25_000) == pytest.approx(0.00001)  # past the end the last stage goes on
    assert policy(25_500) == pytest.approx(0.00001 + 0.00004 / 2**3)


def test_stages_that_do_not_restart_pass_each_policy_the_iteration_itself() -> None:
    """Halving, decay and milestones count from the beginning, not from their stage's."""
    parts = (Triangular2(B, M, 5), ExpRange(B, M, 5, 0.9), MultiStep(0.1, (25, 33)), WarmRestarts(B, M, 7, 2))
    policy = Stages(*((10, part) for part in parts), restart=False)
    agree(policy, [parts[min(t // 10, 3)](t) for t in range(60)])
    restarting = Stages(*((10, part) for part in parts))
    agree(restarting, [parts[min(t // 10, 3)](t - 10 * min(t // 10, 3)) for t in range(60)])


def test_stages_tell_that_they_do_not_restart_and_nothing_else() -> None:
    stages = ((7, Fixed(0.1)), (5, Triangular(B, M, S)))
    told = "(7, Fixed(lr=0.1)), (5, Triangular(base_lr=0.001, max_lr=0.006, step_size=20))"
    assert repr(Stages(*stages)) == repr(Stages(*stages, restart=True)) == f"Stages({told})"
    assert repr(Stages(*stages, restart=False)) == f"Stages({told}, restart=False)"
    assert Stages(*stages) == Stages(*stages, restart=True) != Stages(*stages, restart=False)
    assert hash(Stages(*stages)) == hash(Stages(*stages, restart=True))


@every_policy
def test_policies_come_back_from_json(policy: Policy) -> None:
    again = as_json.read(json.loads(json.dumps(as_json.write(policy))), Policy)
    assert again == policy and repr(again) == repr(policy)


@every_policy
def test_number_array_and_tensor_give_the_same(policy):
    t = np.arange(256)
    expected = [policy(int(i)) for i in t]
    for dtype in (np.int64, np.uint8):
        assert policy(t.astype(dtype).reshape(2, 4, 32)).ravel().tolist() == expected
        assert policy(torch.from_numpy(t.astype(dtype))).tolist() == expected
    assert policy(t).dtype == np.float64 and policy(torch.arange(3)).dtype == torch.float64
    assert type(policy(3)) is type(policy(np.int64(3))) is float
    for nothing in (np.array(3), torch.tensor(3), np.empty((0, 2), dtype=int), torch.empty((2, 0), dtype=torch.int64)):
        assert policy(nothing).shape == nothing.shape


@every_policy
def test_huge_iterations_are_exact_and_do_not_overflow(policy):
    for t in (10**9, 2 * S * 1025 + 3, 2 * S * 5000 + 3, 2**63 - 1):
        assert 0 <= policy(t) <= 0.1
        np.testing.assert_allclose(policy(np.array([t])), [policy(t)], rtol=1e-12)
    if type(policy) in (Triangular, Welch, Hann):
        assert policy(2 * S * 10**15 + 3) == policy(3)


@every_policy
def test_policies_are_values(policy):
    field = dataclasses.fields(policy)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(policy, field, 1)
    twin = eval(repr(policy), vars(clrlib))
    assert twin == policy
    assert hash(twin) == hash(policy)
    assert twin is not policy
    assert pickle.loads(pickle.dumps(policy)) == copy.deepcopy(policy) == policy  # noqa: S301
    assert len({policy, twin, Fixed(0.9)}) == 2


def test_a_rise_from_zero_keeps_every_digit_however_long_the_cycle():
    for s in (3999, 100_000, 1_000_000):
        assert Triangular(0.0, 1.0, s)(1) == pytest.approx(1 / s, rel=1e-15)
        assert LinearDecay(1.0, 0.0, s)(s - 1) == pytest.approx(1 / s, rel=1e-15)


@pytest.mark.parametrize(("cycle", "growth"), [(1, 1), (7, 1), (400, 1), (1, 2), (10, 2), (3, 3)])
def test_warm_restarts_agree_with_torch(cycle: int, growth: int) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=M)
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, cycle, growth, eta_min=B)
    policy = WarmRestarts(B, M, cycle, growth)
    for t in range(500):
        assert policy(t) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9), t
        optimizer.step()
        theirs.step()


def test_piecewise_linear_meets_its_knots_and_stays_at_the_last() -> None:
    knots = ((0, 0.0), (3, 0.3), (4, 0.1), (10, 0.4))
    policy = PiecewiseLinear(knots)
    assert [policy(t) for t, _ in knots] == [lr for _, lr in knots]
    assert policy(1) == pytest.approx(0.1) and policy(7) == pytest.approx(0.25)
    assert policy(11) == policy(10**12) == 0.4
    assert PiecewiseLinear(((0, 0.2),))(5) == 0.2
    assert PiecewiseLinear([[0, 0.0], [3, 1]]) == PiecewiseLinear(((0, 0.0), (3, 1.0)))  # as JSON has it


# What is refused


@every_policy
def test_every_number_of_every_policy_is_checked(policy):
    for name in (field.name for field in dataclasses.fields(policy)):
        if type(getattr(policy, name)) in (int, float):
            for bad in (-2, math.nan, math.inf):
                with pytest.raises(ValueError, match=r"give |must be|move them"):
                    dataclasses.replace(policy, **{name: bad})
            for bad in ("1", True, None if name != "back" else 1j):
                with pytest.raises(TypeError, match=f"{name} must be a number, not "):
                    dataclasses.replace(policy, **{name: bad})
            from_numpy = dataclasses.replace(policy, **{name: np.float64(getattr(policy, name))})
            assert repr(from_numpy) == repr(policy)  # a plain Python number again


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Triangular(0.006, 0.001, 20), "base_lr 0.006 is above max_lr 0.001; give the lower bound as base_lr"),
        (lambda: LinearDecay(max_lr=0.1, base_lr=0.2, steps=3), "base_lr 0.2 is above max_lr 0.1"),
        (lambda: WarmRestarts(0.2, 0.1, 5), "base_lr 0.2 is above max_lr 0.1"),
        (lambda: Welch(0, 1, 2.5), "step_size is 2.5; give a whole number, 1 or more"),
        (lambda: Triangular(0, 1, 0), "step_size is 0; give a whole number, 1 or more"),
        (lambda: Triangular(0, 1, 2**62), "step_size is 4611686018427387904; give a whole number"),
        (lambda: WarmRestarts(B, M, 10, 1.5), "growth is 1.5; give a whole number, 1 or more"),
        (lambda: UpDown(0, 1, 5, 5, shrink=2), "shrink is 2; give a factor above 0 and up to 1"),
        (lambda: ExpRange(0, 1, 5, 2), "gamma is 2; give a factor above 0 and up to 1"),
        (lambda: ExpRange(0, 1, 5, 0.9, decay="cats"), "decay is 'cats'; give \"bounds\""),
        (lambda: MultiStep(0.1, (5, 5)), "milestones (5, 5) do not rise; give each iteration once, in rising order"),
        (lambda: MultiStep(0.1, (0, 5)), "milestones[0] is 0; give a whole number, 1 or more"),
        (lambda: Stages(), "Stages() is empty; give at least one (iterations, policy) pair"),
        (lambda: Stages((0, Fixed(1))), "iterations of stage 0 is 0; give a whole number"),
        (lambda: epochs_to_iterations(0.001, 100), "0.001 epochs of 100 iterations is 0; give a whole number"),
        (lambda: epochs_to_iterations(4, 0), "iterations_per_epoch is 0; give a whole number"),
        (lambda: PiecewiseLinear(()), "must begin at iteration 0; give the first rate there"),
        (lambda: PiecewiseLinear(((1, 0.1),)), "must begin at iteration 0; give the first rate there"),
        (lambda: PiecewiseLinear(((0, 0.1), (5, 0.2), (5, 0.3))), "iterations of knots (0, 5, 5) do not rise; give"),
        (lambda: PiecewiseLinear(((0, -0.1),)), "rate of knots[0] is -0.1; a learning rate must be 0 or more"),
        (lambda: PiecewiseLinear(((0, 0.1), (2.5, 0.1))), "iterations of knots[1] is 2.5; give a whole number"),
    ],
)
def test_bad_values_are_refused_in_one_sentence(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Triangular(0.1, [0.2, 0.3], 5), "[0.2, 0.3]; give one, and ScheduleLR a list of policies"),
        (lambda: OneCycle.torch((0.1, 0.2), 9), "(0.1, 0.2); give one, and ScheduleLR a list of policies"),
        (lambda: MultiStep(0.1, 5), "milestones is 5; give a tuple of iterations"),
        (lambda: PiecewiseLinear((0.1, 0.2)), "knots is (0.1, 0.2); give pairs (iteration, rate)"),
        (lambda: PiecewiseLinear({0: 0.1}), "knots is {0: 0.1}; give pairs (iteration, rate)"),
        (lambda: Stages(Fixed(1)), "stage 0 is Fixed(lr=1.0); give a pair (iterations, policy)"),
        (lambda: Stages((5, Fixed(1)), (5, 0.1)), "stage 1 is (5, 0.1); give a pair (iterations, policy)"),
    ],
)
def test_bad_types_are_refused_in_one_sentence(make, message):
    with pytest.raises(TypeError, match=re.escape(message)):
        make()


@pytest.mark.parametrize("policy", [Fixed(1), Stages((7, Fixed(0.1)))], ids=repr)
def test_what_is_no_iteration_is_refused(policy):
    for t in (-1, np.array([2, -1]), torch.tensor([2, -1])):
        with pytest.raises(ValueError, match="iteration -1 is negative; the first iteration is 0"):
            policy(t)
    for t in (True, 1.0, np.float64(1), None, "1", [1, 2], np.array([True]), np.array([1.0]), torch.tensor([1.0])):
        with pytest.raises(TypeError, match="give an int, 0 or more, or an array of them"):
            policy(t)
