"""The rates that other finders would suggest, against their own code where it is installed."""

import contextlib
import importlib
import io
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from clrlib import RangeTest
from lab.bench.finders import minimum_tenth, steepest, suggestions, valley

LR = np.geomspace(1e-6, 10, 90)
X = np.log10(LR)
NOISE = np.random.default_rng(0).standard_normal(90)
LOSSES = {
    "a smooth dip": 2.3 - 1.5 * np.exp(-((X + 1.5) ** 2)),
    "a dip that explodes": 2.3 - np.clip(X + 3, 0, 2) * 0.6 + 10 ** np.clip(3 * X, None, 4),
    "a noisy dip": 2.3 - 1.5 * np.exp(-((X + 1.5) ** 2)) + 0.05 * NOISE,
    "noise": 2.3 + 0.1 * NOISE,
    "falls throughout": 5 - X,
    "rises throughout": 5 + X,
    "one early dip": np.where(np.arange(90) == 1, 1.9, 2 + 0.01 * np.arange(90)),
}
each_curve = pytest.mark.parametrize("name", LOSSES)


def peer(module):
    """A module of another library, or the test is skipped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(module)
        except ImportError as error:
            pytest.skip(f"{error.name} is not installed")


def test_the_steepest_fall_is_that_along_the_axis_of_the_sweep():
    assert steepest(LR, LOSSES["a smooth dip"]) == pytest.approx(10 ** (-1.5 - 0.5**0.5), rel=0.1)
    assert steepest(np.linspace(0, 1, 11), np.array([9, 9, 9, 8, 5, 2, 1, 1, 1, 2, 5.0])) == pytest.approx(0.4)


@each_curve
def test_the_valley_is_the_longest_run_of_falling_losses_cut_at_a_half(name):
    loss = LOSSES[name]
    length = [1] * len(loss)
    for i in range(len(loss)):
        for j in range(i):
            if loss[j] > loss[i]:
                length[i] = max(length[i], length[j] + 1)
    end = length.index(max(length))
    start = end - max(length)
    assert valley(LR, loss) == LR[max(0, start + max(length) // 3 + max(length) // 6)]


@each_curve
def test_suggestions_are_the_three_rules_on_the_smoothed_curve(name):
    test = RangeTest(LR, LOSSES[name], metric="loss")
    expected = [rule(LR, test.smoothed) for rule in (steepest, valley, minimum_tenth)]
    suggested = suggestions(test)
    assert [*suggested.values()] == expected
    assert [*suggested] == ["steepest", "valley", "minimum / 10"]
    assert suggestions(RangeTest(LR, -LOSSES[name], metric="score")) == suggested


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="2 points are too few for a suggestion; measure at 3 rates or more"):
        suggestions(RangeTest([0.1, 0.2], [1.0, 2.0], metric="loss"))


@each_curve
def test_valley_and_minimum_are_those_of_fastai(name):
    schedule = peer("fastai.callback.schedule")
    lr, loss = torch.tensor(LR), torch.tensor(LOSSES[name])
    assert minimum_tenth(LR, LOSSES[name]) == pytest.approx(schedule.minimum(lr, loss, 100)[0], rel=1e-12)
    theirs = schedule.valley(lr, loss, 100)[0]
    if name == "one early dip":  # a run of two at the very start: point -1, which Python takes for the last
        assert theirs == LR[-1]
        assert valley(LR, LOSSES[name]) == LR[0]
    else:
        assert valley(LR, LOSSES[name]) == theirs


@pytest.mark.parametrize("name", [name for name in LOSSES if "throughout" not in name])  # which are straight: all tied
def test_the_steepest_fall_is_that_of_torch_lr_finder(name):
    module, figure = peer("torch_lr_finder"), peer("matplotlib.figure")
    finder = module.LRFinder(nn.Linear(1, 1), torch.optim.SGD([torch.zeros(1)]), nn.MSELoss(), device="cpu")
    finder.history = {"lr": [*LR], "loss": [*LOSSES[name]]}
    with contextlib.redirect_stdout(io.StringIO()):
        axes = figure.Figure().add_subplot()
        theirs = finder.plot(skip_start=0, skip_end=0, ax=axes, suggest_lr=True)[1]
    assert steepest(LR, LOSSES[name]) == theirs
