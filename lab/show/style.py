"""The look of every figure: one colour and one dash for each policy, and the style file beside this one."""

from pathlib import Path
from typing import Any

import matplotlib.style

from clrlib import (
    Exponential,
    ExpRange,
    Fixed,
    Function,
    Hann,
    LinearDecay,
    MultiStep,
    OneCycle,
    PiecewiseLinear,
    Policy,
    Repeat,
    Stages,
    Triangular,
    Triangular2,
    UpDown,
    WarmRestarts,
    Welch,
)

matplotlib.style.use(Path(__file__).with_name("clrlib.mplstyle"))

WIDTH = 5.0  # inches: 360 points, so that 11 points are 11 px on a phone 360 px wide
SMALL, TITLE = 11, 12.5  # points; nothing is smaller
GREY = "0.35"

# One colour and one dash for each policy, everywhere; no two policies share a colour, but for the two that the paper
# calls "fixed". The dash tells apart what greyscale and the colour-blind do not: tests/lab/show/test_style.py looks at
# all pairs.
STYLE: dict[type[Policy], dict[str, Any]] = {
    Fixed: {"color": "#000000", "linestyle": "-"},
    MultiStep: {"color": "#000000", "linestyle": "-"},
    Stages: {"color": "#C7254E", "linestyle": "-"},
    Triangular: {"color": "#332288", "linestyle": "--"},
    Triangular2: {"color": "#0077BB", "linestyle": "-."},
    ExpRange: {"color": "#218577", "linestyle": (0, (5, 1, 1, 1, 1, 1))},
    Exponential: {"color": "#9A6A00", "linestyle": ":"},
    LinearDecay: {"color": "#117733", "linestyle": (0, (3, 1))},
    WarmRestarts: {"color": "#1E97D3", "linestyle": (0, (4, 1, 1, 1))},
    PiecewiseLinear: {"color": "#6D6A00", "linestyle": (0, (2, 1))},
    Welch: {"color": "#A28E28", "linestyle": (0, (6, 2))},
    Hann: {"color": "#AA4499", "linestyle": (0, (1, 1))},
    UpDown: {"color": "#4477AA", "linestyle": (0, (7, 1, 1, 1))},
    OneCycle: {"color": "#D1540A", "linestyle": (0, (3, 1, 1, 1, 1, 1))},
    Repeat: {"color": "#661100", "linestyle": (0, (8, 1))},
    Function: {"color": "#666666", "linestyle": (0, (2, 2))},
}
# The first, second and third row with one policy in the same figure: the policy's own look, then another dash.
VARIANTS: tuple[dict[str, Any], ...] = ({}, {"linestyle": (0, (1, 3))}, {"linestyle": (0, (6, 2, 1, 2))})
PAPER_STYLE: dict[str, Any] = {"color": "0.6", "linestyle": "-", "linewidth": 3, "alpha": 0.6, "zorder": 1}
PAPER_MARK: dict[str, Any] = {"color": "0.55", "marker": "D", "markersize": 6, "linestyle": "none", "zorder": 2}
# By verdict: a colour and a shape that read in grey too.
VERDICT_STYLE: dict[str, dict[str, Any]] = {
    "reproduced": {"color": "#005AB5", "marker": "o"},
    "direction only": {"color": "#7A6A00", "marker": "^"},
    "not reproduced": {"color": "#C7254E", "marker": "s"},
    "opposite": {"color": "#000000", "marker": "X"},
}
NO_VERDICT: dict[str, Any] = {"color": "0.45", "marker": "o", "markerfacecolor": "none"}


def look(policy: Policy) -> dict[str, Any]:
    """Colour and dash of a policy; a last stretch at a fixed rate does not make another one of it."""
    if isinstance(policy, Stages):
        (_, first), *others = policy.stages
        if all(isinstance(stage, Fixed) for _, stage in others):
            return look(first)
    return STYLE[type(policy)]
