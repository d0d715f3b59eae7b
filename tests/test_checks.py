import re

import numpy as np
import pytest

from clrlib import _checks as checks

NOT_NUMBERS = (True, np.True_, "0.1", None, 1j)


@pytest.mark.parametrize("value", [0, 0.5, -2, np.float32(0.5), np.int64(3)])
def test_number_gives_a_plain_float(value):
    assert type(checks.number("x", value)) is float
    assert checks.number("x", value) == value


@pytest.mark.parametrize("check", [checks.number, checks.learning_rate, checks.factor, checks.count])
@pytest.mark.parametrize("value", NOT_NUMBERS)
def test_what_is_not_a_number_is_refused(check, value):
    with pytest.raises(TypeError, match=re.escape(f"x must be a number, not {value!r}; give it as a float")):
        check("x", value)


@pytest.mark.parametrize("check", [checks.number, checks.learning_rate, checks.factor, checks.count])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_refused(check, value):
    with pytest.raises(ValueError, match=f"x is {value!r}; give a finite number"):
        check("x", value)


def test_rate_refuses_negative_numbers():
    assert checks.learning_rate("x", 0) == 0.0
    with pytest.raises(ValueError, match=r"x is -0\.1; a learning rate must be 0 or more"):
        checks.learning_rate("x", -0.1)


@pytest.mark.parametrize("value", [0, -0.5, 1.0001])
def test_factor_lies_above_0_and_up_to_1(value):
    assert checks.factor("x", 1) == 1.0
    with pytest.raises(ValueError, match="give a factor above 0 and up to 1"):
        checks.factor("x", value)


@pytest.mark.parametrize("value", [2000, 2000.0, np.int32(2000), np.float64(2000)])
def test_count_takes_whole_numbers_of_any_type(value):
    assert type(checks.count("x", value)) is int
    assert checks.count("x", value) == 2000


@pytest.mark.parametrize("value", [2.5, 0, -3])
def test_count_refuses_fractions_and_less_than_the_least(value):
    with pytest.raises(ValueError, match=f"x is {value}; give a whole number of iterations, 1 or more"):
        checks.count("x", value)
    with pytest.raises(ValueError, match="x is 1; give a whole number of iterations, 2 or more"):
        checks.count("x", 1, least=2)


def test_bounds_in_the_wrong_order_are_refused():
    checks.ordered(0.1, 0.1)
    with pytest.raises(ValueError, match=r"base_lr 0\.006 is above max_lr 0\.001; give the lower bound as base_lr"):
        checks.ordered(0.006, 0.001)


@pytest.mark.parametrize("t", [0, 7, 2**63 - 1, np.uint8(7), np.int64(7)])
def test_iteration_gives_a_plain_int(t):
    assert type(checks.iterations(t)) is int
    assert checks.iterations(t) == t


@pytest.mark.parametrize("t", [True, np.False_, 1.0, "1", None])
def test_iteration_refuses_other_types(t):
    with pytest.raises(TypeError, match="give an int, 0 or more"):
        checks.iterations(t)


def test_an_iteration_and_an_array_of_them_are_refused_in_the_same_words():
    with pytest.raises(ValueError, match="iteration -1 is negative; the first iteration is 0"):
        checks.iterations(-1)
    with pytest.raises(ValueError, match="iteration -1 is negative; the first iteration is 0"):
        checks.iterations(np.array([3, -1]))
    with pytest.raises(ValueError, match=f"iteration {2**63} does not fit 64 bits; give a smaller one"):
        checks.iterations(2**63)
    with pytest.raises(ValueError, match=f"iteration {2**63} does not fit 64 bits; give a smaller one"):
        checks.iterations(np.array([2**63], dtype=np.uint64))


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint64])
def test_iteration_array_gives_int64(dtype):
    assert checks.iterations(np.array([0, 200], dtype=dtype)).dtype == np.int64
    assert checks.iterations(np.empty((2, 0), dtype=dtype)).shape == (2, 0)


@pytest.mark.parametrize("dtype", [bool, np.float64])
def test_iteration_array_refuses_other_types(dtype):
    with pytest.raises(TypeError, match=r"is a .* array; give an int, 0 or more, or an array of them"):
        checks.iterations(np.zeros(3, dtype=dtype))
