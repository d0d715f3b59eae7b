"""Figures come from records alone, the same bytes each time, and say in words what they show."""

import re
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from records import all_rows, seeds

import clrlib
from clrlib import Policy
from lab import experiments
from lab.claims import GUIDANCE
from lab.experiments import CATALOGUE, CLR_TABLE_2, CLR_TRIANGULAR, DECAY_2000, DECAY_4000, FIXED, RANGE_TEST, WELCH
from lab.records import store, trainer
from lab.records.record import Record
from lab.show import figures, plots
from lab.show.figures import FIGURES

TRAINING = {"05_fixed_vs_cyclical": FIXED, "06_decay_only": DECAY_4000}
ROWS = [row for row in CATALOGUE if row is not RANGE_TEST]


ENDS = ("08_adaptive_methods", "10_residual_nets", "11_imagenet_nets")
LOSS_AND_PHASE = ("05_losses", "12_phase_of_the_cycle")
BARS = ("forest", "12_choosing_the_cycle", "13_equal_budget")
OTHERS = ("02_schedules", "02_more_schedules", *ENDS, *BARS, *LOSS_AND_PHASE)  # no accuracy over iterations or rates
CURVES = {name: draw for name, draw in FIGURES.items() if name not in OTHERS}
WITHOUT_THE_PAPERS = ("09_sigmoid_range_test",)  # of which the paper says nothing


RECORDS = {
    "one seed": all_rows(80.0),
    "three seeds": all_rows(80.0, 81.0, 82.0),
    "one diverged": all_rows(80.0, None, 82.0),
}


@pytest.fixture(autouse=True)
def nothing_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    """A figure that trained, or asked for a training, would fail here."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a figure trains")

    for module, name in ((trainer, "train"), (store, "train"), (store, "load_or_train")):
        monkeypatch.setattr(module, name, refuse)


def own_lines(axes: Axes) -> dict[str, Line2D]:
    """The labelled lines that are ours, not the paper's."""
    labels = {str(line.get_label()): line for line in axes.get_lines()}
    return {label: line for label, line in labels.items() if not label.startswith("_") and "paper" not in label}


def texts(axes: Axes) -> list[str]:
    """The text in the plot and beside it, as one line each."""
    return [" ".join(text.get_text().split()) for text in axes.texts]


def below(figure: Figure) -> str:
    """The small text below the figure, as one line."""
    return " ".join(figure.get_supxlabel().split())


@pytest.mark.parametrize("records", RECORDS.values(), ids=RECORDS.keys())
@pytest.mark.parametrize("name", CURVES)
def test_draws_and_names_data_and_profile(name: str, records: list[Record]) -> None:
    figure, alt = FIGURES[name](records)
    assert below(figure).startswith("CIFAR-10 · profile paper · cpu, float32; line: mean")
    title = " ".join(figure.get_suptitle().split())
    assert title and alt.startswith(f"{title}. ")
    fixed = [r for r in records if r.run.experiment == "fixed"]
    lost = sum(r.diverged_at is not None for r in fixed)
    count = f"n = {len(fixed) - lost}" + (f", {lost} diverged" if lost else "")
    labels = texts(figure.axes[0])
    assert any("paper" in label for label in labels) == (name not in WITHOUT_THE_PAPERS)
    if not name.endswith("range_test"):
        assert all(f"({count})" in label for label in labels if "paper" not in label)
    assert alt.endswith(".") and "nan" not in alt


@pytest.mark.parametrize(("name", "row"), TRAINING.items())
def test_lines_are_the_means_of_the_records(name: str, row: experiments.Experiment) -> None:
    records = RECORDS["three seeds"]
    top, bottom = FIGURES[name](records)[0].axes
    own = [r for r in records if r.run.experiment == row.name]
    line = own_lines(top)[f"{row.title} (n\xa0=\xa03)"]
    shared = own[1].curves["iteration"]  # seed 0 has more of them, where the row says so
    mean = [100 * sum(r.accuracy_at(t) for r in own) / 3 for t in shared]
    assert list(line.get_ydata()) == pytest.approx(mean)
    assert list(line.get_xdata()) == shared
    finer = [list(thin.get_xdata()) for thin in top.get_lines() if thin.get_label() == "_finer"]
    assert (own[0].curves["iteration"] in finer) == (row.evaluate_seed_0 is not None)
    assert len(top.collections) == len(own_lines(top)), "a band around each line"
    for line, drawn in zip(bottom.get_lines(), own_lines(top).values(), strict=True):
        (other,) = (r for r in ROWS if str(drawn.get_label()).startswith(f"{r.title} ("))
        assert looks(line) == looks(drawn)
        t, lr = line.get_data()
        assert t[0] == 0 and t[-1] == other.iterations - 1
        assert lr[::100] == pytest.approx([other.policy(int(i)) for i in t[::100]])


def test_a_run_that_diverged_before_its_first_evaluation_is_drawn_as_nothing() -> None:
    (run,) = seeds(FIXED, None)
    run = replace(run, curves={name: [] for name in run.curves}, diverged_at=1)
    for records in ([run], [run, *seeds(CLR_TABLE_2, 80.0)]):
        figure, alt = figures.fixed_vs_cyclical(records)
        figure.draw_without_rendering()
        assert f"{FIXED.title}, seed 0, diverged at iteration 1" in alt
        assert len(own_lines(figure.axes[0])) == len(records)


def test_a_changed_record_changes_the_line() -> None:
    before, after = ([*seeds(FIXED, accuracy), *seeds(CLR_TABLE_2, 80.0)] for accuracy in (70.0, 75.0))
    drawn = [own_lines(figures.fixed_vs_cyclical(records)[0].axes[0]) for records in (before, after)]
    ends = [lines[f"{FIXED.title} (n\xa0=\xa01)"].get_ydata()[-1] for lines in drawn]
    assert ends == pytest.approx([70.0, 75.0])


@pytest.mark.parametrize("name", TRAINING)
def test_training_figures_draw_without_records(name: str) -> None:
    figure, alt = FIGURES[name]([])
    lines = own_lines(figure.axes[0])
    assert lines and all(label.endswith("(not run)") and not len(line.get_xdata()) for label, line in lines.items())
    assert len(figure.axes[1].get_lines()) == len(lines), "their rates are known"
    assert "nothing was run yet" in alt and "81.4 %" in alt and below(figure) == "nothing was run yet; grey: the paper"


def test_the_range_test_draws_without_records() -> None:
    for records in ([], seeds(FIXED, 80.0)):
        alt = figures.lr_range_test(records)[1]
        assert alt == f"{RANGE_TEST.title}: nothing was run yet, the paper's figure 3 in grey."


def test_a_range_test_that_diverged_is_drawn_as_far_as_it_went() -> None:
    (lost,) = seeds(RANGE_TEST, None)
    figure, alt = figures.lr_range_test([lost])
    (line,) = own_lines(figure.axes[0]).values()
    assert len(line.get_xdata()) == len(lost.curves["lr"]) > 0
    told = f"seed 0 diverged at iteration {lost.diverged_at:,}"
    assert told in alt and "nothing was run" not in alt
    assert any(told in text.get_text() for text in figure.axes[0].texts)
    nothing = replace(lost, curves={name: [] for name in lost.curves})
    same = f"{RANGE_TEST.title}: {RANGE_TEST.title}, {told.replace('0 d', '0, d')}"
    assert figures.lr_range_test([nothing])[1] == f"{same}, the paper's figure 3 in grey."


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize(
    "other", [{"profile": "quick"}, {"data": "digits", "label": "scikit-learn digits, 32x32"}], ids=["size", "data"]
)
def test_the_papers_curves_stand_only_beside_the_papers_experiment(name: str, other: dict[str, str]) -> None:
    figure, alt = FIGURES[name](all_rows(80.0, **other))
    assert not [text for text in texts(figure.axes[0]) if "paper" in text]
    assert "paper" not in alt
    stamp = below(figure)
    assert other.get("label", "CIFAR-10") in stamp and f"profile {other.get('profile', 'paper')}" in stamp
    assert "grey: the paper" not in stamp


def test_table_3_shows_every_seed_their_mean_and_the_paper() -> None:
    first, second = experiments.TABLE_3[:2]
    records = [*seeds(first, 80.0, 82.0), *seeds(second, 70.0, None)]
    figure, alt = figures.adaptive_methods(records)
    (axes,) = figure.axes
    dots = {
        line.get_ydata()[0]: list(line.get_xdata())
        for line in axes.get_lines()
        if line.get_marker() == "o" and len(line.get_xdata())
    }
    bars = {line.get_ydata()[0]: line.get_xdata()[0] for line in axes.get_lines() if line.get_marker() == "|"}
    papers = [line.get_xdata()[0] for line in axes.get_lines() if line.get_marker() == "D"]
    assert dots == {0: pytest.approx([80.0, 82.0]), 1: pytest.approx([70.0])}
    assert bars == {0: pytest.approx(81.0), 1: pytest.approx(70.0)}
    assert papers == [row.paper for row in experiments.TABLE_3]
    assert [text.get_text() for text in axes.get_yticklabels()] == [row.title for row in experiments.TABLE_3]
    assert sum(text.get_text() == " not run" for text in axes.texts) == len(experiments.TABLE_3) - 2
    assert (
        "Nesterov, clr, seed 1, diverged" in alt and "Adam" not in alt and alt.endswith("; grey diamonds: the paper.")
    )
    small, alt = figures.adaptive_methods(all_rows(80.0, profile="quick"))
    assert not [line for line in small.axes[0].get_lines() if line.get_marker() == "D"] and "paper" not in alt
    assert figures.adaptive_methods([])[1].endswith("nothing was run yet; grey diamonds: the paper.")


def test_short_trainings_are_named_by_the_iterations_that_were_run() -> None:
    first, *rest = experiments.TABLE_3
    figure, _ = figures.adaptive_methods(seeds(first, 60.0, profile="quick"))
    labels = [text.get_text().replace("\n", " ") for text in figure.axes[0].get_yticklabels()]
    made = first.run("quick", 0, "digits", "float32").iterations
    assert labels == [f"Nesterov, fixed, {made:,}\xa0iterations", *(row.title for row in rest)]


@pytest.mark.parametrize(("lowest", "drawn"), [(10.0, True), (55.0, False)])
def test_chance_is_drawn_where_a_row_came_down_to_it(lowest: float, drawn: bool) -> None:
    first, second = experiments.TABLE_3[:2]
    (axes,) = figures.adaptive_methods([*seeds(first, 60.0), *seeds(second, lowest)])[0].axes
    assert (" chance" in [text.get_text() for text in axes.texts]) == drawn
    assert ([10.0, 10.0] in [[*line.get_xdata()] for line in axes.get_lines()]) == drawn


def test_bounds_are_drawn_as_they_were_read_beside_the_papers() -> None:
    (axes,) = figures.lr_range_test(seeds(RANGE_TEST, 50.0))[0].axes
    paper = "the paper's figure 3, 0.001 and 0.006 dotted"
    assert {"base_lr ≤ 0.002", "max_lr 0.01", paper} <= {*texts(axes)}
    dotted = [line for line in axes.get_lines() if line.get_linestyle() == ":"]
    assert [line.get_xdata()[0] for line in dotted] == [0.001, 0.006]
    assert {line.get_linewidth() for line in dotted} == {4}, "seen beside ours"


def test_advice_is_drawn_as_the_differences_of_its_claims() -> None:
    records = [*seeds(CLR_TRIANGULAR, 80.0, 81.0), *seeds(WELCH, 80.5, 80.0)]
    figure, alt = figures.choosing_the_cycle(records)
    (claim,) = (claim for claim in GUIDANCE if claim.row is WELCH)
    measured = claim.measured(records)
    assert measured is not None and len(measured.values) == 2
    assert f"{claim.text}: paper equivalent, ours {measured.text('+')}" in alt
    assert claim.text in texts(figure.axes[0]) and not [text for text in texts(figure.axes[0]) if "Hann" in text]
    assert figures.choosing_the_cycle([])[1].endswith("nothing was run yet.")


def test_alt_texts_name_the_numbers() -> None:
    records = [*seeds(FIXED, 81.25, 80.5), *seeds(CLR_TABLE_2, None), *seeds(RANGE_TEST, 50.0)]
    alt = figures.fixed_vs_cyclical(records)[1]
    assert f"{FIXED.title}, seed 0, ends at 81.2 % after 70,000 iterations" in alt
    assert f"{FIXED.title}, seed 1, ends at 80.5 % after 70,000 iterations" in alt
    diverged_at = records[2].diverged_at
    assert f"{CLR_TABLE_2.title}, seed 0, diverged at iteration {diverged_at:,}" in alt
    assert "; in grey, the paper's curves: fixed, CLR; in grey, its numbers: 81.4 % for fixed, drops" in alt
    alt = figures.lr_range_test(records)[1]
    assert "from 0.0010 to 0.0200" in alt and "base_lr at or below 0.002, max_lr 0.01" in alt
    assert re.search(r"\b1 seed\b", alt)
    for draw, policies_drawn in PANELS:
        assert all(name in draw([])[1] for name in policies_drawn)


def test_the_range_tests_alt_text_counts_the_seeds_that_are_drawn() -> None:
    figure, alt = figures.lr_range_test(seeds(RANGE_TEST, 50.0, None, 52.0))
    assert "smoothed, n = 3" in own_lines(figure.axes[0])
    assert "3 seeds" in alt and "seed 1 diverged" in alt


PANELS = ((figures.schedules, figures.POLICIES), (figures.more_schedules, figures.MORE_POLICIES))


@pytest.mark.parametrize(("draw", "drawn"), PANELS, ids=("schedules", "more_schedules"))
def test_the_panels_of_the_policies_are_the_policies(draw: Any, drawn: dict[str, Policy]) -> None:
    figure, _ = draw([])
    assert [axes.get_title(loc="left").replace("\n", " ") for axes in figure.axes] == list(drawn)
    for axes, policy in zip(figure.axes, drawn.values(), strict=True):
        t, lr = axes.get_lines()[0].get_data()
        assert lr[::1000] == pytest.approx([policy(int(i)) for i in t[::1000]])
    for title, policy in drawn.items():
        code, colon, _ = title.partition("): ")
        same = eval(code + colon[:1], vars(clrlib))
        assert repr(same) == repr(policy) and same(5000) == policy(5000)


def test_panels_share_their_scale_and_end_where_the_row_does() -> None:
    row, half = CLR_TRIANGULAR, experiments.BOUNDS_HALF
    figure = plots.draw_policies({"full": row, "half": half, "alone": half.policy}, 16_000)
    assert len({axes.get_ylim() for axes in figure.axes}) == 1 and figure.axes[0].get_ylim()[1] > 0.006
    drawn = [axes.get_lines()[0].get_xdata() for axes in figure.axes]
    assert [len(t) for t in drawn] == [16_000, 9_000, 16_000], "no longer than the figure, nor than the row"
    marks = [[line.get_xdata()[0] for line in axes.get_lines()[1:]] for axes in figure.axes]
    assert marks[0] == [4000, 8000, 12_000] and max(marks[1]) < 9_000


def test_every_policy_is_in_one_of_the_pictures() -> None:
    assert {type(policy) for _, drawn in PANELS for policy in drawn.values()} == set(policies())


def test_the_ends_of_cycles_are_marked_where_there_are_cycles() -> None:
    marked = {}
    for draw, drawn in PANELS:
        for axes, policy in zip(draw([])[0].axes, drawn.values(), strict=True):
            marked[type(policy).__name__] = [line.get_xdata()[0] for line in axes.get_lines()[1:]]
    assert marked["Triangular"] == marked["UpDown"] == marked["Repeat"] == [4000, 8000, 12_000]
    assert marked["WarmRestarts"] == [2000, 6000, 14_000]
    assert marked["Stages"] == [4000, 8000, 10_000, 12_000, 14_000]
    assert marked["Fixed"] == marked["MultiStep"] == marked["Function"] == []


def test_drawn_twice_the_files_are_the_same(tmp_path: Path) -> None:
    for folder in ("first", "second"):
        figures.draw_all(RECORDS["three seeds"], tmp_path / folder)
    first, second = (sorted((tmp_path / folder).iterdir()) for folder in ("first", "second"))
    assert [path.name for path in first] == [
        f"{name}.{end}" for name in sorted(FIGURES) for end in ("png", "svg", "txt")
    ]
    for one, two in zip(first, second, strict=True):
        assert one.name == two.name and one.read_bytes() == two.read_bytes(), one.name
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in first if path.suffix == ".png")
    assert all(b"<svg" in path.read_bytes() for path in first if path.suffix == ".svg")


def test_figures_that_would_be_empty_show_the_short_trainings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = all_rows(60.0, profile="quick")
    assert b"<svg" in plots.encoded(FIGURES["10_residual_nets"](short)[0], "svg")
    monkeypatch.setattr(plots, "encoded", lambda *_: b"")  # which takes long
    figures.draw_all(seeds(FIXED, 80.0), tmp_path, short)
    alts = {path.stem: path.read_text() for path in tmp_path.glob("*.txt")}
    assert "ends at 80.0 % after 70,000 iterations" in alts["05_fixed_vs_cyclical"]
    made = next(r.run.iterations for r in short if r.run.experiment == "resnet-clr")
    assert f"ResNet, CLR 0.1-0.3, seed 0, ends at 60.0 % after {made:,} iterations" in alts["10_residual_nets"]
    assert not [name for name, alt in alts.items() if figures.NOTHING in alt]


@pytest.mark.parametrize("profile", ["quick", "smoke"])
def test_trainings_evaluated_too_seldom_for_a_cycle_leave_the_phase_empty(profile: str) -> None:
    """As `make reproduce BUDGET=...` has them where it ends after the headline's two rows."""
    headline = [*seeds(FIXED, 60.0, profile=profile), *seeds(CLR_TABLE_2, 60.0, profile=profile)]
    figure, alt = figures.phase_of_the_cycle(headline)
    assert figures.NOTHING in alt
    assert not figure.axes[0].get_legend_handles_labels()[1]


def policies() -> list[type[Policy]]:
    found = [kind for kind in vars(clrlib).values() if isinstance(kind, type) and issubclass(kind, Policy)]
    return [kind for kind in found if kind not in (Policy, clrlib.Cyclical)]


def looks(line: Any) -> tuple[str, Any]:
    return to_hex(line.get_color()), line._unscaled_dash_pattern


@pytest.mark.parametrize("name", TRAINING)
def test_no_two_lines_of_a_figure_look_the_same(name: str) -> None:
    lines = own_lines(FIGURES[name](RECORDS["one seed"])[0].axes[0])
    assert len(lines) >= 3
    for (one, first), (two, second) in combinations(lines.items(), 2):
        assert looks(first) != looks(second), (one, two)


def test_a_policy_looks_the_same_in_every_figure() -> None:
    row = {row.title: row for row in ROWS if row is not DECAY_2000}  # a second row with the policy of the first
    for name in TRAINING:
        for label, line in own_lines(FIGURES[name](RECORDS["one seed"])[0].axes[0]).items():
            if (title := label.rsplit(" (n", 1)[0]) in row:
                style = plots.look(row[title].policy)
                assert looks(line) == looks(Line2D([], [], **style)), label


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("records", [RECORDS["three seeds"], []], ids=["all rows", "none"])
def test_text_is_11_px_on_a_phone_and_nothing_is_cut_off(name: str, records: list[Record]) -> None:
    """At 360 px of width, as an SVG is scaled; and no text lies outside the figure."""
    figure, _ = FIGURES[name](records)
    figure.draw_without_rendering()
    points = 72 * figure.get_figwidth()
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible():
            assert text.get_fontsize() * 360 / points >= 11, text.get_text()
            box = text.get_window_extent()
            inside = figure.bbox.x0 - 1 <= box.x0 and box.x1 <= figure.bbox.x1 + 1
            assert inside or text in hidden_ticks(figure), text.get_text()


def hidden_ticks(figure: Figure) -> list[Text]:
    """Labels of ticks beyond the limits, which are not drawn."""
    every = [axis for axes in figure.axes for panel in (axes, *axes.child_axes) for axis in (panel.xaxis, panel.yaxis)]
    drawn = [tick for axis in every for tick in axis._update_ticks()]
    return [tick.label1 for axis in every for tick in axis.majorTicks if tick not in drawn]
