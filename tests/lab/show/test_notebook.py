"""The opening of a notebook, on records made up for the purpose."""

from pathlib import Path

import pandas as pd
import pytest
from records import all_rows, record, seeds

from lab import paths
from lab.claims import CLAIMS
from lab.experiments import DECAY_4000, EXP, FIXED, HANN
from lab.records import store
from lab.records.record import Record
from lab.show import notebook


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All that a notebook says, with folders of its own for published records."""
    found: list[str] = []
    monkeypatch.setattr(notebook, "say", found.append)
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    return found


def published(*records: Record, profile: str = "published") -> None:
    for made in records:
        store.save(made, paths.records(profile))


def test_published_records_are_those_of_the_rows_and_nothing_trains(said: list[str]) -> None:
    published(*seeds(FIXED, 80.0, 81.0), record(EXP))
    published(record(FIXED, profile="quick"), profile="published quick")
    assert [(r.run.experiment, r.run.seed) for r in notebook.collect("published", FIXED)] == [
        ("fixed", 0),
        ("fixed", 1),
    ]
    assert notebook.collect("published", DECAY_4000) == []
    with pytest.raises(ValueError, match="profile is 'huge'; give one of published, smoke, quick, laptop, paper"):
        notebook.collect("huge", FIXED)


def test_other_profiles_train_what_is_missing_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "BUILD", tmp_path)
    monkeypatch.setenv("CLRLIB_DEVICE", "cpu")
    assert notebook.collect("smoke", HANN, train_missing=False) == []
    (trained,) = notebook.collect("smoke", HANN)
    assert (trained.run.experiment, trained.run.profile, trained.run.data) == ("hann", "smoke", "digits")
    assert trained.curves["iteration"][-1] == trained.run.iterations
    monkeypatch.setattr(store, "train", None)  # whoever called it would fail
    assert notebook.collect("smoke", HANN) == [trained]


def test_short_trainings_stand_in_only_where_there_is_nothing_and_say_so(said: list[str]) -> None:
    short = record(EXP, profile="quick")
    published(short, record(FIXED, profile="quick"), profile="published quick")
    whole = [record(FIXED), record(DECAY_4000)]
    assert notebook.or_short(whole, FIXED, EXP) == [whole[0]] and not said
    assert notebook.or_short(whole, EXP) == [short]
    assert len(said) == 1 and "profile `quick`" in said[0]


def test_a_long_table_of_claims_is_folded_and_what_was_not_run_stands_below(said: list[str]) -> None:
    notebook.claims(all_rows(80.0, 81.0))
    (whole,) = said
    assert whole.startswith("<details><summary>Every claim, one by one</summary>") and whole.endswith("</details>")
    assert whole.count(chr(10)) - 5 == len(CLAIMS) + 1
    notebook.claims(seeds(FIXED, 80.0), only="05")
    some, missing = said[1:]
    assert some.startswith("| claim |") and "not run" not in some
    assert missing.startswith("<details><summary>Not run yet</summary>") and "(05_fixed_vs_cyclical.ipynb)" in missing
    notebook.claims([record(FIXED, profile="quick")], only="05")
    assert len(said) == 4, "the short runs are not published one by one"


def test_many_records_are_folded(said: list[str]) -> None:
    for count, folded in ((12, False), (13, True)):
        notebook.provenance(seeds(FIXED, *[80.0] * count))
        assert said[-2].startswith("<details>") == folded
        assert said[-2].count("fixed-multistep-seed") == count


def test_no_records_are_said_and_leave_no_empty_table(said: list[str]) -> None:
    notebook.provenance([])
    assert said == ["Nothing was trained yet, so there is no record."]


def test_a_record_stands_once_and_the_time_of_all_is_added_up(said: list[str]) -> None:
    records = seeds(FIXED, 80.0, 81.0)
    notebook.provenance([*records, records[0]])
    table, time = said
    assert table.count("fixed-multistep-seed") == 2
    assert time.startswith("They trained for 2 min in all")


def test_the_sentence_on_short_trainings_may_come_after_another(said: list[str]) -> None:
    published(record(EXP, profile="quick"), profile="published quick")
    shown = notebook.or_short([], EXP, say_so=False)
    assert shown and not said
    notebook.say_if_short(shown, shown)
    assert not said
    notebook.say_if_short(shown, [])
    assert "profile `quick`" in said[0]


def test_a_frame_is_a_table(said: list[str]) -> None:
    notebook.table(pd.DataFrame({"a": [1], "b": ["x"]}))
    assert said == ["| a | b |\n|---|---|\n| 1 | x |"]


def test_a_solution_is_folded(said: list[str]) -> None:
    notebook.solution("42.")
    assert said == ["<details><summary>Solution</summary>\n\n42.\n\n</details>"]
