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

# One colour (after Tol's muted set, dark enough on white) and one dash for each policy, everywhere. The dash tells
# apart what greyscale and the colour-blind do not: tests/lab/show/test_style.py looks at all pairs.
STYLE: dict[type[Policy], dict[str, Any]] = {
    Fixed: {"color": "#000000", "linestyle": "-"},
    MultiStep: {"color": "#000000", "linestyle": "-"},
    Stages: {"color": "#882255", "linestyle": "-"},
    Triangular: {"color": "#332288", "linestyle": "--"},
    Triangular2: {"color": "#CC6677", "linestyle": "-."},
    ExpRange: {"color": "#3E9B8C", "linestyle": (0, (5, 1, 1, 1, 1, 1))},
    Exponential: {"color": "#3E9B8C", "linestyle": ":"},
    LinearDecay: {"color": "#117733", "linestyle": (0, (3, 1))},
    WarmRestarts: {"color": "#1E97D3", "linestyle": (0, (4, 1, 1, 1))},
    PiecewiseLinear: {"color": "#A28E28", "linestyle": (0, (2, 1))},
    Welch: {"color": "#919130", "linestyle": (0, (6, 2))},
    Hann: {"color": "#AA4499", "linestyle": (0, (1, 1))},
    UpDown: {"color": "#4477AA", "linestyle": (0, (7, 1, 1, 1))},
    OneCycle: {"color": "#EC671B", "linestyle": (0, (3, 1, 1, 1, 1, 1))},
    Repeat: {"color": "#661100", "linestyle": (0, (8, 1))},
    Function: {"color": "#666666", "linestyle": (0, (2, 2))},
}
# The first, second and third row with one policy in the same figure: the policy's own look, then another dash.
VARIANTS: tuple[dict[str, Any], ...] = ({}, {"linestyle": (0, (1, 3))}, {"linestyle": (0, (6, 2, 1, 2))})
PAPER_STYLE: dict[str, Any] = {"color": "0.6", "linestyle": "-", "linewidth": 3, "alpha": 0.6, "zorder": 1}
