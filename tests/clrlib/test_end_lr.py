"""The range test without an end_lr, with one that is too high or too low, and what it says of it."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from clrlib import RangeTest, lr_range_test, lr_sweep
from clrlib._range_test import SEARCH
from clrlib._reading import BREAK, EARLY, FIRST, KNEE_NOISE, LARGER, against_end, break_of, read

INPUTS = torch.randn(1200, 20, generator=torch.Generator().manual_seed(0))
TARGETS = (INPUTS[:, :10].sum(1) > 0).long()
TRAIN = [*zip(INPUTS[:1000].split(50), TARGETS[:1000].split(50), strict=True)]
HELDOUT = [(INPUTS[1000:], TARGETS[1000:])]
OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters),
    "momentum": lambda parameters: torch.optim.SGD(parameters, momentum=0.9),
    "adam": lambda parameters: torch.optim.Adam(parameters),
}


pytestmark = pytest.mark.usefixtures("one_thread")


def run(kind="momentum", heldout=HELDOUT, **options):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 2))
    return lr_range_test(
        model, OPTIMIZERS[kind](model.parameters()), F.cross_entropy, TRAIN, heldout, **{"iterations": 100} | options
    )


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_without_an_end_lr_a_search_comes_first_and_both_are_in_the_result(kind):
    test = run(kind)
    search, *more = test.earlier
    assert (search.metric, search.lr[0], search.end_lr) == ("loss", *SEARCH[:2])
    assert search.lr.size <= SEARCH[2]
    assert not more or more[0].bounds().end_lr == test.end_lr
    assert (more or [test])[0].end_lr == pytest.approx(search.broke, rel=0.05)
    assert test.bounds().base_lr < test.bounds().max_lr < test.end_lr


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("end_lr", [0.05, 0.1, 0.5, 2.0])
def test_the_bounds_do_not_follow_the_first_guess_or_it_is_said_why(kind, end_lr):
    searched = run(kind).bounds()
    given = run(kind, end_lr=end_lr).bounds()
    again = run(kind, end_lr=end_lr, retest=True).bounds()
    for one, other in ((again.base_lr, searched.base_lr), (again.max_lr, searched.max_lr)):
        assert 1 / 1.5 <= one / other <= 1.5
    assert re.search("training broke at|training had not broken|still rises at the last rate", str(given))
    assert given.end_lr is None or f"{given.end_lr:g}" in str(given)


def test_training_curves_are_kept_beside_the_accuracy():
    test = run(end_lr=0.5)
    assert (test.training.metric, test.training.lr.size, test.lr.size) == ("loss", 100, 21)
    assert run(end_lr=0.5, heldout=None, metric="loss").training.values.tolist() == test.training.values.tolist()


def test_every_pass_begins_alike():
    weight, starts = nn.Parameter(torch.ones(1)), []

    def step(lr):
        starts.append(weight.item())
        with torch.no_grad():
            weight.sub_(lr * 2 * weight)
        return weight.item() ** 2

    holder = nn.ParameterList([weight])
    test = lr_sweep(step, iterations=50, keep=[holder])
    assert starts.count(1.0) >= len(test.earlier) + 1 and weight.item() == 1.0
    assert 1.0 < test.earlier[0].broke < 10.0  # above 1 each step makes weight**2 larger, which begins very small


def test_two_passes_need_something_to_keep():
    for options in ({}, {"end_lr": 1.0, "retest": True}):
        with pytest.raises(ValueError, match=re.escape("needs keep=[model, optimizer, ...], to begin each alike")):
            lr_sweep(lambda lr: 1.0, iterations=10, **options)


def test_a_break_below_start_lr_is_told_of():
    with pytest.raises(ValueError, match=r"training breaks at .*, no higher than start_lr 50.0; give a lower start_lr"):
        run(start_lr=50.0, iterations=20)


def test_too_few_points_ask_for_more_of_them_not_for_another_end():
    test = run(iterations=5)
    assert str(test.bounds()) == "no clear answer: 5 points are too few; measure at 6 rates or more"
    assert len(test.earlier) == 1


def test_a_loss_that_is_never_finite_is_told_of():
    with pytest.raises(ValueError, match=r"training loss nan at iteration 0, .*: no rate can be tested; look at"):
        lr_sweep(lambda lr: float("nan"), iterations=10, keep=[nn.Linear(1, 1)])


def test_a_training_that_never_breaks_is_tested_up_to_the_last_rate_of_the_search():
    test = lr_sweep(lambda lr: 1.0 / (1 + lr), iterations=30, keep=[nn.Linear(1, 1)])
    assert test.earlier[0].broke is None
    assert test.earlier[-1].end_lr == SEARCH[1] or test.end_lr == SEARCH[1]


def test_seeds_share_the_rates_of_the_first():
    first = run()
    together = RangeTest.over_seeds([first, run(end_lr=first.end_lr)])
    assert (together.values.shape[0], together.training.values.shape[0], together.earlier) == (2, 2, ())


def test_the_plot_shows_every_pass_and_where_the_search_saw_a_break():
    test = run()
    search, *_, last = test.plot().axes
    assert len(test.plot().axes) == len(test.earlier) + 1
    assert (search.get_xscale(), last.get_xscale()) == ("log", "linear")
    assert any(line.get_xdata()[0] == test.earlier[0].broke for line in search.lines)


# The limits


def broken(given_back, noise=0.0, n=40):
    """A score that rises by 1 in 20 points, stays there for 5 and gives some of it back."""
    curve = np.r_[np.zeros(FIRST), np.linspace(0, 1, 20), np.ones(5), np.full(n, 1 - given_back)]
    return curve + noise * np.random.default_rng(0).normal(size=curve.size)


@pytest.mark.parametrize(
    ("given_back", "noise", "found"),
    [(BREAK + 0.02, 0.0, True), (BREAK - 0.02, 0.0, False), (BREAK + 0.05, 0.3, False), (1.0, 0.05, True)],
)
def test_a_break_gives_back_a_quarter_and_more_than_noise(given_back, noise, found):
    values = broken(given_back, noise)
    lr = np.geomspace(1e-3, 1, values.size)
    broke = break_of(lr, values)
    assert (broke is not None) is found
    if found:
        assert lr[33] < broke <= lr[37]
    if noise:
        assert found is (given_back > KNEE_NOISE * noise)


@pytest.mark.parametrize(("share", "early"), [(EARLY * 0.99, True), (EARLY * 1.01, False)])
def test_a_break_before_a_third_of_the_test_asks_for_a_smaller_end(share, early):
    x = np.linspace(0, 1, 21)
    bounds = against_end(read(x, np.minimum(x, 0.4), "accuracy", False, False), 1.0, share, False)
    assert bounds.end_lr == (pytest.approx(2 * share, rel=0.05) if early else None)
    assert ("training broke at 0.33, early in the test" in str(bounds)) is early


def test_a_training_that_did_not_break_asks_for_a_larger_end():
    x = np.linspace(0, 1, 21)
    bounds = RangeTest(x, np.minimum(x, 0.4), end_lr=1.0, training=RangeTest(x, 1 - x, metric="loss")).bounds()
    assert bounds.max_lr == 0.4 and bounds.end_lr == LARGER
    assert str(bounds).endswith("a larger end_lr may move both: leave it out, or give 4")
    assert RangeTest(x, np.minimum(x, 0.4)).bounds().end_lr is None, "of a recorded curve nothing is known"


@pytest.mark.parametrize(("broke", "searched", "end_lr"), [(0.8, False, 0.5), (0.4, False, 0.4), (None, True, 0.5)])
def test_a_rise_that_noise_hides_is_looked_for_at_lower_rates(broke, searched, end_lr):
    flat = np.full(21, 0.5)
    bounds = against_end(read(np.linspace(0, 1, 21), flat, "accuracy", False, False), 1.0, broke, searched)
    assert bounds.end_lr == end_lr
    assert str(bounds).endswith(f"or test other rates, such as those up to end_lr={end_lr:g}")


def test_an_early_divergence_says_which_end_lr_to_give():
    stopped = "training loss nan at iteration 30, learning rate 0.3"
    loss = RangeTest(np.linspace(0, 0.3, 30), np.linspace(1, 0.5, 30), stopped, "loss")
    test = RangeTest(np.linspace(0, 0.2, 5), np.linspace(0, 0.2, 5), stopped, end_lr=1.0, training=loss)
    assert str(test.bounds()) == (
        "no clear answer: training broke at 0.3, early in the test: test again with end_lr=0.6"
    )
