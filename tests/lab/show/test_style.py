"""Lines can be told apart in colour, in greyscale and by the colour-blind, and are dark enough on white."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb

import clrlib
from clrlib import Policy
from lab.experiments import AS_FOUND, CLR_TABLE_2
from lab.show.style import NO_VERDICT, PAPER_STYLE, STYLE, VERDICT_STYLE, look

# Machado, Oliveira, Fernandes (2009), A Physiologically-based Model for Simulation of Color Vision Deficiency, table 1,
# severity 1; on linear RGB. Grey: WCAG's relative luminance.
SEEN = {
    "as it is": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
    "grey": [[0.2126, 0.7152, 0.0722]] * 3,
}
XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]])
CLEARLY = 20  # in CIELAB; about 2 can just be noticed, beside each other


def linear(color: str) -> np.ndarray:
    rgb = np.array(to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear RGB, white at D65."""
    ratio = XYZ @ rgb.clip(0, 1) / (XYZ @ np.ones(3))
    x, y, z = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def apart(one: str, two: str, eyes: Any) -> float:
    """The distance of two colours for such eyes."""
    return float(np.linalg.norm(lab(np.array(eyes) @ linear(one)) - lab(np.array(eyes) @ linear(two))))


def test_the_measure_knows_what_it_should() -> None:
    np.testing.assert_allclose(lab(linear("white")), [100, 0, 0], atol=0.02)
    np.testing.assert_allclose(lab(linear("red")), [53.24, 80.09, 67.2], atol=0.05)
    assert apart("red", "green", SEEN["as it is"]) > 100
    assert apart("#CC3311", "#667700", SEEN["deuteranopia"]) < 30 < 70 < apart("#CC3311", "#667700", SEEN["as it is"])


def test_every_policy_has_a_style() -> None:
    policies = {kind for kind in vars(clrlib).values() if isinstance(kind, type) and issubclass(kind, Policy)}
    assert set(STYLE) == policies - {Policy, clrlib.Cyclical}


@pytest.mark.parametrize("eyes", SEEN)
def test_any_two_policies_differ_in_dash_or_clearly_in_colour(eyes: str) -> None:
    """Fixed and MultiStep have one look: the paper's "fixed" is a MultiStep."""
    assert STYLE[clrlib.Fixed] == STYLE[clrlib.MultiStep]
    for one, two in combinations(STYLE, 2):
        first, second = STYLE[one], STYLE[two]
        if first["linestyle"] == second["linestyle"] and {one, two} != {clrlib.Fixed, clrlib.MultiStep}:
            assert apart(first["color"], second["color"], SEEN[eyes]) > CLEARLY, (one, two)


def test_no_two_policies_share_a_colour() -> None:
    """But for the two that the paper calls fixed; side by side, some differ by a little and by their dashes."""
    colours = {kind: style["color"] for kind, style in STYLE.items() if kind is not clrlib.Fixed}
    for one, two in combinations(colours, 2):
        assert apart(colours[one], colours[two], SEEN["as it is"]) > 5, (one, two)


def test_a_last_stretch_at_a_fixed_rate_makes_no_other_policy() -> None:
    assert look(AS_FOUND.policy) == STYLE[clrlib.Triangular] and look(CLR_TABLE_2.policy) == STYLE[clrlib.Stages]


def test_verdicts_differ_in_shape_and_are_dark_enough_on_white() -> None:
    every = [*VERDICT_STYLE.values(), NO_VERDICT]
    assert len({(style["marker"], style.get("markerfacecolor")) for style in every}) == len(every)
    for style in VERDICT_STYLE.values():
        assert 1.05 / (linear(style["color"]) @ SEEN["grey"][0] + 0.05) >= 4.5


def test_every_line_is_dark_enough_on_white() -> None:
    """A contrast of 3 to 1 at least (WCAG 2.1, 1.4.11)."""
    for policy, style in STYLE.items():
        assert 1.05 / (linear(style["color"]) @ SEEN["grey"][0] + 0.05) >= 3, policy


def test_the_papers_curves_look_like_no_policys() -> None:
    assert PAPER_STYLE["color"] == "0.6" and PAPER_STYLE["linewidth"] > 2
