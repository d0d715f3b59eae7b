"""Every figure of the collection by name: what it shows, and in words for those who cannot see it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

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
    Stages,
    Triangular,
    Triangular2,
    UpDown,
    WarmRestarts,
    Welch,
)
from lab import experiments, files, paths
from lab.claims import GUIDANCE, comparable, main_group, measured_range_tests, read_range_test, traced
from lab.experiments import Experiment
from lab.experiments.imagenet import Net
from lab.experiments.residual import Family
from lab.records.record import Record
from lab.show import plots

Drawn = tuple[Figure, str]  # a figure and its alt text
NOTHING = "nothing was run yet"

POLICIES = {
    "MultiStep(0.006, (8000, 14000)): what the paper calls fixed": MultiStep(0.006, (8000, 14_000)),
    "Triangular(0.001, 0.006, 2000)": Triangular(0.001, 0.006, 2000),
    "Triangular2(0.001, 0.006, 2000)": Triangular2(0.001, 0.006, 2000),
    "ExpRange(0.001, 0.006, 2000, 0.99994): both bounds shrink": ExpRange(0.001, 0.006, 2000, 0.99994),
    "Exponential(0.006, 0.99994)": Exponential(0.006, 0.99994),
    "LinearDecay(0.006, 0.001, 4000)": LinearDecay(0.006, 0.001, 4000),
    "Welch(0.001, 0.006, 2000): parabolic": Welch(0.001, 0.006, 2000),
    "Hann(0.001, 0.006, 2000): sinusoidal": Hann(0.001, 0.006, 2000),
}

MORE_POLICIES: dict[str, Policy] = {
    "Fixed(0.004)": Fixed(0.004),
    "UpDown(0.001, 0.006, 1000, 3000)": UpDown(0.001, 0.006, 1000, 3000),
    "WarmRestarts(0.0, 0.006, 2000, growth=2)": WarmRestarts(0.0, 0.006, 2000, growth=2),
    "OneCycle.torch(0.006, 16000): two phases, cosine": OneCycle.torch(0.006, 16_000),
    "OneCycle(0.001, 0.006, 0.0, peak=7000, back=14000, end=16000, anneal='linear')": OneCycle(
        0.001, 0.006, 0.0, peak=7000, back=14_000, end=16_000, anneal="linear"
    ),
    "PiecewiseLinear(((0, 0.0), (1000, 0.006), (12000, 0.006), (16000, 0.0)))": PiecewiseLinear(
        ((0, 0.0), (1000, 0.006), (12_000, 0.006), (16_000, 0.0))
    ),
    "Stages((8000, Triangular(0.001, 0.006, 2000)), (8000, Triangular(0.0001, 0.0006, 1000)))": Stages(
        (8000, Triangular(0.001, 0.006, 2000)), (8000, Triangular(0.0001, 0.0006, 1000))
    ),
    "Fixed(0.006).then(LinearDecay(0.006, 0.001, 2000), after=2000).repeat(every=4000)": (
        Fixed(0.006).then(LinearDecay(0.006, 0.001, 2000), after=2000).repeat(every=4000)
    ),
    "Function(lambda t: 0.006 / (1 + t / 2000), name='one over t')": Function(
        lambda t: 0.006 / (1 + t / 2000), name="one over t"
    ),
}


def schedules(records: Sequence[Record]) -> Drawn:
    """The policies of section 3.1 and table 1: learning rate over iterations, a grey line where a cycle ends."""
    return _panels(POLICIES)


def more_schedules(records: Sequence[Record]) -> Drawn:
    """The other policies that there are: learning rate over iterations, a grey line where a cycle ends."""
    return _panels(MORE_POLICIES)


def _panels(policies: Mapping[str, Policy]) -> Drawn:
    alt = "Learning rate over 16,000 iterations, one panel a policy: " + "; ".join(policies) + "."
    return plots.draw_policies(policies, iterations=16_000), alt


def lr_range_test(records: Sequence[Record]) -> Drawn:
    """As the paper's figure 3: accuracy while the rate rises, and the two bounds that are read from it.

    The line is the mean over seeds, the band all seeds; grey the paper's curve, read off to about half a point, and
    dotted the bounds that the paper reads from its own.
    """
    return range_test(records, experiments.RANGE_TEST)


def sigmoid_range_test(records: Sequence[Record]) -> Drawn:
    """The LR range test that figure 6 needs first: accuracy of the sigmoid net while the rate rises.

    The line is the mean over seeds, the band all seeds; what bounds it gives is marked.
    """
    return range_test(records, experiments.SIGMOID_RANGE_TEST)


def range_test(records: Sequence[Record], row: Experiment) -> Drawn:
    """The LR range test of one row."""
    images = row.settings.get("test_on", "test")
    every = main_group([r for r in records if r.run.experiment == row.name], images)
    own = measured_range_tests(every, row)
    if not own:
        return plots.new_figure()[0], f"An empty figure: {_ends(every)}."
    test = read_range_test(own, row)
    beside_paper = comparable(own) and row is experiments.RANGE_TEST
    count = "1 seed" if len(own) == 1 else f"{len(own)} seeds"
    alt = (
        f"Accuracy on {images} images against the learning rate from {test.lr[0]:.4f} to {test.lr[-1]:.4f}, {count}"
        f"{', the paper figure 3 in grey' if beside_paper else ''}. "
        f"{f'{test.stopped}. ' if test.stopped else ''}{test.bounds()}."
    )
    return plots.draw_range_test(own, beside_paper, row), alt


def fixed_vs_cyclical(records: Sequence[Record]) -> Drawn:
    """As the paper's figure 1: test accuracy above, learning rate below.

    Lines are means over seeds, bands all seeds, grey the paper's curves read off to about half a point.
    """
    rows = (
        experiments.FIXED,
        experiments.CLR_TABLE_2,
        experiments.CLR_TRIANGULAR,
        experiments.CLR_TRIANGULAR2,
    )
    return _training(records, rows, {"fixed": traced.FIGURE_1_FIXED, "CLR": traced.FIGURE_1_CLR})


def decay_only(records: Sequence[Record]) -> Drawn:
    """Table 1's row "decay" beside CLR: does the fall alone do as well? Test accuracy above, learning rate below.

    Lines are means over seeds, bands all seeds, grey the paper's curve of CLR read off to about half a point.
    """
    rows = (experiments.CLR_TABLE_2, experiments.DECAY_4000, experiments.DECAY_2000)
    return _training(records, rows, {"CLR": traced.FIGURE_1_CLR})


def exponential(records: Sequence[Record]) -> Drawn:
    """As the paper's figure 4, exp beside exp_range: test accuracy above, learning rate below.

    Lines are means over seeds, bands all seeds, grey the paper's curve of exp read off to about half a point.
    """
    rows = (experiments.EXP, experiments.EXP_RANGE, experiments.EXP_RANGE_AMPLITUDE)
    return _training(records, rows, {"exp": traced.FIGURE_1_EXP})


def adaptive_methods(records: Sequence[Record]) -> Drawn:
    """Table 3, with the drops of tables 1 and 2: each seed's accuracy at the end a dot, their mean a bar.

    The paper's numbers are grey diamonds, beside runs of the paper's size alone.
    """
    return _ends_of(records, experiments.TABLE_3)


def _ends_of(records: Sequence[Record], rows: Sequence[Experiment]) -> Drawn:
    own = _of(records, *rows)
    beside_paper = bool(own) and comparable(own)
    grey = "; grey diamonds: the paper" if beside_paper else ""
    alt = f"Test accuracy at the end, a line for each of {len(rows)} rows: {_ends(own)}{grey}."
    return plots.draw_ends(own, rows, beside_paper), alt


def sigmoid_batchnorm(records: Sequence[Record]) -> Drawn:
    """As the paper's figure 6, the sigmoid net with batch normalization: test accuracy above, learning rate below.

    Lines are means over seeds, bands all seeds.
    """
    rows = (experiments.SIGMOID_FIXED, experiments.SIGMOID_FIXED_AT_BASE, experiments.SIGMOID_CLR)
    return _training(records, rows, {})


def residual_nets(records: Sequence[Record]) -> Drawn:
    """Table 4 on CIFAR-10: each seed's accuracy at the end a dot, their mean a bar.

    The paper's numbers are grey diamonds, beside runs of the paper's size alone.
    """
    return _ends_of(records, experiments.TABLE_4)


def imagenet_nets(records: Sequence[Record]) -> Drawn:
    """Section 4.2's schedules on Imagenette: each seed's accuracy at the end a dot, their mean a bar."""
    return _ends_of(records, [row for row in experiments.IMAGENETTE if "range test" not in row.title])


def family_training(records: Sequence[Record], family: Family) -> Drawn:
    """The trainings of one family of table 4."""
    return _training(records, family.rows(), {})


def net_training(records: Sequence[Record], net: Net) -> Drawn:
    """The trainings of AlexNet or GoogLeNet on Imagenette."""
    return _training(records, net.on_imagenette()[1:], {})


def choosing_the_cycle(records: Sequence[Record]) -> Drawn:
    """The advice of sections 3.2 and 3.3: each seed's difference in test accuracy a dot, their mean a bar.

    Right of 0 the first one named is better; in a grey field the two pass for equivalent.
    """
    own = _of(records, experiments.FIXED, experiments.CLR_TRIANGULAR, *experiments.CYCLE)
    measured = ((claim.text, claim.measured(own)) for claim in GUIDANCE)
    differences = "; ".join(f"{text}: {difference.text('+')}" for text, difference in measured if difference)
    alt = f"Differences in test accuracy, a line for each piece of advice: {differences or NOTHING}."
    return plots.draw_differences(GUIDANCE, own), alt


def beyond(records: Sequence[Record]) -> Drawn:
    """Smith's later 1cycle and warm restarts beside table 2's CLR: test accuracy above, learning rate below.

    Lines are means over seeds, bands all seeds.
    """
    return _training(records, (experiments.CLR_TABLE_2, experiments.ONE_CYCLE, experiments.WARM_RESTARTS), {})


def _training(
    records: Sequence[Record], rows: Sequence[Experiment], paper_curves: dict[str, dict[int, float]]
) -> Drawn:
    own = _of(records, *rows)
    shown = paper_curves if comparable(own) else {}
    grey = f"; in grey, as in the paper: {', '.join(shown)}" if shown else ""
    alt = f"Test accuracy over iterations, the learning rate below it: {_ends(own)}{grey}."
    return plots.draw_training(own, rows, shown), alt


def _ends(records: Sequence[Record]) -> str:
    """The end of each run, for an alt text."""
    return "; ".join(f"{_title(r)}, seed {r.run.seed}, {_end(r)}" for r in records) or NOTHING


def _title(record: Record) -> str:
    """The figure's name for its row; without the iterations of the paper's size, for those that were run are said."""
    return next(plots.without_iterations(row) for row in experiments.EVERY_ROW if row.name == record.run.experiment)


def _end(record: Record) -> str:
    if record.diverged_at is not None:
        return f"diverged at iteration {record.diverged_at:,}"
    return f"ends at {100 * record.accuracy:.1f} % after {record.run.iterations:,} iterations"


def _of(records: Sequence[Record], *rows: Experiment) -> list[Record]:
    """The records of these rows that may stand in one figure: same profile, data, device and precision."""
    names = [row.name for row in rows]
    return main_group([r for r in records if r.run.experiment in names])


FIGURES: dict[str, Callable[[Sequence[Record]], Drawn]] = {
    "02_schedules": schedules,
    "02_more_schedules": more_schedules,
    "03_lr_range_test": lr_range_test,
    "05_fixed_vs_cyclical": fixed_vs_cyclical,
    "06_decay_only": decay_only,
    "07_exponential": exponential,
    "08_adaptive_methods": adaptive_methods,
    "09_sigmoid_batchnorm": sigmoid_batchnorm,
    "09_sigmoid_range_test": sigmoid_range_test,
    "10_residual_nets": residual_nets,
    "11_imagenet_nets": imagenet_nets,
    "12_choosing_the_cycle": choosing_the_cycle,
    "13_beyond": beyond,
}


def draw_all(records: Sequence[Record], folder: Path, short: Sequence[Record] = ()) -> None:
    """Draw every figure as PNG and SVG, its alt text beside it.

    short: records of the quick profile, for the figures that would be empty else (each figure says what it shows).
    """
    files.check_writable(folder)
    for name, draw in FIGURES.items():
        figure, alt = draw(records)
        if NOTHING in alt and short:
            figure, alt = draw(short)
        files.write_atomically(paths.figure(name, "png", folder), plots.encoded(figure, "png"))
        files.write_atomically(paths.figure(name, "svg", folder), plots.encoded(figure, "svg"))
        files.write_atomically(paths.figure(name, "txt", folder), (alt + "\n").encode())
