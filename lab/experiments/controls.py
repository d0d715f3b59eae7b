"""The controls that table 2 lacks: they separate the drops, a higher rate and tuning from the cycles themselves.

Table 2 (25,000 iterations) and the fixed schedule (70,000) differ in three things at once: when the rate drops, how
high it is before, and whether it cycles. Each control here changes fewer. All are the Caffe net as in table 1, trained
with the headline's seeds. The tuned rows exist once `make choose` has read the rate off the validation split.
"""

from dataclasses import replace

import numpy as np

from clrlib import MultiStep, Policy, Stages, Triangular2
from lab.experiments import choices
from lab.experiments.experiment import Experiment
from lab.experiments.table_1 import TABLE_2

PAPER_ALONE = {"paper": 1}
SHORT, SHORT_DROPS = 25_000, (16_000, 22_000)  # table 2's
LONG, LONG_DROPS = 70_000, (60_000, 65_000)  # the fixed schedule's
CHOICE = "control-tuned"  # its name in results/choices.json


def mean_of_first_stage() -> float:
    """The mean rate of table 2 before its first drop, 1e-3 + 2e-3 (1 + 1/2 + 1/4 + 1/8) / 4.

    >>> mean_of_first_stage()
    0.0019375
    """
    return round(float(np.mean(TABLE_2(np.arange(SHORT_DROPS[0])))), 9)


def _row(name: str, title: str, policy: Policy, iterations: int) -> Experiment:
    return Experiment(name, title, policy, iterations, shorter=PAPER_ALONE)


def tuning(lr: float) -> Experiment:
    """A fixed rate with table 2's drops on nine tenths of the training images, measured on the last tenth."""
    row = _row(f"tune-fixed-{lr:g}", f"fixed {lr:g}, table 2's drops, validation", MultiStep(lr, SHORT_DROPS), SHORT)
    return replace(row, settings={"test_on": "validation"})


def tuned(lr: float | None) -> tuple[Experiment, ...]:
    """The chosen rate with table 2's drops and with the fixed schedule's; no rows until a rate is chosen."""
    if lr is None:
        return ()
    return (
        _row(TUNED_NAMES[0], f"tuned fixed {lr:g}, table 2's drops", MultiStep(lr, SHORT_DROPS), SHORT),
        _row(TUNED_NAMES[1], f"tuned fixed {lr:g}, drops at 60k and 65k", MultiStep(lr, LONG_DROPS), LONG),
    )


FIXED_25000 = _row("control-fixed-25000", "fixed 0.001, table 2's drops", MultiStep(1e-3, SHORT_DROPS), SHORT)
# Table 2's cycles are triangular2: their height halves with each. They are kept as they are, so that in 60,000
# iterations there are 15 of them and the last ones are a fixed 0.001 in all but name. Triangular cycles, which do not
# shrink, would be another policy at a higher mean rate, and this row is to change nothing but the length.
CYCLES_70000 = _row(
    "control-cycles-70000",
    "table 2's cycles, drops at 60k and 65k",
    Stages(
        (60_000, Triangular2(base_lr=1e-3, max_lr=5e-3, step_size=2000)),
        (5_000, Triangular2(base_lr=1e-4, max_lr=5e-4, step_size=1000)),
        (5_000, Triangular2(base_lr=1e-5, max_lr=5e-5, step_size=500)),
    ),
    LONG,
)
MEAN_25000 = _row(
    "control-mean-25000",
    f"fixed {mean_of_first_stage():g}, the mean of table 2, its drops",
    MultiStep(mean_of_first_stage(), SHORT_DROPS),
    SHORT,
)
TUNED_NAMES = ("control-tuned-25000", "control-tuned-70000")

# From 0.001 to 0.006 in steps of the square root of two; to six places, so that the name is the rate.
RATES = tuple(round(1e-3 * 2 ** (k / 2), 6) for k in range(6))
TUNE_FIXED = tuple(map(tuning, RATES))
CONTROL_TUNED = tuned(choices.rate(CHOICE))
CONTROLS = (FIXED_25000, MEAN_25000, CYCLES_70000, *CONTROL_TUNED)
