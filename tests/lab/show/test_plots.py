"""The labels of the lines: beside their ends, and readable."""

from itertools import combinations, pairwise

import pytest
from matplotlib.artist import getp
from records import all_rows

from lab.show.figures import FIGURES
from lab.show.plots import spread

RECORDS = all_rows(80.0, 81.0)
WITH_LINES = [name for name in FIGURES if name.startswith(("05", "06", "07", "07_sigmoid_batch", "13"))]


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([], []),
        ([0.5], [0.5]),
        ([0.5, 0.2], [0.5, 0.2]),
        ([0.51, 0.5], [0.6, 0.5]),
        ([0.0, -3.0], [0.15, 0.05]),  # an end below the axes
        ([1.0, 0.99, 0.5], [0.95, 0.85, 0.5]),
        ([0.5, 0.5, 0.5], [0.5, 0.6, 0.7]),
    ],
)
def test_labels_are_moved_no_further_than_they_must(places: list[float], expected: list[float]) -> None:
    assert spread(places, [0.1] * len(places)) == pytest.approx(expected)


def test_tall_labels_get_more_room() -> None:
    assert spread([0.5, 0.5], [0.1, 0.3]) == pytest.approx([0.5, 0.7])


@pytest.mark.parametrize("name", WITH_LINES)
def test_each_line_is_named_at_its_end(name: str) -> None:
    figure, _ = FIGURES[name](RECORDS)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    labelled = {" ".join(str(line.get_label()).split()): line for line in axes.get_lines()}
    lines = {label: line for label, line in labelled.items() if not label.startswith("_")}
    names = {" ".join(text.get_text().split()): text for text in axes.texts if text.get_position()[0] == 1.15}
    assert sorted(names) == sorted(lines)
    samples = [line for line in axes.get_lines() if not line.get_clip_on()]
    ordered = sorted(lines, key=lambda label: lines[label].get_ydata()[-1])
    assert len(samples) == len(lines)
    for label, text in names.items():
        (sample,) = (line for line in samples if line.get_ydata()[0] == text.get_position()[1])
        line = lines[label]
        for look in ("color", "linestyle", "linewidth", "alpha"):
            assert getp(sample, look) == getp(line, look), label
    for low, high in pairwise(ordered):
        if lines[low].get_ydata()[-1] < lines[high].get_ydata()[-1]:
            assert names[low].get_position()[1] < names[high].get_position()[1], "in the order of the ends"


@pytest.mark.parametrize("name", [name for name in FIGURES if name.startswith(("08", "10", "11"))])
def test_long_names_of_rows_leave_room_for_what_was_trained_on_what(name: str) -> None:
    figure, _ = FIGURES[name](all_rows(80.0, profile="quick"))
    figure.draw_without_rendering()
    assert figure.axes[0]._left_title.get_window_extent().x1 <= figure.bbox.x1


@pytest.mark.parametrize("name", WITH_LINES)
def test_no_label_covers_another_or_is_cut_off(name: str) -> None:
    figure, _ = FIGURES[name](RECORDS)
    figure.draw_without_rendering()
    boxes = {text.get_text(): text.get_window_extent() for text in figure.axes[0].texts}
    for (one, first), (two, second) in combinations(boxes.items(), 2):
        assert not first.overlaps(second), (one, two)
    for text, box in boxes.items():
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, text
