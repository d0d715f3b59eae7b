"""The bounds that a search gives where the test after it has none."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from clrlib import RangeTest, lr_range_test
from clrlib._reading import from_search

RATES = np.geomspace(1e-6, 1.0, 150)


def fall(at: float, depth: float = 1.0) -> np.ndarray:
    """A loss that has fallen by half of `depth` at the rate `at`, smoothly on the axis of log(lr)."""
    return 2.0 - depth / (1 + (at / RATES) ** 2)


def after_search(search: np.ndarray) -> RangeTest:
    """A test of pure noise, after a search with this loss."""
    noise = np.random.default_rng(0).normal(0.5, 0.1, 21)
    before = RangeTest(RATES, search, metric="loss")
    return RangeTest(np.linspace(0, 0.1, 21), noise, end_lr=0.1, earlier=(before,))


@pytest.mark.parametrize("at", [1e-4, 1e-3, 1e-2])
def test_max_lr_is_twice_the_rate_of_half_the_gain_and_base_lr_a_quarter(at: float) -> None:
    bounds = after_search(fall(at)).bounds()
    assert bounds.max_lr == pytest.approx(2 * at, rel=0.15)  # a step of the search is 10 %
    assert bounds.base_lr == pytest.approx(bounds.max_lr / 4)
    assert "in the search half of the gain in loss was made at" in bounds.reason
    assert "accuracy does not rise clearly" in bounds.reason


def test_the_loss_that_explodes_at_the_end_changes_nothing() -> None:
    explodes = fall(1e-3) + np.where(RATES > 0.3, 1e3 * RATES, 0)
    assert after_search(explodes).bounds().max_lr == after_search(fall(1e-3)).bounds().max_lr


def test_a_metric_that_rises_is_read_the_other_way_round() -> None:
    test = after_search(fall(1e-3))
    turned = RangeTest(RATES, -fall(1e-3), metric="score")
    assert replace(test, earlier=(turned,)).bounds().max_lr == test.bounds().max_lr


@pytest.mark.parametrize("n", range(1, 10))
def test_a_search_that_ended_at_once_gives_no_bounds(n: int) -> None:
    """One higher value at the end of so few would pass for a gain: there is no noise to compare it with."""
    assert from_search(RATES[:n], np.append(np.zeros(n - 1), 1.0), "loss", "") is None


def test_noise_alone_gives_no_bounds() -> None:
    rng = np.random.default_rng(0)
    answers = [from_search(RATES, rng.standard_normal(150), "loss", "") for _ in range(300)]
    assert answers == [None] * 300


def test_a_gain_below_one_percent_of_the_loss_gives_none() -> None:
    small, enough = after_search(fall(1e-3, depth=0.015)).bounds(), after_search(fall(1e-3, depth=0.05)).bounds()
    assert small.max_lr is None and small.reason.startswith("no clear answer")
    assert enough.max_lr is not None


def test_a_gain_within_the_noise_gives_none() -> None:
    noise = np.random.default_rng(1).normal(0, 1, 150)
    assert after_search(fall(1e-3) + 0.1 * noise).bounds().max_lr is not None
    assert after_search(fall(1e-3) + 2.0 * noise).bounds().max_lr is None


def test_a_test_without_a_search_is_not_touched() -> None:
    assert replace(after_search(fall(1e-3)), earlier=()).bounds().base_lr is None


def test_the_search_decides_where_held_out_examples_are_too_few() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(256, 8, generator=generator)
    pairs = [(x, (x[:, 0] > 0).long()) for x in inputs.split(32)]
    torch.manual_seed(0)
    model = nn.Linear(8, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    heldout = [(inputs[:1], pairs[0][1][:1])]  # right from the start, or wrong to the end
    test = lr_range_test(model, optimizer, nn.CrossEntropyLoss(), pairs, heldout, iterations=100)
    bounds = test.bounds()
    assert bounds.max_lr is not None and bounds.base_lr == pytest.approx(bounds.max_lr / 4)
    assert "half of the gain in loss" in str(test)
