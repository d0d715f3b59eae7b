"""The forest plot has a row for each claim with a number, at its difference from the paper's, and nothing overlaps."""

import math
import re
from dataclasses import replace
from itertools import combinations

import pytest
from matplotlib.axes import Axes
from records import seeds

from lab.claims import ONE_RUN, VERDICTS, Answer, answers
from lab.experiments import CLR_TABLE_2, FIXED, RANGE_TEST
from lab.show import forest, tables
from lab.show.style import VERDICT_STYLE

KINDS = (*VERDICTS, ONE_RUN)


def made(count: int) -> list[Answer]:
    """Answers with every verdict, near the paper's number and far from it, over several notebooks."""
    every = [a for a in answers([]) if a.expected is not None or a.paper.startswith("better")][:count]
    assert len(every) == count
    return [
        replace(
            answer,
            ours="made up",
            mean=(answer.expected or 0.0) + (-1) ** k * (0.1 + k % 7 / 3),
            low=(answer.expected or 0.0) + (-1) ** k * (0.1 + k % 7 / 3) - 0.2,
            high=(answer.expected or 0.0) + (-1) ** k * (0.1 + k % 7 / 3) + 0.2,
            verdict=KINDS[k % len(KINDS)],
        )
        for k, answer in enumerate(every)
    ]


def marks(axes: Axes) -> dict[float, tuple[float, str]]:
    """Place of each row: its number less the paper's, and its colour."""
    shapes = {style["marker"] for style in VERDICT_STYLE.values()}
    lines = [line for line in axes.get_lines() if line.get_marker() in shapes and line.get_zorder() == 4]
    return {line.get_ydata()[0]: (line.get_xdata()[0], str(line.get_color())) for line in lines}


@pytest.mark.parametrize("count", [3, 60])
def test_every_answer_is_a_row_and_no_text_covers_another_or_is_cut_off(count: int) -> None:
    given = made(count)
    figure = forest.draw(given, tables.tally(given), "made up")
    figure.draw_without_rendering()
    (axes,) = figure.axes
    drawn = [marks(axes)[place] for place in sorted(marks(axes))]
    ordered = forest.shown(given)
    assert [x for x, _ in drawn] == pytest.approx([(a.mean or 0) - (a.expected or 0) for a in ordered])
    judged = [(color, a.verdict) for (_, color), a in zip(drawn, ordered, strict=True) if a.verdict in VERDICTS]
    assert judged and all(color == VERDICT_STYLE[verdict]["color"] for color, verdict in judged)
    texts = [" ".join(text.get_text().split()) for text in axes.texts]
    assert {tables.NOTEBOOKS[a.notebook].replace("_", " ") for a in given} <= {*texts}
    assert all(any(text.startswith(" ".join(a.claim.split())) for text in texts) for a in given)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not [pair for pair in combinations(boxes, 2) if pair[0].padded(-2).overlaps(pair[1].padded(-2))]
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_what_lies_far_off_or_diverged_is_said_at_the_edge() -> None:
    near, far, lost = made(3)
    far = replace(far, mean=11.4, low=11.0, high=11.8)
    lost = replace(lost, ours="(1 of 3 diverged)", mean=math.nan, low=None, high=None)
    (axes,) = forest.draw([near, far, lost], "").axes
    drawn = marks(axes)
    assert len(drawn) == 2 and min(x for x, _ in drawn.values()) == axes.get_xlim()[0]
    assert {"11.4", "  (1 of 3 diverged)"} <= {text.get_text() for text in axes.texts}


def test_in_words_it_says_the_numbers() -> None:
    records = [*seeds(FIXED, 81.0, 81.4), *seeds(CLR_TABLE_2, 81.5, 82.1), *seeds(RANGE_TEST, 50.0, 51.0)]
    told = forest.in_words(answers(records))
    assert (
        "70,000 iterations: paper 81.4, ours 81.2 ± 0.3 (n\xa0=\xa02), 95 % interval 78.7 to 83.7, reproduced;" in told
    )
    assert len(re.findall(r"paper [+-]?[\d.]+, ours", told)) == 3, "the bounds are no single number"
    assert forest.in_words([]) == "nothing was run yet"
