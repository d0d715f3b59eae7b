"""Later schedules, on the paper's net.

Six schedules have an equal budget: 2,000 iterations, and three tuning runs each, whose rates are compared on a
validation split. Smith's 1cycle follows a second-hand reading of his report; the fall of its last three epochs is our
choice. Warm restarts and triangular cycles keep a snapshot at each cycle's end, for an ensemble and a weight average.
The last rows search for the fewest iterations that match the fixed schedule's 70,000 by schedules of rate and momentum
alone: the shortest that is no worse on the validation split is confirmed on the test images with seeds 5 to 9.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from clrlib import PiecewiseLinear, Policy, Triangular, Triangular2, WarmRestarts
from lab.experiments import choices
from lab.experiments.experiment import Experiment
from lab.experiments.table_1 import FIXED

BUDGET = 2_000
RATES = (0.002, 0.004, 0.008)  # the largest rate of a schedule; of schedule-free a tenth of it

SCHEDULES: dict[str, Callable[[float], Policy]] = {
    "cosine": lambda lr: WarmRestarts(0.0, lr, BUDGET),
    "linear": lambda lr: PiecewiseLinear(((0, lr), (BUDGET, 0.0))),
    "wsd": lambda lr: PiecewiseLinear(((0, 0.0), (100, lr), (1_600, lr), (BUDGET, 0.0))),
    "1cycle": lambda lr: PiecewiseLinear(((0, lr / 10), (900, lr), (1_800, lr / 10), (BUDGET, 0.0))),
    "triangular2": lambda lr: Triangular2(lr / 6, lr, 250),
    "schedule-free": lambda lr: PiecewiseLinear(((0, 0.0), (100, 10 * lr))),  # its momentum does not add up the steps
}
TITLES = {
    "cosine": "cosine to zero",
    "linear": "linear to zero",
    "wsd": "warmup-stable-decay",
    "1cycle": "1cycle, constant momentum",
    "triangular2": "triangular2, 4 cycles",
    "schedule-free": "schedule-free SGD",
}


def tuning(schedule: str, lr: float) -> Experiment:
    """A schedule at a rate, trained on nine tenths of the training images and measured on the last tenth."""
    name, title = f"tune-{schedule}-{lr:g}", f"{TITLES[schedule]}, {_up_to(schedule, lr)}, validation"
    return _row(name, title, schedule, lr, test_on="validation")


def _up_to(schedule: str, lr: float) -> str:
    """The largest rate of the tuning, in words: schedule-free's is ten times the others'."""
    return f"up to {SCHEDULES[schedule](lr)(np.arange(BUDGET)).max():g}"


def _row(name: str, title: str, schedule: str, lr: float, **settings: str) -> Experiment:
    if schedule == "schedule-free":
        settings["optimizer"] = "schedule_free_sgd"
    every, by = {"paper": 500, "quick": 200}, {"paper": 1, "quick": 10}
    policy = SCHEDULES[schedule](lr)
    return Experiment(name, title, policy, BUDGET, evaluate_every=every, shorter=by, settings=settings)


TUNING = tuple(tuning(schedule, lr) for schedule in SCHEDULES for lr in RATES)


def choice(schedule: str) -> str:
    """The name in results/choices.json of a schedule's best rate of the three, on the validation split, seed 0."""
    return f"equal-{schedule}"


def equal(schedule: str, lr: float | None) -> Experiment:
    """A schedule at its best rate, on all training images and the test images, with seeds unused in the tuning."""
    title = f"{TITLES[schedule]}, {_up_to(schedule, lr)}" if lr else f"{TITLES[schedule]}, its best rate"
    row = _row(f"equal-{schedule}", title, schedule, lr or RATES[0])
    return replace(row, seeds=3, first_seed=1, waits_for="" if lr else choice(schedule))


EQUAL = tuple(equal(schedule, choices.rate(choice(schedule))) for schedule in SCHEDULES)

RISE, DOWN, END = 4_297, 8_594, 9_765  # 11, 22 and 25 epochs of 50,000 / 128 iterations
ONE_CYCLE = Experiment(
    "1cycle-smith",
    "1cycle, momentum 0.95-0.85, 25 epochs of batch 128",
    PiecewiseLinear(((0, 5e-4), (RISE, 5e-3), (DOWN, 5e-4), (END, 5e-6))),
    END,
    81.3,
    "arXiv 1803.09820: 81.3 ± 0.1",
    evaluate_every={"paper": 465, "quick": 93, "smoke": 35},
    shorter={"paper": 1, "quick": 15, "smoke": 93},
    settings={
        "momentum": PiecewiseLinear(((0, 0.95), (RISE, 0.85), (DOWN, 0.95))),
        "optimizer": "caffe_nesterov",
        "weight_decay": 3e-3,
        "batch": 128,
    },
)

LAST_THREE = {"snapshots": (8_000, 12_000, 16_000)}
WARM_RESTARTS = Experiment(
    "warm-restarts",
    "warm restarts 0.006-0, 4 cycles of 4,000",
    WarmRestarts(0.0, 6e-3, 4_000),
    16_000,
    evaluate_every={"paper": 500, "quick": 200, "smoke": 16},
    settings=LAST_THREE,
)
KEPT_CYCLES = Experiment(
    "kept-cycles",
    "triangular 0.001-0.006, 4 cycles, their ends kept",
    Triangular(1e-3, 6e-3, 2_000),
    16_000,
    evaluate_every={"paper": 500, "quick": 200, "smoke": 16},
    settings=LAST_THREE,
)


def search(iterations: int) -> Experiment:
    """Smith's 1cycle, rate and momentum, stretched to a length; all else as in table 1."""
    rise, down = 44 * iterations // 100, 88 * iterations // 100
    row = Experiment(
        f"search-{iterations}",
        f"1cycle in {iterations:,} iterations, validation",
        PiecewiseLinear(((0, 5e-4), (rise, 5e-3), (down, 5e-4), (iterations, 5e-6))),
        iterations,
        shorter=PAPER_ALONE,
        settings={"momentum": PiecewiseLinear(((0, 0.95), (rise, 0.85), (down, 0.95)))},
    )
    return on_validation(row)


def on_validation(row: Experiment) -> Experiment:
    """A row measured on the held-out tenth of the training images."""
    return replace(row, settings={**row.settings, "test_on": "validation"})


PAPER_ALONE = {"paper": 1}
TARGET = replace(
    on_validation(FIXED),
    name="search-fixed",
    title=f"{FIXED.title}, validation",
    paper=None,
    source="",
    evaluate_seed_0=None,
    shorter=PAPER_ALONE,
)
SEARCH = (TARGET, *(search(iterations) for iterations in (10_000, 12_500, 15_000, 20_000)))

BEYOND = (ONE_CYCLE, WARM_RESTARTS, KEPT_CYCLES, *TUNING, *EQUAL, *SEARCH)
