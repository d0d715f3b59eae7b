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
from lab import claims, experiments, files, paths
from lab.claims import GUIDANCE, Claim, comparable, main_group, measured_range_tests, read_range_test, traced
from lab.experiments import Experiment
from lab.records.record import Record
from lab.show import forest, messages, plots, tables

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


def forest_plot(records: Sequence[Record]) -> Drawn:
    """Every claim with a verdict: our number less the paper's with its 95 % interval, by notebook, by verdict.

    A grey diamond is the paper's number, a grey arrow stands where it only says "better"; shaded is what passes for
    equal, one point to either side.
    """
    answers = claims.answers(records)
    title = tables.tally(answers)
    alt = f"{title}. Forest plot, ours less the paper's number: {forest.in_words(answers)}."
    return forest.draw(answers, title, plots.stamp(main_group(records))), alt


def lr_range_test(records: Sequence[Record]) -> Drawn:
    """As the paper's figure 3: accuracy while the rate rises, and the two bounds that are read from it.

    The line is the mean over seeds, smoothed. Beside runs of the paper's size its curve is grey, read off to about half
    a point, and its bounds are dotted.
    """
    return range_test(records, experiments.RANGE_TEST)


def sigmoid_range_test(records: Sequence[Record]) -> Drawn:
    """The LR range test that figure 6 needs first: accuracy of the sigmoid net while the rate rises.

    The line is the mean over seeds, smoothed; the bounds that it gives are marked.
    """
    return range_test(records, experiments.SIGMOID_RANGE_TEST)


def range_test(records: Sequence[Record], row: Experiment) -> Drawn:
    """The LR range test of one row."""
    images = row.settings.get("test_on", "test")
    every = main_group([r for r in records if r.run.experiment == row.name], images)
    own = measured_range_tests(every, row)
    beside_paper = comparable(own) and row is experiments.RANGE_TEST
    grey = ", the paper's figure 3 in grey" if beside_paper else ""
    neutral = row.title[0].upper() + row.title[1:]
    if not own:
        return plots.draw_range_test(own, beside_paper, row, neutral), f"{neutral}: {_ends(every)}{grey}."
    test = read_range_test(own, row)
    bounds = test.bounds()
    title = messages.bounds(bounds, own, neutral)
    count = "1 seed" if len(own) == 1 else f"{len(own)} seeds"
    alt = (
        f"{title}. Accuracy on {images} images against the learning rate from {test.lr[0]:.4f} to {test.lr[-1]:.4f}, "
        f"{count}{grey}. {f'{test.stopped}. ' if test.stopped else ''}{bounds}."
    )
    return plots.draw_range_test(own, beside_paper, row, title), alt


def fixed_vs_cyclical(records: Sequence[Record]) -> Drawn:
    """As the paper's figure 1: test accuracy above, learning rate below.

    Lines are means over seeds, bands all seeds. Beside runs of the paper's size its curves, read off to about half a
    point, and its numbers, diamonds, are grey.
    """
    rows = (
        experiments.FIXED,
        experiments.CLR_TABLE_2,
        experiments.CLR_TRIANGULAR,
        experiments.CLR_TRIANGULAR2,
    )
    curves = {"fixed": traced.FIGURE_1_FIXED, "CLR": traced.FIGURE_1_CLR}
    return _training(records, rows, curves, messages.ahead(_of(records, *rows)))


def losses(records: Sequence[Record]) -> Drawn:
    """Training loss above, test loss below, of the fixed schedule and of table 2's CLR.

    Lines are means over seeds, bands all seeds.
    """
    rows = (experiments.FIXED, experiments.CLR_TABLE_2)
    own = _of(records, *rows)
    title = messages.last_losses(own)
    ends = (
        f"{_title(r)}, seed {r.run.seed}, {r.curves['train_loss'][-1]:.3f} and {r.curves['test_loss'][-1]:.3f}"
        for r in own
        if r.diverged_at is None
    )
    alt = f"{title}. Over iterations; training loss and test loss at the end: {'; '.join(ends) or NOTHING}."
    return plots.draw_losses(own, rows, title), alt


def decay_only(records: Sequence[Record]) -> Drawn:
    """Table 1's row "decay" beside CLR: does the fall alone do as well? Test accuracy above, learning rate below.

    Lines are means over seeds, bands all seeds. Beside runs of the paper's size its curve of CLR, read off to about
    half a point, and its numbers, diamonds, are grey.
    """
    rows = (experiments.CLR_TABLE_2, experiments.DECAY_4000, experiments.DECAY_2000)
    measured = messages.difference(experiments.DECAY_4000, experiments.CLR_TABLE_2, _of(records, *rows))
    title = messages.against(("The fall alone", "CLR"), measured, "Test accuracy of CLR and of the fall alone")
    return _training(records, rows, {"CLR": traced.FIGURE_1_CLR}, title)


def exponential(records: Sequence[Record]) -> Drawn:
    """As the paper's figure 4, exp beside exp_range: test accuracy above, learning rate below.

    Lines are means over seeds, bands all seeds. Beside runs of the paper's size its curve of exp, read off to about
    half a point, and its numbers, diamonds, are grey.
    """
    rows = (experiments.EXP, experiments.EXP_RANGE, experiments.EXP_RANGE_AMPLITUDE)
    at = claims.PAPER_AT[experiments.EXP_RANGE.name]
    measured = messages.difference(experiments.EXP_RANGE, experiments.EXP, _of(records, *rows), at)
    names = f"exp_range after {at:,} iterations", f"exp after {experiments.EXP.iterations:,}"
    title = messages.against(names, measured, "Test accuracy of exp and of exp_range")
    return _training(records, rows, {"exp": traced.FIGURE_1_EXP}, title)


def adaptive_methods(records: Sequence[Record]) -> Drawn:
    """Table 3, with the drops of tables 1 and 2: each seed's accuracy at the end a dot, their mean a bar.

    The paper's numbers are grey diamonds, beside runs of the paper's size.
    """
    rows = experiments.TABLE_3
    pairs = [(c.row, c.rival) for c in claims.PAPER if c.row in rows and c.rival is not None]
    neutral = "Test accuracy of five solvers, fixed and with CLR"
    return _ends_of(records, rows, _count("CLR ends above its solver's fixed rate", pairs, records, neutral))


def _count(what: str, pairs: Sequence[tuple[Experiment, ...]], records: Sequence[Record], neutral: str) -> str:
    """The title that counts pairs, from records that may be compared."""
    return messages.count(what, pairs, _of(records, *(row for pair in pairs for row in pair)), neutral)


def _ends_of(records: Sequence[Record], rows: Sequence[Experiment], title: str) -> Drawn:
    own = _of(records, *rows)
    beside_paper = comparable(own) and any(row.paper is not None for row in rows)
    grey = "; grey diamonds: the paper" if beside_paper else ""
    alt = f"{title}. Test accuracy at the end, a line for each of {len(rows)} rows: {_ends(own)}{grey}."
    return plots.draw_ends(own, rows, beside_paper, title), alt


def sigmoid_batchnorm(records: Sequence[Record]) -> Drawn:
    """As the paper's figure 6, the sigmoid net with batch normalization: test accuracy above, learning rate below.

    Lines are means over seeds, bands all seeds. Beside runs of the paper's size its numbers are grey diamonds.
    """
    rows = (experiments.SIGMOID_FIXED, experiments.SIGMOID_FIXED_AT_BASE, experiments.SIGMOID_CLR)
    measured = messages.difference(experiments.SIGMOID_CLR, experiments.SIGMOID_FIXED, _of(records, *rows))
    title = messages.against(("CLR", "the fixed rate"), measured, "Test accuracy of the sigmoid net")
    return _training(records, rows, {}, title)


def residual_nets(records: Sequence[Record]) -> Drawn:
    """Table 4 on CIFAR-10: each seed's accuracy at the end a dot, their mean a bar.

    The paper's numbers are grey diamonds, beside runs of the paper's size.
    """
    pairs = [family.rows()[:2] for family in experiments.FAMILIES]
    neutral = "Test accuracy of three nets, fixed rates and CLR"
    title = _count("CLR ends above the original's rate", pairs, records, neutral)
    return _ends_of(records, experiments.TABLE_4, title)


def imagenet_nets(records: Sequence[Record]) -> Drawn:
    """Section 4.2's schedules on Imagenette: each seed's accuracy at the end a dot, their mean a bar."""
    rows = [row for row in experiments.IMAGENETTE if "range test" not in row.title]
    pairs = [
        (c.row, c.rival) for c in claims.ARCHITECTURES if c.row in rows and c.rival and "triangular2" in c.row.name
    ]
    neutral = "Test accuracy of AlexNet and GoogLeNet on Imagenette"
    return _ends_of(records, rows, _count("triangular2 ends above the fixed rate", pairs, records, neutral))


def choosing_the_cycle(records: Sequence[Record]) -> Drawn:
    """The advice of sections 3.2 and 3.3: our difference in test accuracy with its 95 % interval, by verdict.

    Right of 0 the first one named is better; where the paper says "equivalent", one point to either side is shaded.
    """
    own = _of(records, experiments.FIXED, experiments.CLR_TRIANGULAR, *experiments.CYCLE)
    answers = [claim.answer(own) for claim in GUIDANCE]
    title = tables.tally(answers).replace("claims", "pieces of advice").replace("No claim", "No piece of advice")
    alt = f"{title}. Differences in test accuracy, a line for each piece of advice: {forest.in_words(answers)}."
    return forest.draw(answers, title, plots.stamp(own)), alt


def phase_of_the_cycle(records: Sequence[Record]) -> Drawn:
    """Test accuracy over the phase of the cycle, a line for each cycle of triangular, or of table 2's first stage.

    Lines are means over seeds; the rate is lowest at the phases 0 and 1, highest at 0.5.
    """
    for row in (experiments.CLR_TRIANGULAR, experiments.CLR_TABLE_2):
        own = [r for r in _of(records, row) if r.diverged_at is None]
        cycle = (own[0].run if own else row).policy.cycle_end_at_or_after(1)
        ends = [k * cycle for k in range(5)]
        if own and {*plots.common(own)[0]}.issuperset(range(cycle // 2, ends[-1] + 1, cycle // 2)):
            break
        own = []  # short trainings may be evaluated too seldom to show a cycle
    title = messages.phases(own, ends)
    by_seed = (
        f"seed {r.run.seed} {', '.join(f'{100 * r.accuracy_at(t):.1f}' for t in ends[1:])} %, at the tops before "
        f"{', '.join(f'{100 * r.accuracy_at(t - cycle // 2):.1f}' for t in ends[1:])} %"
        for r in own
    )
    alt = f"{title}. {row.title}, at the ends of its first four cycles: {'; '.join(by_seed) or NOTHING}."
    return plots.draw_phase(own, ends, title, row.title), alt


def beyond(records: Sequence[Record]) -> Drawn:
    """Smith's later 1cycle and warm restarts beside table 2's CLR: test accuracy above, learning rate below.

    Lines are means over seeds, bands all seeds. Beside runs of the paper's size Smith's numbers are grey diamonds.
    """
    rows = (experiments.CLR_TABLE_2, experiments.ONE_CYCLE, experiments.WARM_RESTARTS)
    measured = messages.difference(experiments.ONE_CYCLE, experiments.CLR_TABLE_2, _of(records, *rows))
    one_cycle, clr = (row.iterations for row in (experiments.ONE_CYCLE, experiments.CLR_TABLE_2))
    names = f"1cycle after {one_cycle:,} iterations", f"CLR after {clr:,}"
    title = messages.against(names, measured, "Test accuracy of CLR, 1cycle and warm restarts")
    return _training(records, rows, {}, title)


def equal_budget(records: Sequence[Record]) -> Drawn:
    """Six schedules with one budget, each at its best rate of three: accuracy at the end with its 95 % interval."""
    own = _of(records, *experiments.EQUAL)
    rows = {row.title.split(",")[0]: Claim("", row, "").measured(own) for row in experiments.EQUAL}
    ends = {name: end for name, end in rows.items() if end is not None}
    best = max((name for name in ends if ends[name].interval), key=lambda name: ends[name].mean, default="")
    budget = f"{experiments.EQUAL[0].iterations:,} iterations"
    title = f"After {budget} {best} has the highest mean" if best else f"Six schedules after {budget}"
    each = "; ".join(f"{name} {end.percent()}, {end.spread(paired=False)}" for name, end in ends.items())
    alt = f"{title}. Test accuracy with its 95 % interval: {each or NOTHING}."
    return plots.draw_bars(ends, "triangular2", title, plots.stamp(own)), alt


def _training(
    records: Sequence[Record], rows: Sequence[Experiment], paper_curves: dict[str, dict[int, float]], title: str
) -> Drawn:
    own = _of(records, *rows)
    beside_paper = comparable(own)
    shown = paper_curves if beside_paper else {}
    numbers = [f"{row.paper} % for {plots.without_iterations(row)}" for row in rows if beside_paper and row.paper]
    grey = "".join(
        f"; in grey, {what}: {', '.join(some)}"
        for what, some in (("the paper's curves", [*shown]), ("its numbers", numbers))
        if some
    )
    alt = f"{title}. Test accuracy over iterations, the learning rate below it: {_ends(own)}{grey}."
    return plots.draw_training(own, rows, shown, title, bool(numbers)), alt


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
    "forest": forest_plot,
    "02_schedules": schedules,
    "02_more_schedules": more_schedules,
    "03_lr_range_test": lr_range_test,
    "05_fixed_vs_cyclical": fixed_vs_cyclical,
    "05_losses": losses,
    "06_decay_only": decay_only,
    "07_exponential": exponential,
    "08_adaptive_methods": adaptive_methods,
    "09_sigmoid_batchnorm": sigmoid_batchnorm,
    "09_sigmoid_range_test": sigmoid_range_test,
    "10_residual_nets": residual_nets,
    "11_imagenet_nets": imagenet_nets,
    "12_choosing_the_cycle": choosing_the_cycle,
    "12_phase_of_the_cycle": phase_of_the_cycle,
    "13_beyond": beyond,
    "13_equal_budget": equal_budget,
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
