"""Every check of an argument: what it gives back, and what it refuses in which words."""

import math
import re

import numpy as np
import pytest

from clrlib import _checks as checks

NUMBERS = (checks.number, checks.rate, checks.factor, checks.share, checks.divisor)
REFUSED = [
    (checks.rate, -0.1, "a learning rate must be 0 or more"),
    *((checks.factor, value, "give a factor above 0 and up to 1") for value in (0, -0.5, 1.0001)),
    *((checks.divisor, value, "give a number above 0") for value in (0, -1)),
    *((checks.share, value, "give a share, from 0 to 1") for value in (-0.1, 1.1)),
    *((checks.count, value, "give a whole number, 1 or more") for value in (2.5, 0, -3, 2**53)),
    *((check, v, "give a finite number") for check in (checks.number, checks.count) for v in (math.nan, math.inf)),
    (checks.number, 10**400, "give a finite number"),
]


@pytest.mark.parametrize("value", [1, np.float32(1), np.int64(1), 1.0])
def test_numbers_of_any_type_become_plain_ones(value):
    for check in NUMBERS:
        assert (type(check("x", value)), check("x", value)) == (float, 1.0)
    assert (type(checks.count("x", value)), checks.count("x", value)) == (int, 1)


@pytest.mark.parametrize(("check", "value", "advice"), REFUSED)
def test_other_numbers_are_refused_in_one_sentence(check, value, advice):
    with pytest.raises(ValueError, match=re.escape(f"x is {value!r}; {advice}")):
        check("x", value)


@pytest.mark.parametrize("value", [True, np.True_, "0.1", None, 1j])
def test_what_is_not_a_number_is_refused(value):
    for check in (*NUMBERS, checks.count):
        with pytest.raises(TypeError, match=re.escape(f"x must be a number, not {value!r}; give it as a float")):
            check("x", value)


def test_a_count_may_have_another_least_and_bounds_may_be_equal():
    with pytest.raises(ValueError, match="x is 1; give a whole number, 2 or more"):
        checks.count("x", 1, least=2)
    checks.ordered(0.1, 0.1)
    with pytest.raises(ValueError, match=r"base_lr 0\.006 is above max_lr 0\.001; give the lower bound as base_lr"):
        checks.ordered(0.006, 0.001)


@pytest.mark.parametrize("kind", [int, np.uint8, np.int32, np.uint64])
def test_iterations_are_an_int_or_an_array_of_whole_numbers(kind):
    assert type(checks.iterations(kind(7))) is int
    assert checks.iterations(np.array([0, 200], dtype=kind)).tolist() == [0, 200]
    assert checks.iterations(np.empty((2, 0), dtype=kind)).shape == (2, 0)


@pytest.mark.parametrize("t", [True, np.False_, 1.0, "1", None, np.zeros(3), np.zeros(3, dtype=bool)], ids=repr)
def test_what_is_no_iteration_is_refused(t):
    with pytest.raises(TypeError, match=r"iteration .* is a .*; give an int, 0 or more, or an array of them"):
        checks.iterations(t)


@pytest.mark.parametrize("t", [-1, np.array([3, -1])], ids=repr)
def test_an_iteration_and_an_array_of_them_are_refused_in_the_same_words(t):
    with pytest.raises(ValueError, match="iteration -1 is negative; the first iteration is 0"):
        checks.iterations(t)
