"""1cycle in torch's, fastai's and Smith's form, against torch and against closed forms."""

import math
import re
from typing import Any

import pytest
import torch

from clrlib import OneCycle, PiecewiseLinear, ScheduleLR


def over(policy: OneCycle, iterations: int) -> list[float]:
    return [policy(t) for t in range(iterations)]


def cosine(a: float, b: float, share: float) -> float:
    return b + (a - b) / 2 * (1 + math.cos(math.pi * share))


@pytest.mark.parametrize("iterations", [1, 2, 3, 10, 37, 100, 1000])
@pytest.mark.parametrize("pct_start", [0.0, 0.07, 0.25, 0.3, 0.45, 0.6, 1.0])
@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize("anneal", ["cos", "linear"])
def test_rates_and_momentum_agree_with_torch(iterations: int, pct_start: float, three_phase: bool, anneal: Any) -> None:
    """Also where the rise is too short for an iteration (it began before), and where what follows it is cut off."""
    theirs = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    policy = OneCycle.torch(0.4, iterations, pct_start, anneal, three_phase=three_phase)
    if pct_start * iterations == 1:  # torch divides by zero
        assert (policy(0), policy.momentum()(0)) == (0.4, 0.85)
        return
    peer = torch.optim.lr_scheduler.OneCycleLR(
        theirs, 0.4, iterations, pct_start=pct_start, anneal_strategy=anneal, three_phase=three_phase
    )
    ours = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    schedule = ScheduleLR(ours, policy, momentum=policy.momentum())
    for t in range(iterations):
        for key in ("lr", "momentum"):
            assert ours.param_groups[0][key] == pytest.approx(theirs.param_groups[0][key], rel=1e-12, abs=1e-16), t
        for optimizer, scheduler in ((ours, schedule), (theirs, peer)):
            optimizer.step()
            if t < iterations - 1 or scheduler is schedule:
                scheduler.step()


def test_t10_it_stays_at_its_end() -> None:
    policy = OneCycle.torch(0.1, 10)
    assert [policy(t) for t in (9, 10, 11, 10**12, 2**63 - 1)] == [0.1 / 25 / 1e4] * 5


@pytest.mark.parametrize("three_phase", [False, True])
def test_a_rise_as_long_as_the_training_stays_at_the_top(three_phase: bool) -> None:
    policy = OneCycle.torch(0.1, 10, pct_start=1.0, anneal="linear", three_phase=three_phase)
    assert [policy(t) for t in (0, 9, 10, 10**12)] == [0.1 / 25, 0.1, 0.1, 0.1]


def test_fastais_form_is_two_cosines() -> None:
    """fit_one_cycle: at the share s = t / n of the training, up to a quarter and down from there."""
    n, top = 200, 0.3
    policy = OneCycle(top / 25, top, top / 1e5, peak=0.25 * n, end=n)
    shares = [t / n for t in range(n)]
    expected = [
        cosine(top / 25, top, s / 0.25) if s < 0.25 else cosine(top, top / 1e5, (s - 0.25) / 0.75) for s in shares
    ]
    assert over(policy, n) == pytest.approx(expected, rel=1e-12)
    momentum = [cosine(0.95, 0.85, s / 0.25) if s < 0.25 else cosine(0.85, 0.95, (s - 0.25) / 0.75) for s in shares]
    assert over(policy.momentum(), n) == pytest.approx(momentum, rel=1e-12)


def test_smiths_form_is_straight_lines_and_its_momentum_rests_at_the_end() -> None:
    policy = OneCycle(0.1, 1.0, 0.001, peak=45, back=90, end=100, anneal="linear")
    lines = PiecewiseLinear(((0, 0.1), (45, 1.0), (90, 0.1), (100, 0.001)))
    assert over(policy, 120) == pytest.approx(over(lines, 120), rel=1e-12)
    momentum = PiecewiseLinear(((0, 0.95), (45, 0.85), (90, 0.95)))
    assert over(policy.momentum(), 120) == pytest.approx(over(momentum, 120), rel=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OneCycle(0.1, 0.2, 0.0, peak=9.5, end=9), "the turns at [9.5] do not lie in order"),
        (lambda: OneCycle(0.1, 0.2, 0.0, peak=-1.5, end=9), "the turns at [-1.5] do not lie in order"),
        (lambda: OneCycle(0.1, 0.2, 0.0, peak=-1, end=-0.5), "the turns at [-1.0] do not lie in order"),
        (lambda: OneCycle(0.1, 0.2, 0.0, peak=4, end=9, back=3), "the turns at [4.0, 3.0] do not lie in order"),
        (lambda: OneCycle(0.1, 0.2, 0.0, peak=4, end=9, anneal="cats"), 'anneal is \'cats\'; give "cos" or "linear"'),
        (lambda: OneCycle.torch(0.1, 0), "iterations is 0; give a whole number, 1 or more"),
        (lambda: OneCycle.torch(0.1, 10, pct_start=1.1), "pct_start is 1.1; give a share, from 0 to 1"),
        (lambda: OneCycle.torch(0.1, 10, div_factor=0), "div_factor is 0; give a number above 0"),
        (lambda: OneCycle.torch(0.1, 10, final_div_factor=-1), "final_div_factor is -1; give a number above 0"),
    ],
)
def test_what_makes_no_cycle_is_refused_in_one_sentence(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
