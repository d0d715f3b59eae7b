"""What the tables of the notebooks come to, from records made up for the purpose."""

from dataclasses import replace

import pytest
from records import record, seeds

from lab.experiments import (
    CLR_TABLE_2,
    CONTESTS,
    DECAY_4000,
    FIXED,
    IMAGENETTE,
    TABLE_3,
    TABLE_3_CONSTANT,
    WARM_RESTARTS,
)
from lab.records.record import Record
from lab.show import findings


def test_nothing_is_said_of_what_was_not_run() -> None:
    for told in (findings.before_the_drops, findings.tuned, findings.snapshots, findings.at_chance):
        assert told([]) == findings.NOT_YET
    assert findings.at_a_tenth([], seeds(FIXED, 70.0, profile="quick")) == findings.NOT_YET


def test_a_tenth_is_set_beside_the_whole() -> None:
    def both(gap: float, profile: str) -> list[Record]:
        return [record(FIXED, 80.0, profile=profile), record(CLR_TABLE_2, 80.0 + gap, profile=profile)]

    told = findings.at_a_tenth(both(-1.0, "paper"), both(-5.0, "quick"))
    assert (
        told.startswith("It falls further behind: CLR less the fixed schedule, in points, is -5.0 (n = 1) at a tenth")
        and "-1.0 (n = 1) at the paper's size" in told
    )
    assert "2.8 times as many iterations" in told
    assert findings.at_a_tenth(both(-5.0, "paper"), both(-1.0, "quick")).startswith("It does not fall further behind")


def at(made: Record, iteration: int, accuracy: float) -> Record:
    """The same record with another accuracy (%) at an iteration."""
    curve = list(made.curves["test_accuracy"])
    curve[made.curves["iteration"].index(iteration)] = accuracy / 100
    return replace(made, curves={**made.curves, "test_accuracy": curve})


def test_the_gap_before_the_drops_is_measured_against_the_seeds() -> None:
    fall = at(record(DECAY_4000, 74.0), 16_000, 72.0)
    clr = [at(made, 16_000, there) for made, there in zip(seeds(CLR_TABLE_2, 78.0, 78.5), (75.0, 71.0), strict=True)]
    told = findings.before_the_drops([fall, *clr])
    assert (
        told.startswith("Falling alone less CLR, same seeds, in points: -3.0 (n = 1) before")
        and "-4.0 (n = 1) at the end" in told
    )
    assert "The 1.0 points between" in told
    assert told.endswith("CLR's 2 seeds lie 4.0 points apart there (0.5 at the end): such a difference may be chance.")
    assert findings.before_the_drops([fall, clr[0], at(clr[1], 16_000, 75.5)]).endswith("the difference is larger.")
    assert "With one seed of CLR" in findings.before_the_drops([fall, clr[0]])


def test_the_rate_that_nobody_tuned_stands_beside_the_winners(monkeypatch: pytest.MonkeyPatch) -> None:
    contest = next(contest for contest in CONTESTS if contest.name == "alexnet")
    contest = replace(contest, chosen_rate=0.005, chosen_bounds=(0.005, 0.02))
    monkeypatch.setattr(findings, "CONTESTS", (contest,))
    rows = {row.name: row for row in (*contest.best(), *IMAGENETTE)}
    ends = {"tuned-fixed-alexnet": 45.0, "tuned-clr-alexnet": 55.0, "alexnet-imagenette-fixed": 64.0}
    ends |= {"alexnet-imagenette-exp": 68.0, "alexnet-imagenette-exp-range": 70.0}
    told = findings.tuned([record(rows[name], end) for name, end in ends.items()])
    assert "ended at 45.0 % (n = 1) and CLR at 55.0 % (n = 1)" in told
    assert "ended at 64.0 % (n = 1), above both. The difference between the first two shows how badly" in told
    lower = {**ends, "alexnet-imagenette-fixed": 50.0}
    assert "not above both" in findings.tuned([record(rows[name], end) for name, end in lower.items()])


def test_snapshots_that_lose_are_explained() -> None:
    made = record(WARM_RESTARTS, 78.0)
    kept = {"ensemble_accuracy": [0.75, 0.76, 0.77], "average_accuracy": [0.75, 0.76, 0.765]}
    told = findings.snapshots([replace(made, curves={**made.curves, **kept})])
    assert told.startswith("warm-restarts, seed 0: -1.0 points for the ensemble") and "-1.5 for the weight" in told
    assert "the oldest at 75.0 % and the last at 78.0 %" in told
    kept["ensemble_accuracy"][-1] = 0.79
    assert "Both lose" not in findings.snapshots([replace(made, curves={**made.curves, **kept})])


def test_trainings_that_ended_at_chance_are_named() -> None:
    well, badly, worse = TABLE_3[0], TABLE_3[1], TABLE_3_CONSTANT[1]
    none = "0 of 1 trainings diverged or ended at chance (10 % with ten classes)."
    assert findings.at_chance([record(well, 70.0)]) == none
    records = [record(well, 70.0), *seeds(badly, 10.0, 70.0, 11.0, None), record(worse, 9.0), record(FIXED, 10.0)]
    told = findings.at_chance(records)
    lost = f"{badly.title}, seed 0: 10.0 %; {badly.title}, seed 2: 11.0 %; {badly.title}, seed 3: diverged"
    assert told.startswith("4 of 6 trainings diverged or ended at chance")
    assert told.endswith(f": {lost}; {worse.title}, seed 0: 9.0 %.")
    assert well.title not in told and FIXED.title not in told
    assert findings.at_chance([record(badly, 11.1)]) == none
