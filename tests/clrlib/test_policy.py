"""Policies put together, functions as policies, and where their cycles end."""

import copy
import json
import math
import re
from functools import partial

import numpy as np
import pytest
import torch

from clrlib import (
    Exponential,
    ExpRange,
    Fixed,
    Function,
    LinearDecay,
    OneCycle,
    PiecewiseLinear,
    Policy,
    Repeat,
    Stages,
    Triangular,
    Triangular2,
    UpDown,
    WarmRestarts,
)

UP = PiecewiseLinear(((0, 0.0), (4, 0.4)))


def over(policy: Policy, iterations: int) -> list[float]:
    return [policy(t) for t in range(iterations)]


def inverse(t: int) -> float:
    return 1 / (1 + t)


def test_then_goes_on_with_another_policy_from_its_start() -> None:
    policy = UP.then(Triangular(0.1, 0.4, 3), after=4)
    assert policy == Stages((4, UP), (1, Triangular(0.1, 0.4, 3)))
    assert over(policy, 40) == over(UP, 4) + over(Triangular(0.1, 0.4, 3), 36)
    longer = policy.then(Fixed(0.9), after=10)  # counted from the start of the whole
    assert over(longer, 20) == over(policy, 10) + [0.9] * 10


def test_repeat_begins_again() -> None:
    policy = UP.repeat(every=3)
    assert policy == Repeat(UP, 3) and repr(policy) == f"Repeat(policy={UP!r}, every=3)"
    assert over(policy, 9) == over(UP, 3) * 3
    np.testing.assert_array_equal(policy(np.arange(9).reshape(3, 3)), np.tile(UP(np.arange(3)), (3, 1)))
    assert UP.then(Fixed(0.1), after=2).repeat(every=4)(10**15 + 1) == UP(1)  # 10**15 is a multiple of 4
    assert over(LinearDecay(0.2, 0.1, 5).repeat(every=5), 60) == pytest.approx(
        [0.1 + 0.1 * (5 - t % 5) / 5 for t in range(60)]
    )


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: UP.repeat(every=0), ValueError, "every is 0; give a whole number, 1 or more"),
        (lambda: Repeat(0.1, 3), TypeError, "policy is 0.1; give a clrlib policy, such as Triangular"),
        (lambda: Function(0.1), TypeError, "function is 0.1; give a clrlib policy"),
        (lambda: Function(Triangular), TypeError, "function is <class 'clrlib._schedules.Triangular'>; give a clrlib"),
    ],
)
def test_what_cannot_be_put_together_is_refused_in_one_sentence(make, error, message) -> None:
    with pytest.raises(error, match=re.escape(message)):
        make()


def test_a_function_is_a_policy_for_numbers_arrays_and_tensors() -> None:
    policy = Function(inverse)
    expected = [1 / (1 + t) for t in range(6)]
    assert over(policy, 6) == expected
    np.testing.assert_array_equal(policy(np.arange(6).reshape(2, 3)), np.reshape(expected, (2, 3)))
    assert policy(torch.arange(6)).tolist() == expected
    assert policy(np.array(3)).shape == () and policy(np.empty((0, 2), dtype=int)).shape == (0, 2)
    seen: list[object] = []
    Function(lambda t: seen.append(t) or 0.1, name="seen")(np.arange(3, dtype=np.uint8))
    assert {type(t) for t in seen} == {int}
    assert Function(math.sqrt)(4) == 2.0


def test_a_tensor_without_values_gives_the_shape_of_the_rates() -> None:
    rates = UP(torch.empty((2, 3), dtype=torch.int64, device="meta"))
    assert (rates.shape, rates.dtype, rates.device.type) == ((2, 3), torch.float64, "meta")


def test_a_tensor_on_mps_gets_float32_for_there_is_no_float64(monkeypatch) -> None:
    class OnMps(torch.Tensor):
        device = torch.device("mps")

    moves = []
    monkeypatch.setattr(torch.Tensor, "to", lambda rates, *where: moves.append((rates.tolist(), *where)))
    Function(inverse)(torch.arange(2).as_subclass(OnMps))
    assert moves == [([1.0, 0.5], torch.device("mps"), torch.float32)]


def test_a_function_is_told_by_its_name_and_is_a_value() -> None:
    assert repr(Function(inverse)) == "Function(name='inverse')"
    assert repr(Function(lambda t: 0.1, name="flat")) == "Function(name='flat')"
    assert "<lambda>" in repr(Function(lambda t: 0.1)) and Function(partial(pow, 0.5)).name == "<partial object>"
    assert Function(inverse) == copy.deepcopy(Function(inverse)) and hash(Function(inverse)) == hash(Function(inverse))
    assert Function(inverse) != Function(inverse, name="other") != Function(math.sqrt, name="other")
    with pytest.raises(TypeError):  # a record of such a run could not be read back: it is refused, not written half
        json.dumps(vars(Function(inverse)))


@pytest.mark.parametrize(("value", "error"), [(-0.5, ValueError), (math.nan, ValueError), ("0.1", TypeError)])
def test_a_function_that_gives_no_rate_is_named(value: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="broken at iteration 3 "):
        Function(lambda t: value, name="broken")(3)


@pytest.mark.parametrize(
    ("policy", "ends"),
    [
        (Fixed(0.1), {0: 0, 7: 7}),
        (Exponential(0.1, 0.9), {7: 7}),
        (Triangular2(0.1, 0.3, 5), {0: 10, 1: 10, 10: 10, 11: 20}),
        (ExpRange(0.1, 0.3, 5, 0.9), {11: 20}),
        (UpDown(0.1, 0.3, 5, 2), {0: 7, 7: 7, 8: 14}),
        (WarmRestarts(0.0, 0.1, 10), {0: 10, 10: 10, 11: 20, 95: 100}),
        (WarmRestarts(0.0, 0.1, 10, growth=2), {0: 10, 10: 10, 11: 30, 30: 30, 31: 70, 71: 150}),
        (OneCycle.torch(0.1, 100), {0: 99, 99: 99, 100: 100, 500: 500}),
        (OneCycle(0.1, 0.2, 0.0, peak=2.5, end=9.5), {0: 10, 10: 10}),
        (UP.repeat(every=6), {0: 6, 6: 6, 7: 12}),
        (Triangular(0.1, 0.3, 4).repeat(every=20), {0: 8, 8: 8, 9: 16, 17: 20, 20: 20, 21: 28, 40: 40}),
        (Stages((12, Triangular(0.1, 0.3, 5)), (1, Triangular(0.1, 0.3, 2))), {1: 10, 10: 10, 11: 12, 12: 12, 13: 16}),
        (Stages((12, Triangular(0.1, 0.3, 5)), (1, Triangular(0.1, 0.2, 5)), restart=False), {9: 10, 11: 20, 21: 30}),
        (Stages((12, Triangular(0.1, 0.3, 5)), (1, Fixed(0.1)), restart=False), {11: 12, 12: 12, 13: 13}),
        (Stages((3, Fixed(0.1)), (20, Triangular(0.1, 0.3, 5)), (1, Fixed(0.1))), {2: 2, 4: 13, 14: 23, 24: 24}),
    ],
    ids=repr,
)
def test_cycles_end_where_they_end(policy: Policy, ends: dict[int, int]) -> None:
    assert {t: policy.cycle_end_at_or_after(t) for t in ends} == ends
