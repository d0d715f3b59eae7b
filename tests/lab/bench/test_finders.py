"""The rates that other finders would suggest, against their own code where it is installed."""

import contextlib
import importlib
import io
import logging
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from clrlib import RangeTest, lr_range_test
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


# The definitions, written out


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


def test_a_tenth_of_the_minimum():
    assert minimum_tenth(LR, LOSSES["a smooth dip"]) == pytest.approx(10**-2.5, rel=0.1)


@each_curve
def test_suggestions_are_the_three_rules_on_the_smoothed_curve(name):
    test = RangeTest(LR, LOSSES[name], metric="loss")
    expected = [rule(LR, test.smoothed) for rule in (steepest, valley, minimum_tenth)]
    found = suggestions(test)
    assert [*found.values()] == expected
    assert [*found] == ["steepest", "valley", "minimum / 10"]
    assert suggestions(RangeTest(LR, -LOSSES[name], metric="score")) == found


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="2 points are too few for a suggestion; measure at 3 rates or more"):
        suggestions(RangeTest([0.1, 0.2], [1.0, 2.0], metric="loss"))


def test_unlike_bounds_they_have_an_answer_for_noise():
    test = RangeTest(LR, LOSSES["noise"], metric="loss")
    assert test.bounds().base_lr is None
    assert len(suggestions(test)) == 3


# fastai


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


@pytest.mark.parametrize("name", ["a smooth dip", "a dip that explodes"])
def test_the_steepest_fall_is_fastais_to_one_point(name):
    schedule = peer("fastai.callback.schedule")
    theirs = schedule.steep(torch.tensor(LR), torch.tensor(LOSSES[name]), 100)[0]
    assert abs(np.log(steepest(LR, LOSSES[name]) / theirs)) <= 1.001 * np.log(LR[1] / LR[0])


# torch-lr-finder


def theirs_in_torch_lr_finder(lr, loss):
    module = peer("torch_lr_finder")
    figure = peer("matplotlib.figure")
    finder = module.LRFinder(nn.Linear(1, 1), torch.optim.SGD([torch.zeros(1)]), nn.MSELoss(), device="cpu")
    finder.history = {"lr": [*lr], "loss": [*loss]}
    with contextlib.redirect_stdout(io.StringIO()):
        axes = figure.Figure().add_subplot()
        return finder.plot(skip_start=0, skip_end=0, ax=axes, suggest_lr=True)[1]


@pytest.mark.parametrize("name", [name for name in LOSSES if "throughout" not in name])  # which are straight: all tied
def test_the_steepest_fall_is_that_of_torch_lr_finder(name):
    assert steepest(LR, LOSSES[name]) == theirs_in_torch_lr_finder(LR, LOSSES[name])


def test_torch_lr_finder_suggests_the_rate_at_which_the_loss_was_nan():
    loss = np.append(LOSSES["a smooth dip"][:-1], np.nan)
    assert theirs_in_torch_lr_finder(LR, loss) >= LR[-2]
    assert steepest(LR[:-1], loss[:-1]) < 0.1
    with pytest.raises(ValueError, match="loss holds a value that is not finite"):
        RangeTest(LR, loss, metric="loss")


def test_the_curve_is_that_of_torch_lr_finder_without_its_smoothing():
    module = peer("torch_lr_finder")
    torch.manual_seed(0)
    inputs = torch.randn(64, 4)
    loader = DataLoader(TensorDataset(inputs, (inputs[:, 0] > 0).long()), batch_size=16)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    start = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    options = {"end_lr": 1.0, "spacing": "exponential", "metric": "loss"}
    ours = lr_range_test(model, optimizer, nn.CrossEntropyLoss(), loader, start_lr=1e-4, iterations=30, **options)
    assert all(torch.equal(value, start[name]) for name, value in model.state_dict().items())
    finder = module.LRFinder(model, optimizer, nn.CrossEntropyLoss(), device="cpu")
    quiet = contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO())
    with warnings.catch_warnings(), quiet[0], quiet[1]:
        warnings.simplefilter("ignore")
        finder.range_test(loader, end_lr=1.0, num_iter=30, smooth_f=0, diverge_th=1e9)
    np.testing.assert_allclose(ours.lr, finder.history["lr"], rtol=1e-9)
    np.testing.assert_allclose(ours.values, finder.history["loss"], rtol=1e-5)
    assert ours.values.size == 30


# Lightning


@pytest.mark.parametrize("name", ["a smooth dip", "a dip that explodes"])
def test_lightning_takes_the_slope_along_the_rate_itself_which_favours_small_rates(name):
    logging.getLogger("lightning").setLevel(logging.ERROR)
    finder = peer("lightning.pytorch.tuner.lr_finder")._LRFinder("exponential", LR[0], LR[-1], len(LR))
    finder.results = {"lr": [*LR], "loss": [*LOSSES[name]]}
    theirs = finder.suggestion(skip_begin=0, skip_end=1)
    slope = np.gradient(LOSSES[name][:-1].astype(np.float32), LR[:-1].astype(np.float32))
    assert theirs == pytest.approx(LR[slope.argmin()], rel=0.2)
    assert theirs < steepest(LR, LOSSES[name])
