"""The catalogue: every row that we measure, as data. Sections, tables and figures are those of arXiv 1506.01186v6."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from clrlib.lab.runs import Run
from clrlib.policy import Policy
from clrlib.range_test import range_test_policy
from clrlib.schedules import (
    Cyclical,
    Exponential,
    ExpRange,
    Fixed,
    LinearDecay,
    MultiStep,
    Stages,
    Triangular,
    Triangular2,
)

TABLE_2 = Stages(
    (16_000, Triangular2(base_lr=1e-3, max_lr=5e-3, step_size=2000)),
    (6_000, Triangular2(base_lr=1e-4, max_lr=5e-4, step_size=1000)),
    (3_000, Triangular2(base_lr=1e-5, max_lr=5e-5, step_size=500)),
)


@dataclass(frozen=True)
class Experiment:
    """One row: a policy at the paper's size, what the paper reports, and how a smaller profile shortens it.

    paper: test accuracy in percent, or None for a variant that the paper has no number for. source: where it says so.
    seeds: the least number of seeds. shorter: by what each profile divides the iterations; a profile that is not there
    leaves the row out. settings: what its Run has other than the defaults (net, optimizer ...).
    """

    name: str
    title: str
    policy: Policy
    iterations: int
    paper: float | None = None
    source: str = ""
    seeds: int = 1
    evaluate_every: Mapping[str, int] = field(default_factory=lambda: {"paper": 500, "quick": 250, "smoke": 25})
    shorter: Mapping[str, int] = field(default_factory=lambda: {"paper": 1, "quick": 10, "smoke": 100})
    settings: Mapping[str, Any] = field(default_factory=dict)

    def run(self, profile: str, seed: int, data: str, precision: str) -> Run:
        """This row as a run of the given profile."""
        by = self.shorter[profile]
        return Run(
            experiment=self.name,
            profile=profile,
            policy=shortened(self.policy, by),
            iterations=self.iterations // by,
            seed=seed,
            data=data,
            precision=precision,
            batch=25 if profile == "smoke" else 100,
            evaluate_every=min(self.evaluate_every[profile], self.iterations // by),
            **self.settings,
        )


FIXED = Experiment(
    "fixed", "fixed, drops at 60k and 65k", MultiStep(1e-3, (60_000, 65_000)), 70_000, 81.4, "Table 1, fixed"
)
CLR_TABLE_2 = Experiment("clr-table2", "CLR as in table 2", TABLE_2, 25_000, 81.4, "Table 1, triangular2; Table 2")
CLR_TRIANGULAR = Experiment(
    "clr-triangular",
    "CLR triangular 0.001-0.006",
    Triangular(1e-3, 6e-3, 2000),
    25_000,
    81.4,
    "section 3.1 on Figure 1: triangular, 0.001-0.006, stepsize 2000",
)
CLR_TRIANGULAR2 = Experiment(
    "clr-triangular2", "CLR triangular2 0.001-0.006", Triangular2(1e-3, 6e-3, 2000), 25_000, None, "neither text"
)
DECAY_4000 = Experiment(
    "decay-4000", "decay 0.007-0.001 over 4,000", LinearDecay(7e-3, 1e-3, 4000), 25_000, 78.5, "Table 1, decay"
)
DECAY_2000 = Experiment("decay-2000", "decay 0.007-0.001 over 2,000", LinearDecay(7e-3, 1e-3, 2000), 25_000)
RANGE_TEST = Experiment(
    "range-test",
    "LR range test, 0-0.02 over 8 epochs",
    range_test_policy(0.0, 0.02, 4000),
    4000,
    source="Figure 3",
    seeds=3,
    evaluate_every={"paper": 100, "quick": 50, "smoke": 10},
    shorter={"paper": 1, "quick": 4, "smoke": 20},
)

# Long rows, shortened more: half the usual iterations of quick.
LONG: dict[str, Any] = {
    "shorter": {"paper": 1, "quick": 20, "smoke": 500},
    "evaluate_every": {"paper": 500, "quick": 250, "smoke": 70},
}
PAPER_ALONE: dict[str, Any] = {**LONG, "shorter": {"paper": 1}}

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


@dataclass(frozen=True)
class Solver:
    """A block of table 3: the range of a solver, and the paper's accuracy for each policy and number of iterations."""

    name: str
    title: str
    base_lr: float
    max_lr: float
    accuracy: Mapping[tuple[str, int], float]
    momentum: float = 0.9


SOLVERS = (
    Solver("nesterov", "Nesterov", 1e-3, 6e-3, {("fixed", 70_000): 82.1, ("clr", 25_000): 81.3}),
    Solver("adam", "Adam", 5e-4, 2e-3, {("fixed", 70_000): 81.4, ("clr", 25_000): 79.8, ("clr", 70_000): 81.1}),
    Solver(
        "rmsprop", "RMSProp", 1e-4, 3e-4, {("fixed", 70_000): 75.2, ("clr", 25_000): 72.8, ("clr", 70_000): 75.1}, 0
    ),
    Solver("adagrad", "AdaGrad", 3e-3, 3.5e-2, {("fixed", 70_000): 74.6, ("clr", 25_000): 76.0}, 0),
    Solver("adadelta", "AdaDelta", 1e-2, 1e-1, {("fixed", 70_000): 67.3, ("clr", 25_000): 67.3}),
)


def table_3(drops: bool) -> tuple[Experiment, ...]:
    """Table 3, with the tenfold drops of tables 1 and 2, which the paper leaves open, or with constant bounds."""
    rows = []
    for solver in SOLVERS:
        for (policy, iterations), accuracy in solver.accuracy.items():
            shape = _fixed(solver, drops) if policy == "fixed" else _triangular(solver, iterations, drops)
            kind = f"{policy}{'' if (policy, iterations) != ('clr', 70_000) else '-70k'}"
            rows.append(
                Experiment(
                    f"{solver.name}-{kind}{'' if drops else '-constant'}",
                    f"{solver.title}, {policy}, {iterations:,}{'' if drops else ', constant bounds'}",
                    shape,
                    iterations,
                    accuracy,
                    "Table 3",
                    settings={"optimizer": f"caffe_{solver.name}", "momentum": solver.momentum},
                    **(LONG if drops else PAPER_ALONE),
                )
            )
    return tuple(rows)


def _fixed(solver: Solver, drops: bool) -> Policy:
    return MultiStep(solver.base_lr, (60_000, 65_000)) if drops else Fixed(solver.base_lr)


def _triangular(solver: Solver, iterations: int, drops: bool) -> Policy:
    """The lengths of table 2's stages for 25,000 iterations, those of the fixed schedule for 70,000."""
    base_lr, max_lr = solver.base_lr, solver.max_lr
    if not drops:
        return Triangular(base_lr, max_lr, 2000)
    stages = (
        ((16_000, 2000), (6_000, 1000), (3_000, 500))
        if iterations == 25_000
        else ((60_000, 2000), *2 * ((5_000, 500),))
    )
    return Stages(
        *(
            (length, Triangular(base_lr / 10**k, max_lr / 10**k, step_size))
            for k, (length, step_size) in enumerate(stages)
        )
    )


TABLE_3 = table_3(drops=True)
TABLE_3_CONSTANT = table_3(drops=False)

# In the order in which they are trained: what teaches most comes first.
CATALOGUE = (
    *(FIXED, RANGE_TEST, CLR_TABLE_2, CLR_TRIANGULAR2, DECAY_4000, CLR_TRIANGULAR, DECAY_2000),
    *(EXP, EXP_RANGE, EXP_RANGE_AMPLITUDE),
    *TABLE_3,
    *TABLE_3_CONSTANT,
)


def runs(
    profile: str, data: str, precision: str, seeds: int = 1, catalogue: tuple[Experiment, ...] = CATALOGUE
) -> list[Run]:
    """Every run of a profile: first the seeds that each row asks for, then seed 1 of all rows, seed 2 ..."""
    catalogue = tuple(e for e in catalogue if profile in e.shorter)
    first = [e.run(profile, seed, data, precision) for e in catalogue for seed in range(e.seeds)]
    more = [e.run(profile, seed, data, precision) for seed in range(seeds) for e in catalogue if seed >= e.seeds]
    return first + more


def shortened(policy: Policy, by: int) -> Policy:
    """The same shape in 1/by of the iterations; the rates stay.

    >>> shortened(Triangular(0.001, 0.006, step_size=2000), by=10)
    Triangular(base_lr=0.001, max_lr=0.006, step_size=200)
    """
    match policy:
        case Stages():
            return Stages(*((iterations // by, shortened(stage, by)) for iterations, stage in policy.stages))
        case MultiStep():
            return replace(policy, milestones=tuple(m // by for m in policy.milestones))
        case LinearDecay():
            return replace(policy, steps=policy.steps // by)
        case Exponential():
            return replace(policy, gamma=policy.gamma**by)
        case ExpRange():
            return replace(policy, step_size=policy.step_size // by, gamma=policy.gamma**by)
        case Cyclical():
            return replace(policy, step_size=policy.step_size // by)
        case _:
            return policy
