"""Panels: what a slider moves is drawn, what cannot be drawn is said, and without a kernel there is a picture."""

import re
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import pytest
from records import record, seeds
from refusals import Lab
from traitlets import TraitError

from clrlib import ExpRange, Triangular
from lab import paths
from lab.experiments import AS_FOUND, BASE_TENTH, BOUNDS_DOUBLE, BOUNDS_HALF, CLR_TRIANGULAR, RANGE_TEST, Experiment
from lab.records import store
from lab.records.record import Record
from lab.show import notebook, play, plots

WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every figure that a panel drew; as its picture stand the curve's numbers, which takes no time."""
    figures: list[Any] = []

    def keep(figure: Any, kind: str) -> bytes:
        figures.append(figure)
        return str(curve(figure)).encode()

    monkeypatch.setattr(plots, "encoded", keep)
    return figures


@pytest.fixture
def tests() -> list[Record]:
    return seeds(RANGE_TEST, 50, 52, 51)


def trained(*rows: Experiment, accuracy: float = 70, **settings: str) -> list[Record]:
    return [record(row, accuracy + k, **settings) for k, row in enumerate(rows)]  # type: ignore[arg-type]


def curve(figure: Any) -> list[float]:
    return [float(rate) for rate in figure.axes[0].lines[0].get_ydata()]


@pytest.mark.parametrize(
    ("name", "value"), [("base_lr", 0.003), ("max_lr", 0.008), ("step_size", 500), ("policy", "Triangular2")]
)
def test_a_slider_moves_the_curve(name: str, value: Any, drawn: list[Any]) -> None:
    panel = play.schedules()
    before = panel.picture.value
    panel.controls[name].value = value
    first, second = map(curve, drawn)
    assert first != second and panel.picture.value != before
    assert str(value) in panel.alt


def test_the_curve_is_the_policys(drawn: list[Any]) -> None:
    panel = play.schedules()
    panel.controls["policy"].value = 'ExpRange, decay="amplitude"'
    panel.controls["gamma"].value = 0.9999
    policy = ExpRange(0.001, 0.006, 2000, 0.9999, decay="amplitude")
    assert curve(drawn[-1]) == pytest.approx([policy(t) for t in range(play.ITERATIONS)], rel=1e-12)
    assert drawn[-1].axes[0].get_title(loc="left").replace("\n", " ") == str(policy)


def test_gamma_moves_exp_range_alone(drawn: list[Any]) -> None:
    panel = play.schedules()
    panel.controls["gamma"].value = 0.9995
    assert curve(drawn[0]) == curve(drawn[-1])
    panel.controls["policy"].value = "ExpRange"
    assert curve(drawn[-1]) != curve(drawn[0])


def test_the_axis_stays_so_that_a_change_of_the_bounds_is_seen(drawn: list[Any]) -> None:
    panel = play.schedules()
    panel.controls["max_lr"].value = 0.0055000000000000005  # as a browser's slider adds up
    assert panel.alt.endswith(" Triangular(base_lr=0.001, max_lr=0.0055, step_size=2000).")
    panel.controls["max_lr"].value = 0.002
    assert {figure.axes[0].get_ylim() for figure in drawn} == {(0.0, play.HIGHEST)}


def test_crossed_bounds_are_refused_in_the_librarys_words() -> None:
    panel = play.schedules()
    picture = panel.picture.value
    panel.controls["base_lr"].value = 0.009
    with pytest.raises(ValueError, match="is above max_lr") as refused:
        Triangular(0.009, 0.006, 2000)
    assert panel.picture.value == f"<p>{refused.value}</p>"
    assert "image/png" not in panel._repr_mimebundle_()[0]
    panel.controls["base_lr"].value = 0.001
    assert panel.picture.value == picture


@pytest.mark.parametrize("policy", ["Triangular", "ExpRange"])
@pytest.mark.parametrize("end", ["min", "max"])
def test_every_slider_at_its_end_is_drawn(policy: str, end: str, drawn: list[Any]) -> None:
    panel = play.schedules()
    panel.controls["policy"].value = policy
    for name in ("max_lr", "base_lr", "step_size", "gamma"):
        panel.controls[name].value = getattr(panel.controls[name], end)
    panel.controls["max_lr"].value = play.HIGHEST
    assert panel.picture.value.startswith("<img") and len(drawn) > 3
    panel.controls["step_size"].value = 10**9
    assert panel.controls["step_size"].value == play.ITERATIONS, "a slider goes no further than its end"


def test_every_policy_can_be_chosen() -> None:
    for name in play.POLICIES:
        figure, alt = play._draw_policy(name, 0.001, 0.006, 2000, 0.99994)
        assert name.split(",")[0] + "(" in alt and max(curve(figure)) > 0.004


def test_every_control_says_what_it_is() -> None:
    panel = play.schedules()
    assert all(control.description.startswith(name) for name, control in panel.controls.items())
    assert [*panel.children] == [*panel.controls.values(), panel.picture]


@pytest.fixture(params=["schedules", "bounds"])
def panel(request: pytest.FixtureRequest, tests: list[Record]) -> play.Panel:
    return play.schedules() if request.param == "schedules" else play.bounds(tests, trained(*play.BOUNDS))


def test_without_a_kernel_there_is_the_picture_and_its_alt_text(panel: play.Panel) -> None:
    data, metadata = panel._repr_mimebundle_()
    assert data.keys() == {WIDGET, "image/png", "text/plain"}
    assert data["image/png"].startswith(b"\x89PNG") and data["text/plain"] == panel.alt
    assert metadata == {"image/png": {"alt": panel.alt}}
    assert f'alt="{panel.alt}"' in panel.picture.value
    assert len(data["image/png"]) < 150_000


def test_the_picture_is_the_same_each_time(tests: list[Record]) -> None:
    makers: list[Callable[[], play.Panel]] = [play.schedules, lambda: play.bounds(tests, trained(*play.BOUNDS))]
    for make in makers:
        assert make().png == make().png


def test_what_is_said_is_shown_as_text_not_as_html() -> None:
    def refuse(words: str) -> Any:
        raise ValueError(words)

    panel = play.Panel(refuse, words=widgets.Text("a < b & <script>"))
    assert panel.picture.value == "<p>a &lt; b &amp; &lt;script&gt;</p>"


def test_a_fault_in_making_the_picture_is_not_taken_for_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = play.schedules()

    def fails(*_: object) -> bytes:
        raise ValueError("a fault")

    monkeypatch.setattr(plots, "encoded", fails)
    with pytest.raises(ValueError, match="a fault"):
        panel.controls["step_size"].value = 500


# --- bounds ---------------------------------------------------------------------------------------------------------


def test_dragging_the_bounds_marks_the_nearest_training(drawn: list[Any], tests: list[Record]) -> None:
    panel = play.bounds(tests, trained(*play.BOUNDS))
    for bounds, row in (((0.0021, 0.0118), BOUNDS_DOUBLE), ((0.0004, 0.0031), BOUNDS_HALF)):
        panel.controls["bounds"].value = bounds
        low, high = play._trained_bounds(record(row))
        told = (
            f"Your bounds: {bounds[0]:.4f} to {bounds[1]:.4f}. The nearest recorded training: {row.name}, {low:g} to "
        )
        assert told + f"{high:g}, " in panel.alt
        (marked,) = (line for line in drawn[-1].axes[1].lines if line.get_linewidth() == 4)
        assert [*marked.get_xdata()] == [low, high]
        for axes in drawn[-1].axes:
            (span,) = (patch for patch in axes.patches if patch.get_alpha() == 0.12)
            assert (span.get_x(), span.get_x() + span.get_width()) == pytest.approx(bounds)


def test_accuracy_size_data_and_number_of_seeds_are_said(tests: list[Record], drawn: list[Any]) -> None:
    panel = play.bounds(tests, seeds(AS_FOUND, 70, 72, profile="quick"))
    assert panel.alt.endswith("900 iterations on CIFAR-10, profile quick: test accuracy 71.0 ± 1.4 % (n\xa0=\xa02).")
    said = [text.get_text().strip() for text in drawn[-1].axes[1].texts]
    assert said == ["71.0 ± 1.4 % (n\xa0=\xa02)"], "beside its bounds"
    panel = play.bounds(tests, seeds(AS_FOUND, 70, None))
    assert panel.alt.endswith("9,000 iterations on CIFAR-10, profile paper: test accuracy (1 of 2 diverged).")


def test_nearest_is_meant_in_the_logarithms() -> None:
    own = trained(AS_FOUND, BASE_TENTH)  # base_lr 0.001 and 0.0006
    assert play.nearest(own, 0.00079, 0.006) == own[:1], "nearer to 0.0006 by steps, to 0.001 by factors"
    assert play.nearest(own, 0.00075, 0.006) == own[1:]
    for extreme in ((0.0, 0.0), (0.02, 0.02), (1e-12, 1e12), (0.006, 0.001)):
        assert play.nearest(trained(*play.BOUNDS), *extreme)


def test_the_slider_ends_where_the_test_did_and_cannot_cross(tests: list[Record], drawn: list[Any]) -> None:
    panel = play.bounds(tests, trained(*play.BOUNDS))
    slider, before = panel.controls["bounds"], panel.alt
    with pytest.raises(TraitError, match="lower > upper"):
        slider.value = (0.01, 0.001)
    assert panel.alt == before
    slider.value = (0.0, 1.0)
    assert slider.value == (0.0001, 0.02)
    slider.value = (0.02, 0.02)
    assert "Your bounds: 0.0200 to 0.0200" in panel.alt


def test_it_begins_at_the_bounds_that_were_read_or_at_the_whole_test(tests: list[Record], drawn: list[Any]) -> None:
    slider = play.bounds(tests, trained(AS_FOUND)).controls["bounds"]
    assert slider.value == pytest.approx((0.002, 0.01), rel=0.1)
    flat = seeds(RANGE_TEST, 10)
    assert play.bounds(flat, trained(AS_FOUND)).controls["bounds"].value == (0.0001, 0.02)


def test_nothing_recorded_is_said(tests: list[Record]) -> None:
    panel = play.bounds(tests, [])
    assert panel.picture.value == "<p>no training between bounds was run yet; set the profile to published</p>"
    panel = play.bounds([], trained(AS_FOUND))
    assert panel.picture.value.startswith("<p>no range test with a measurement among the records")


# --- which trainings ------------------------------------------------------------------------------------------------


def publish(*records: Record, place: str = "published") -> None:
    paths.records(place).mkdir(parents=True, exist_ok=True)
    for some in records:
        store.save(some, paths.records(place))


def test_shown_are_the_trainings_of_the_papers_size_where_three_were_run(lab: Lab, tests: list[Record]) -> None:
    publish(*trained(AS_FOUND, BOUNDS_HALF, CLR_TRIANGULAR))
    assert {r.run.profile for r in play.trained_between("published", tests)} == {"paper"}, "there are no others"
    publish(*trained(*play.BOUNDS, CLR_TRIANGULAR, profile="quick"), place="published quick")
    names = {r.run.name for r in play.trained_between("published", tests)}
    assert names == {r.run.name for r in trained(*play.BOUNDS, profile="quick")}
    publish(*trained(BASE_TENTH))
    names = {r.run.name for r in play.trained_between("published", tests)}
    assert names == {r.run.name for r in trained(AS_FOUND, BOUNDS_HALF, BASE_TENTH)}


def test_trainings_on_other_images_are_left_out(lab: Lab, tests: list[Record]) -> None:
    publish(*trained(*play.BOUNDS, sha256="f" * 64))
    publish(*trained(AS_FOUND, profile="quick"), place="published quick")
    (only,) = play.trained_between("published", tests)
    assert only.run.experiment == AS_FOUND.name


def test_the_published_panel_shows_trainings_of_the_papers_size_alike_in_all_but_their_bounds(
    lab: Lab, tests: list[Record]
) -> None:
    publish(*trained(*play.BOUNDS), *tests)
    assert notebook.collect("published", RANGE_TEST) == tests
    found = play.trained_between("published", tests)
    assert {r.run.experiment for r in found} <= {row.name for row in play.BOUNDS}
    assert len({play._trained_bounds(r) for r in found}) == len(found) >= play.ENOUGH
    assert "9,000 iterations on CIFAR-10, profile paper" in play.bounds(tests, found).alt
    rest = {re.sub(r"base_lr=\S+, max_lr=\S+,", "", str(r.run.policy)) for r in found}
    assert len(rest) == 1, "alike in all but their bounds"
