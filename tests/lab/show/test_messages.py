"""Titles say what the records show, and nothing where they show nothing."""

import pytest
from records import seeds

from lab.experiments import CLR_TABLE_2, DECAY_4000, FIXED
from lab.records.record import Record
from lab.show import figures, glance, messages

NEUTRAL = "Test accuracy of the fixed schedule and of CLR"


def ends(fixed: tuple[float, ...], clr: tuple[float, ...], **settings: str) -> list[Record]:
    """Made curves rise as the root of the iteration: after 25,000 of 70,000 the fixed schedule is far below."""
    return [*seeds(FIXED, *fixed, **settings), *seeds(CLR_TABLE_2, *clr, **settings)]


@pytest.mark.parametrize(
    ("records", "title"),
    [
        (
            ends((82.0, 82.1, 81.9), (80.0, 80.2, 80.1)),
            "CLR is ahead at 25,000 iterations, the fixed schedule at 70,000",
        ),
        (ends((80.0, 80.1, 79.9), (82.0, 82.2, 82.1)), "CLR is ahead at 25,000 and at 70,000 iterations"),
        (ends((80.0, 81.0, 82.0), (82.0, 81.0, 80.0)), "CLR is ahead at 25,000 iterations, neither at 70,000"),
        (ends((82.0,), (80.0,)), NEUTRAL),
        (ends((82.0, 82.1), (80.0, 80.1), profile="quick"), NEUTRAL),
        (seeds(FIXED, 82.0, 82.1), NEUTRAL),
        ([], NEUTRAL),
    ],
)
def test_the_headline_is_who_is_ahead_when(records: list[Record], title: str) -> None:
    assert messages.ahead(records) == title


@pytest.mark.parametrize(
    ("decay", "title"),
    [
        ((78.0, 78.2), "The fall alone ends 2.0 points below CLR"),
        ((82.0, 82.2), "The fall alone ends 2.0 points above CLR"),
        ((79.0, 81.3), "The fall alone and CLR: no clear difference"),
        ((78.0,), "Test accuracy of CLR and of the fall alone"),
    ],
)
def test_a_difference_is_said_with_its_sign(decay: tuple[float, ...], title: str) -> None:
    records = [*seeds(CLR_TABLE_2, 80.0, 80.2), *seeds(DECAY_4000, *decay)]
    assert " ".join(figures.decay_only(records)[0].get_suptitle().split()) == title


def test_the_lower_losses_are_those_of_the_records() -> None:
    """A made loss is 2 less the accuracy."""
    told = messages.last_losses(ends((82.0, 82.1, 81.9), (80.0, 80.2, 80.1)))
    assert told == "The fixed schedule ends with the lower training loss and the lower test loss"
    assert messages.last_losses(ends((82.0,), (80.0,))).startswith("Training and test loss")


def test_the_page_opens_with_hours_and_gaps_and_a_second_look_where_the_answer_is_no() -> None:
    lost = ends((82.0, 82.1, 81.9), (79.0, 79.2, 79.1))
    told = glance.at_a_glance(lost, lost[:1])
    assert "7 recorded trainings, 7 min on 1 thread each" in told, "a minute each"
    assert "is not reproduced: a second look" in told or "is opposite: a second look" in told
    assert "pairs by seed (0, 1, 2)" in told and "the same images for both" in told
    assert "by 0.4 points (binomial" in told, "100 * sqrt(0.82 * 0.18 / 10000) is 0.384"
    assert "a second look" not in glance.at_a_glance(ends((81.0, 81.1), (81.0, 81.2)))
    none = glance.at_a_glance([])
    assert "0 recorded trainings" in none and none.count("not run yet") == 3 and "was not contacted" in none


def test_our_fixed_runs_before_the_drop_are_read_from_their_curves() -> None:
    records = seeds(FIXED, 82.0, 82.2)
    before = [100 * r.accuracy_at(60_000) for r in records]
    row = f"| **this project, fixed** | 60,000, just before the first drop | {sum(before) / 2:.1f} ± "
    assert row in glance.at_a_glance(records)
