"""Table 3: the Caffe net with Caffe's other solvers."""

from collections.abc import Mapping
from dataclasses import dataclass

from clrlib import Fixed, MultiStep, Policy, Stages, Triangular
from lab.experiments.experiment import NOT_IN_SMOKE, VERY_LONG, Experiment


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
                    **(VERY_LONG if drops else NOT_IN_SMOKE),
                )
            )
    return tuple(rows)


def _fixed(solver: Solver, drops: bool) -> Policy:
    return MultiStep(solver.base_lr, (60_000, 65_000)) if drops else Fixed(solver.base_lr)


def _triangular(solver: Solver, iterations: int, drops: bool) -> Policy:
    """Triangular stages as long as table 2's for 25,000 iterations, and as the fixed schedule's for 70,000."""
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
