"""The catalogue: every measured row, as data. Sections, tables and figures are those of arXiv 1506.01186v6."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from lab.experiments.beyond import BEYOND, EQUAL, KEPT_CYCLES, ONE_CYCLE, SEARCH, TUNING, WARM_RESTARTS
from lab.experiments.controls import CONTROL_TUNED, CONTROLS, TUNE_FIXED, TUNED_NAMES
from lab.experiments.cycle import (
    AS_FOUND,
    BASE_QUARTER,
    BASE_TENTH,
    BASE_THIRD,
    BOUNDS_DOUBLE,
    BOUNDS_HALF,
    CYCLE,
    HANN,
    STEP_2_EPOCHS,
    STEP_8_EPOCHS,
    STEP_10_EPOCHS,
    WELCH,
)
from lab.experiments.deviations import AS_CAFFE, BFLOAT16, DEVIATIONS
from lab.experiments.experiment import FOLDER_COPIES, Experiment, shortened
from lab.experiments.imagenet import ALEXNET, GOOGLENET, IMAGENET, IMAGENET_NETS, IMAGENETTE
from lab.experiments.residual import (
    DENSENET,
    FAMILIES,
    RESIDUAL_RANGE_TESTS,
    RESNET,
    STOCHASTIC_DEPTH,
    TABLE_4,
    TABLE_4_CIFAR100,
)
from lab.experiments.run import Run
from lab.experiments.sigmoid import SIGMOID_CLR, SIGMOID_FIXED, SIGMOID_FIXED_AT_BASE, SIGMOID_RANGE_TEST
from lab.experiments.table_1 import (
    CLR_TABLE_2,
    CLR_TRIANGULAR,
    CLR_TRIANGULAR2,
    DECAY_2000,
    DECAY_4000,
    EXP,
    EXP_RANGE,
    EXP_RANGE_AMPLITUDE,
    FIXED,
    RANGE_TEST,
    TABLE_2,
)
from lab.experiments.table_3 import TABLE_3, TABLE_3_CONSTANT
from lab.experiments.tuned import CONTESTS, TUNED, TUNED_TUNING

__all__ = [
    "ALEXNET",
    "AS_CAFFE",
    "AS_FOUND",
    "BASE_QUARTER",
    "BASE_TENTH",
    "BASE_THIRD",
    "BEYOND",
    "BFLOAT16",
    "BOUNDS_DOUBLE",
    "BOUNDS_HALF",
    "CAFFE_NET",
    "CATALOGUE",
    "CLR_TABLE_2",
    "CLR_TRIANGULAR",
    "CLR_TRIANGULAR2",
    "CONTESTS",
    "CONTROLS",
    "CONTROL_TUNED",
    "CYCLE",
    "DECAY_2000",
    "DECAY_4000",
    "DENSENET",
    "DEVIATIONS",
    "EQUAL",
    "EVERY_ROW",
    "EXP",
    "EXP_RANGE",
    "EXP_RANGE_AMPLITUDE",
    "FAMILIES",
    "FIXED",
    "FOLDER_COPIES",
    "GOOGLENET",
    "HANN",
    "HEADLINE",
    "HEADLINE_FIRST",
    "IMAGENET",
    "IMAGENETTE",
    "IMAGENET_NETS",
    "KEPT_CYCLES",
    "ONE_CYCLE",
    "OTHER_NETS",
    "RANGE_TEST",
    "RESIDUAL_RANGE_TESTS",
    "RESNET",
    "SEARCH",
    "SIGMOID_CLR",
    "SIGMOID_FIXED",
    "SIGMOID_FIXED_AT_BASE",
    "SIGMOID_RANGE_TEST",
    "STEP_2_EPOCHS",
    "STEP_8_EPOCHS",
    "STEP_10_EPOCHS",
    "STOCHASTIC_DEPTH",
    "TABLE_2",
    "TABLE_3",
    "TABLE_3_CONSTANT",
    "TABLE_4",
    "TABLE_4_CIFAR100",
    "TUNED",
    "TUNED_NAMES",
    "TUNED_TUNING",
    "TUNE_FIXED",
    "TUNING",
    "WAITING",
    "WARM_RESTARTS",
    "WELCH",
    "Experiment",
    "named",
    "runs",
    "shortened",
]

PAIRED_SEEDS = 6  # of the headline and the range test, at the paper's size
HEADLINE = (FIXED, CLR_TABLE_2, *CONTROLS)
HEADLINE_FIRST = (FIXED, CLR_TABLE_2, *TUNE_FIXED, *CONTROLS)  # with what chooses a control's rate, as it is trained

# In the order in which they are trained: what teaches most comes first.
_CAFFE_NET = (
    *HEADLINE_FIRST,
    *(RANGE_TEST, CLR_TRIANGULAR2, DECAY_4000, CLR_TRIANGULAR, DECAY_2000),
    *(EXP, EXP_RANGE, EXP_RANGE_AMPLITUDE),
    *CYCLE,
    *TABLE_3,
    *BEYOND,
    *(AS_CAFFE, *DEVIATIONS),
    *(SIGMOID_RANGE_TEST, SIGMOID_FIXED, SIGMOID_CLR, SIGMOID_FIXED_AT_BASE),
    *TABLE_3_CONSTANT,
)
OTHER_NETS = (
    *(*TABLE_4, *RESIDUAL_RANGE_TESTS),
    *IMAGENETTE,
    *(*TUNED_TUNING, *TUNED),
    *(*TABLE_4_CIFAR100, *IMAGENET),
)
EVERY_ROW = (*_CAFFE_NET, *OTHER_NETS)
CATALOGUE = tuple(row for row in EVERY_ROW if not row.waits_for)
WAITING = tuple(row for row in EVERY_ROW if row.waits_for)
CAFFE_NET = tuple(row for row in _CAFFE_NET if not row.waits_for)


def named(names: Sequence[str]) -> tuple[Experiment, ...]:
    """The rows of these names, in the catalogue's order. Raises ValueError for an unknown or repeated name."""
    unknown = set(names) - {row.name for row in CATALOGUE}
    if waiting := sorted(unknown & {*TUNED_NAMES, *(row.name for row in WAITING)}):
        raise ValueError(f"row {waiting[0]!r} has no rate yet; train the rows that choose it, then call `make choose`")
    if unknown:
        name = min(unknown)
        near = get_close_matches(name, [row.name for row in CATALOGUE])
        fix = f"did you mean {' or '.join(near)}? " if near else ""
        raise ValueError(f"row {name!r} is not in the catalogue; {fix}docs/rows.md lists every row")
    if twice := [name for name in names if [*names].count(name) > 1]:
        raise ValueError(f"row {twice[0]!r} is given twice; give each row once")
    return tuple(row for row in CATALOGUE if row.name in names)


def runs(
    profile: str, data: Mapping[str, str], precision: str, seeds: int = 1, catalogue: Sequence[Experiment] = CATALOGUE
) -> list[Run]:
    """Every run of a profile, in order: the headline seed by seed, the other rows' least seeds, then more seeds of all.

    data: the name of the image set for each available kind; rows that need another kind are left out.
    """
    catalogue = [e for e in catalogue if profile in e.shorter and e.data in data and not e.waits_for]
    least = {e.name: least_seeds(e, profile) for e in catalogue}
    seed_by_seed = ((FIXED, CLR_TABLE_2), TUNE_FIXED, CONTROLS)
    asked_for = [[e for e in catalogue if e in rows] for rows in seed_by_seed]
    first = [(e, k) for rows in asked_for for k in range(PAIRED_SEEDS) for e in rows if k < least[e.name]]
    rest = [(e, k) for e in catalogue if e not in HEADLINE_FIRST for k in range(least[e.name])]
    more = [(e, k) for k in range(seeds) for e in catalogue if k >= least[e.name]]
    return [e.run(profile, e.first_seed + k, data[e.data], precision) for e, k in first + rest + more]


def least_seeds(row: Experiment, profile: str) -> int:
    """The least number of seeds of a row, also where SEEDS= is smaller; in profile quick it is 1.

    At the paper's size it is 6 for the headline and the range test, 3 for the other rows of the Caffe net. Other
    nets, rows that only choose on the validation split, and table 3 with constant bounds keep their own number.
    """
    if profile == "quick":
        return 1
    if profile != "paper" or row in OTHER_NETS or row in TABLE_3_CONSTANT:
        return row.seeds
    if row.settings.get("test_on") == "validation":
        return row.seeds
    return max(row.seeds, PAIRED_SEEDS if row in (*HEADLINE, RANGE_TEST) else 3)
