"""The curve of a range test, how it is read, several seeds together, and its picture."""

import re
import subprocess
import sys

import numpy as np
import pytest

from clrlib import Bounds, RangeTest
from clrlib._reading import CLEAR_KNEE, CLEAR_RISE, KNEE_NOISE, LEAST_POINTS, LEAST_RISE, STEP, by_factors

X = np.linspace(0, 1, 21)
SLOWS, FALLS, DIVERGES = "slows or becomes ragged", "starts to fall", "training diverges"
CURVES = {  # accuracy as a function of x in 0..1, base and max to be read off it, the reason
    "saturates": (lambda x: 0.1 + 0.4 * (1 - np.exp(-5 * x)), 0.05, np.log(5) / 5, SLOWS),
    "corner": (lambda x: 0.1 + np.minimum(x, 0.4), 0.05, 0.4, SLOWS),
    "tent": (lambda x: 0.1 + 0.8 * np.minimum(x, 1 - x), 0.05, 0.45, FALLS),
    "cliff": (lambda x: 0.1 + np.where(x < 0.68, 0.6 * x, 0), 0.1, 0.65, FALLS),
    "rise, plateau, fall": (lambda x: 0.1 + np.clip(np.minimum(x, 1 - x), 0, 0.3), 0.05, 0.3, SLOWS),
    "late start": (lambda x: 0.1 + 2 * np.clip(x - 0.4, 0, 0.2), 0.45, 0.6, SLOWS),
    "late tent": (lambda x: 0.1 + np.clip(np.minimum(x - 0.3, 0.9 - x), 0, 1), 0.35, 0.6, FALLS),
}
NO_ANSWER = {
    "flat": (lambda x: 0.1 + 0 * x, "accuracy does not rise clearly above its noise"),
    "falls from the start": (lambda x: 0.5 - 0.4 * x, "accuracy does not rise clearly above its noise"),
    "straight": (lambda x: 0.1 + 0.4 * x, "accuracy still rises at the last rate; give a larger end_lr"),
    "late and straight": (lambda x: 0.1 + 0.6 * np.maximum(x - 0.4, 0), "accuracy still rises at the last rate"),
    "faster and faster": (lambda x: 0.1 + 0.4 * x**2, "accuracy still rises at the last rate"),
    "at once": (lambda x: 0.1 + 0.4 * (x > 0), "accuracy rises too steeply to tell the bounds apart"),
}


@pytest.mark.parametrize("scale", [1.0, 0.02])
@pytest.mark.parametrize("name", CURVES)
def test_bounds_of_known_curves(name, scale):
    curve, base, top, end = CURVES[name]
    bounds = RangeTest(X * scale, curve(X)).bounds()
    assert bounds.base_lr == pytest.approx(base * scale, abs=0.051 * scale)
    assert bounds.max_lr == pytest.approx(top * scale, abs=0.051 * scale)
    assert bounds.reason == f"accuracy increases from base_lr and {end} after max_lr"


@pytest.mark.parametrize("name", NO_ANSWER)
def test_curves_without_an_answer(name):
    curve, why = NO_ANSWER[name]
    bounds = RangeTest(X, curve(X)).bounds()
    assert (bounds.base_lr, bounds.max_lr) == (None, None)
    assert bounds.reason.startswith(f"no clear answer: {why}")


def test_noise_alone_rarely_gives_an_answer():
    rng = np.random.default_rng(0)
    answers = [RangeTest(X, 0.3 + 0.05 * rng.standard_normal(21)).bounds().base_lr for _ in range(300)]
    assert sum(base is not None for base in answers) <= 6


def test_a_rise_that_ends_in_divergence_has_its_last_rate_as_max_lr():
    rising = 0.1 + 0.4 * X
    assert RangeTest(X, rising).bounds().max_lr is None
    bounds = RangeTest(X, rising, stopped="training loss nan at iteration 9, learning rate 1.1").bounds()
    assert (bounds.base_lr, bounds.max_lr) == (pytest.approx(0.1, abs=0.051), 1.0)
    assert DIVERGES in bounds.reason


def test_results_print_in_plain_words():
    test = RangeTest(X / 50, CURVES["corner"][0](X))
    reason = "accuracy increases from base_lr and slows or becomes ragged after max_lr"
    assert str(test.bounds()) == f"base_lr at or below 0.001, max_lr 0.008: {reason}"
    assert str(test) == f"LR range test, 21 rates from 0 to 0.02, accuracy 0.100 to 0.500\n{test.bounds()}"
    assert str(Bounds(None, None, "no clear answer: why")) == "no clear answer: why"
    assert str(RangeTest([], [])).startswith("LR range test without a measurement\nno clear answer: 0 points")


def test_recorded_curves_are_copied_and_cannot_be_changed():
    lr, accuracy = [0, 1, 2], np.array([[1, 2, 3], [3, 2, 1]])
    test = RangeTest(lr, accuracy)
    accuracy[:] = 0
    assert test.lr.dtype == test.accuracy.dtype == np.float64
    assert test.accuracy.tolist() == [[1, 2, 3], [3, 2, 1]]
    for values in (test.lr, test.accuracy):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 5


@pytest.mark.parametrize(
    ("lr", "accuracy", "message"),
    [
        ([[0, 1]], [0, 1], "lr has shape (1, 2); give one rate for each point, shape (n,)"),
        ([0, 1], [0, 1, 2], "accuracy has shape (3,) for 2 rates; give (n,) or (seeds, n)"),
        ([0, 1], [[0], [1]], "accuracy has shape (2, 1) for 2 rates"),
        ([0, 1], 0.5, "accuracy has shape () for 2 rates"),
        ([0, 1], [[[0, 1]]], "accuracy has shape (1, 1, 2) for 2 rates"),
        ([0, 1], np.empty((0, 2)), "accuracy has shape (0, 2) for 2 rates"),
        ([0, 1], [0, np.nan], "accuracy holds a value that is not finite; leave such points out"),
        ([0, np.inf], [0, 1], "lr holds a value that is not finite; leave such points out"),
        ([0, 0], [0, 1], "lr does not rise from 0 or more; give each rate once, in rising order"),
        ([1, 0], [0, 1], "lr does not rise from 0 or more"),
        ([-1, 0], [0, 1], "lr does not rise from 0 or more"),
    ],
)
def test_bad_curves_are_refused_in_one_sentence(lr, accuracy, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        RangeTest(lr, accuracy)


# Shapes whose answer is known to the point

UP, DOWN = "accuracy increases from base_lr and {} after max_lr", "loss decreases from base_lr and {} after max_lr"
UNCLEAR = "no clear answer: accuracy does not rise clearly above its noise; average more seeds, or test other rates"
L = np.geomspace(1e-5, 10, 61)
DECADE = np.log10(L)
TWO_DECADES = np.clip(DECADE + 3, 0, 2)  # from 0.001, point 20, to 0.1, point 40
LOSS = 2.3 - 0.65 * TWO_DECADES
RAGGED = 0.1 * (np.arange(21) % 2)
SHAPES = {  # rates, values; the points of base_lr and max_lr, the reason; the point where the rise truly ends
    "flat": (X, np.full(21, 0.1), None, None, UNCLEAR, None),
    "flat noise": (X, 0.3 + 0.05 * np.random.default_rng(0).standard_normal(21), None, None, UNCLEAR, None),
    "immediate rise": (X, 0.1 + 0.5 * np.minimum(4 * X, 1), 1, 6, UP.format(SLOWS), 5),
    "ragged top": (X, 0.1 + np.minimum(X, 0.4) - RAGGED * (X > 0.4), 1, 8, UP.format(SLOWS), 8),
    "loss that dips and explodes": (
        L,
        LOSS + 10 ** np.maximum(4 * (DECADE + 1), 0) - 1,
        22,
        37,
        DOWN.format("starts to rise"),
        40,
    ),
    "loss that dips and is cut off": (L[:41], LOSS[:41], 22, 40, DOWN.format("training diverges"), 40),
    "accuracy over decades": (L, 0.1 + 0.4 * TWO_DECADES, 22, 40, UP.format(SLOWS), 40),
}


def shape(name):
    lr, values, *_ = SHAPES[name]
    return RangeTest(lr, values, "it diverged" if "cut off" in name else None, "loss" if "loss" in name else "accuracy")


@pytest.mark.parametrize("name", SHAPES)
def test_shapes(name):
    _, _, base, top, reason, truth = SHAPES[name]
    test = shape(name)
    bounds = test.bounds()
    assert bounds.reason == reason
    if truth is None:
        assert (bounds.base_lr, bounds.max_lr) == (None, None)
    else:
        assert (bounds.base_lr, bounds.max_lr) == (test.lr[base], test.lr[top])
        assert abs(top - truth) <= 3


@pytest.mark.parametrize("name", SHAPES)
def test_a_metric_turned_upside_down_reads_the_same(name):
    up = shape(name)
    down = RangeTest(up.lr, -up.values, up.stopped, "error", lower_is_better=not up.lower_is_better)
    as_it_is = RangeTest(up.lr, up.values, up.stopped, "error", up.lower_is_better)
    for ours, theirs in ((down, as_it_is), (as_it_is, down)):
        assert (ours.bounds().base_lr, ours.bounds().max_lr) == (theirs.bounds().base_lr, theirs.bounds().max_lr)
    np.testing.assert_array_equal(down.smoothed, -as_it_is.smoothed)


def test_words_fit_a_metric_that_is_better_the_lower_it_is():
    def reason(values, lr=X, **options):
        return RangeTest(lr, values, metric="loss", **options).bounds().reason

    assert reason(2 + 0 * X).startswith("no clear answer: loss does not fall clearly beyond its noise")
    assert reason(2 - X).startswith("no clear answer: loss still falls at the last rate")
    assert reason(2 - (X > 0)).startswith("no clear answer: loss falls too steeply to tell the bounds apart")
    assert str(RangeTest(X, 2 + 1e6 * X, metric="loss")).startswith(
        "LR range test, 21 rates from 0 to 1, loss 2.000 to 1e+06".replace("2.000", "2")
    )


@pytest.mark.parametrize(
    ("lr", "expected"),
    [
        (np.geomspace(1e-7, 10, 100), True),
        (np.geomspace(0.1, 0.2, 6), True),
        (np.linspace(0.0, 0.02, 41), False),
        (np.linspace(0.001, 0.065, 20), False),
        (np.geomspace(1e-5, 10, 300)[[0, *range(6, 300, 7), 299]], True),  # as it is evaluated
        (np.linspace(0, 0.02, 2000)[[0, *range(99, 2000, 100)]], False),
    ],
)
def test_the_axis_of_the_rates_is_known_from_the_rates(lr, expected):
    assert by_factors(lr) is expected


@pytest.mark.parametrize("high", [0.4, 0.8, 1.5, 5.0])
@pytest.mark.parametrize("points", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_bad_first_points_of_an_exponential_sweep_are_no_fall(points, high, seed):
    lr = np.geomspace(1e-6, 1.0, 100)
    fall = 1.3 / (1 + np.exp(-4 * (np.log10(lr) + 2)))  # half way at 0.01
    loss = 2.3 - fall + 5 * np.maximum(np.log10(lr) + 0.7, 0) + 0.02 * np.random.default_rng(seed).normal(size=100)
    clean = RangeTest(lr, loss, metric="loss").bounds()
    spoilt = loss.copy()
    spoilt[:points] += high
    bounds = RangeTest(lr, spoilt, metric="loss").bounds()
    assert 1e-3 < bounds.base_lr < 1e-2 < bounds.max_lr < 0.2
    assert (bounds.base_lr, bounds.max_lr) == pytest.approx((clean.base_lr, clean.max_lr), rel=0.5)


# The limits, each from both sides


def corner_of(rise, x=X):
    return rise * np.minimum(x, 0.4) / 0.4


@pytest.mark.parametrize(
    ("test", "answer"),
    [
        (RangeTest(X[:LEAST_POINTS], corner_of(0.4)[:LEAST_POINTS]), "still rises"),
        (RangeTest(X[: LEAST_POINTS - 1], corner_of(0.4)[: LEAST_POINTS - 1]), "5 points are too few"),
        (RangeTest(X, 0.5 + corner_of(1.05 * LEAST_RISE)), "slows"),
        (RangeTest(X, 0.5 + corner_of(0.95 * LEAST_RISE)), "does not rise clearly"),
        (RangeTest(X, 2 - corner_of(2.1 * LEAST_RISE), metric="loss"), "slows"),  # relative: 2 to 1.979
        (RangeTest(X, 2 - corner_of(1.9 * LEAST_RISE), metric="loss"), "does not fall clearly"),
        (RangeTest(X, X + np.minimum(X, 1 - X) * 2 * (CLEAR_KNEE + 0.03)), "slows"),  # a knee that high above the line
        (RangeTest(X, X + np.minimum(X, 1 - X) * 2 * (CLEAR_KNEE - 0.01)), "still rises"),
        (RangeTest(X, np.interp(X, [0, 0.4, 0.5, 0.6], [0, 1, 1, 1 - 2 * STEP])), "starts to fall"),
        (RangeTest(X, np.interp(X, [0, 0.4, 0.5, 0.6], [0, 1, 1, 1 - STEP / 2])), "slows"),
    ],
)
def test_each_limit_from_both_sides(test, answer):
    assert answer in test.bounds().reason


@pytest.mark.parametrize("amplitude", [0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2])
@pytest.mark.parametrize("knee", [0.13, 0.25])
def test_a_rise_of_six_times_and_a_knee_of_three_times_the_noise_count(amplitude, knee):
    zigzag = amplitude * (-1) ** np.arange(21)
    test = RangeTest(X, X + np.minimum(X, 1 - X) * 2 * knee + zigzag)
    noise = 1.21 * 2 * amplitude  # each point lies that far from the mean of its two neighbours
    rise = test.smoothed.max() - test.smoothed[0]
    reason = test.bounds().reason
    assert ("clearly" in reason) is bool(rise < CLEAR_RISE * noise * 0.97)
    if knee > 0.2 and amplitude < 0.03:
        assert "slows" in reason
    if KNEE_NOISE * noise > knee + 0.1 and "clearly" not in reason:
        assert "still rises" in reason


CLIMB = np.linspace(0.1, 0.5, 21)


@pytest.mark.parametrize(
    ("test", "says", "end_lr"),
    [
        (RangeTest(X / 10, CLIMB), "give a larger end_lr, such as 0.4", 0.4),
        (RangeTest(X, 0.1 + 0.4 * (X > 0)), "or give a smaller end_lr, such as 0.3", 0.3),
    ],
)
def test_what_to_change_is_said_with_its_value(test, says, end_lr):
    bounds = test.bounds()
    assert says in bounds.reason
    assert bounds.end_lr == pytest.approx(end_lr)


# Several seeds


def corners(*tops):
    return [RangeTest(X, 0.1 + np.minimum(X, top)) for top in tops]


def test_seeds_are_averaged_and_read_alone():
    test = RangeTest.over_seeds(corners(0.3, 0.4, 0.5))
    assert test.values.shape == (3, 21)
    bounds = test.bounds()
    assert 0.3 <= bounds.max_lr <= 0.5
    assert bounds.intervals == {"base_lr": (0.05, 0.1), "max_lr": (X[7], 0.5)}
    assert bounds.by_seed == tuple(alone.bounds() for alone in corners(0.3, 0.4, 0.5))
    last = str(test).splitlines()[-1]
    assert last == "alone 3 of 3 seeds give bounds, base_lr 0.05 to 0.1, max_lr 0.35 to 0.5"


def test_seeds_without_an_answer_are_counted_and_do_not_widen_the_interval():
    flat = RangeTest(X, 0.1 + 0 * X)
    test = RangeTest.over_seeds([*corners(0.4, 0.5), flat])
    assert test.bounds().intervals["max_lr"] == (0.4, 0.5)
    assert "alone 2 of 3 seeds give bounds, base_lr" in str(test)
    test = RangeTest.over_seeds([*corners(0.4), flat])
    assert test.bounds().intervals == {}
    assert str(test).endswith("alone 1 of 2 seeds give bounds")


def test_seeds_together_go_as_far_as_the_shortest():
    short = RangeTest(X[:12], 0.1 + X[:12], stopped="training loss nan at iteration 12, learning rate 0.6")
    test = RangeTest.over_seeds([*corners(0.5), short])
    assert test.values.shape == (2, 12)
    assert test.stopped == "seed 1: training loss nan at iteration 12, learning rate 0.6"
    together = RangeTest.over_seeds([test, *corners(0.4)])  # tests of several seeds join as well
    assert together.values.shape == (3, 12)


@pytest.mark.parametrize(
    "tests",
    [
        [],
        [*corners(0.4), RangeTest(X * 2, X)],
        [*corners(0.4), RangeTest(X, X, None, "loss")],
        [RangeTest(X, X, None, "f1"), RangeTest(X, X, None, "f1", lower_is_better=True)],
    ],
)
def test_tests_that_do_not_belong_together_are_refused(tests):
    with pytest.raises(ValueError, match=f"{len(tests)} tests that do not share rates and metric; give one or more"):
        RangeTest.over_seeds(tests)


# The picture


def test_the_plot_shows_curve_and_bounds_without_a_display(tmp_path):
    test = RangeTest.over_seeds(corners(0.3, 0.4, 0.5))
    figure = test.plot()
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale()) == ("learning rate", "accuracy (%)", "linear")
    assert axes.yaxis.get_major_formatter()(0.25) == "25"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["smoothed, n = 3"]
    np.testing.assert_array_equal(axes.lines[3].get_ydata(), test.smoothed)
    figure.savefig(tmp_path / "test.png")


@pytest.mark.parametrize(("name", "base_lr", "max_lr"), [("cliff", "0.1", "0.6"), ("corner", "≤ 0.05", "0.4")])
def test_the_bounds_are_told_apart_without_colour_and_named_where_they_stand(name, base_lr, max_lr):
    test = RangeTest(X, CURVES[name][0](X))
    (axes,) = test.plot().axes
    low, high = axes.lines[-2:]
    assert low.get_color() == high.get_color()
    assert (low.get_linestyle(), high.get_linestyle()) == ("-", "--")
    said = {text.get_text().strip(): text.xy[0] for text in axes.texts}
    bounds = test.bounds()
    assert said == {f"base_lr {base_lr}": bounds.base_lr, f"max_lr {max_lr}": bounds.max_lr}


def test_the_plot_of_an_exponential_sweep_is_logarithmic_and_not_flattened_by_an_explosion():
    test = shape("loss that dips and explodes")
    (axes,) = test.plot().axes
    assert axes.get_xscale() == "log"
    low, high = axes.get_ylim()
    assert low < test.values.min() < test.values[0] < high < 10


@pytest.mark.parametrize("curve", [([], []), ([0.1], [0.5]), (X, 0.1 + 0 * X)])
def test_a_curve_without_bounds_is_drawn_too(curve):
    (axes,) = RangeTest(*curve).plot().axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["smoothed, n = 1"]


def test_the_plot_goes_onto_axes_that_are_given():
    axes = pytest.importorskip("matplotlib.figure").Figure().add_subplot()
    assert corners(0.4)[0].plot(axes) is axes.figure and axes.lines


def test_matplotlib_is_imported_by_the_plot_alone_and_missed_in_one_sentence():
    code = """
import sys
from clrlib import RangeTest
test = RangeTest([0, 1, 2], [0, 1, 2])
str(test), test.bounds()
assert "matplotlib" not in sys.modules
sys.modules["matplotlib"] = None
try:
    test.plot()
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "matplotlib is not installed; `pip install matplotlib` brings it\n"
