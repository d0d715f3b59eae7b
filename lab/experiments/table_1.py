"""Tables 1 and 2 and figures 1, 3 and 4: the Caffe net with SGD."""

from clrlib import Exponential, ExpRange, LinearDecay, MultiStep, Stages, Triangular, Triangular2
from lab.experiments.experiment import LONG, Experiment

TABLE_2 = Stages(
    (16_000, Triangular2(base_lr=1e-3, max_lr=5e-3, step_size=2000)),
    (6_000, Triangular2(base_lr=1e-4, max_lr=5e-4, step_size=1000)),
    (3_000, Triangular2(base_lr=1e-5, max_lr=5e-5, step_size=500)),
)


FIXED = Experiment(
    "fixed",
    "fixed, drops at 60k and 65k",
    MultiStep(1e-3, (60_000, 65_000)),
    70_000,
    81.4,
    "Table 1, fixed",
    evaluate_every={"paper": 500, "quick": 200, "smoke": 8},
    evaluate_seed_0=100,
)
CLR_TABLE_2 = Experiment(
    "clr-table2",
    "CLR as in table 2",
    TABLE_2,
    25_000,
    81.4,
    "Table 1, triangular2; Table 2",
    evaluate_seed_0=100,
)
CLR_TRIANGULAR = Experiment(
    "clr-triangular",
    "CLR triangular 0.001-0.006",
    Triangular(1e-3, 6e-3, 2000),
    25_000,
    81.4,
    "section 3.1 on Figure 1: triangular, 0.001-0.006, stepsize 2000",
    evaluate_every={"paper": 500, "quick": 100, "smoke": 4},  # at the ends, tops and middles of its cycles
)
CLR_TRIANGULAR2 = Experiment(
    "clr-triangular2",
    "CLR triangular2 0.001-0.006",
    Triangular2(1e-3, 6e-3, 2000),
    25_000,
    None,
    "neither section 3.1 nor 4.1.1",
)
DECAY_4000 = Experiment(
    "decay-4000", "decay 0.007-0.001 over 4,000", LinearDecay(7e-3, 1e-3, 4000), 25_000, 78.5, "Table 1, decay"
)
DECAY_2000 = Experiment("decay-2000", "decay 0.007-0.001 over 2,000", LinearDecay(7e-3, 1e-3, 2000), 25_000)
RANGE_TEST = Experiment(
    "range-test",
    "LR range test, 0-0.02 over 8 epochs",
    Triangular(0.0, 0.02, step_size=4000 - 1),
    4000,
    source="Figure 3",
    seeds=3,
    evaluate_every={"paper": 100, "quick": 50, "smoke": 10},
    shorter={"paper": 1, "quick": 4, "smoke": 40},
)

EXP = Experiment("exp", "exp 0.001", Exponential(1e-3, 0.99994), 70_000, 79.1, "Table 1, exp; Figure 4", **LONG)
EXP_RANGE = Experiment(
    "exp-range",
    "exp_range 0.001-0.006, both bounds fall",
    ExpRange(1e-3, 6e-3, 2000, 0.99994),
    70_000,
    82.2,
    "Table 1, exp_range (after 42,000); Figure 4",
    **LONG,
)
EXP_RANGE_AMPLITUDE = Experiment(
    "exp-range-amplitude",
    "exp_range 0.001-0.006, only the amplitude falls",
    ExpRange(1e-3, 6e-3, 2000, 0.99994, decay="amplitude"),
    70_000,
    82.2,
    "Table 1, exp_range (after 42,000), as other libraries read it",
    **LONG,
)
