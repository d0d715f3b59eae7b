"""The validation split chooses, and what it chose is read from a file that nobody types."""

import json
from pathlib import Path

import pytest
from records import record, seeds
from refusals import Lab

from clrlib.schedules import MultiStep
from lab import paths
from lab.cli import choose
from lab.cli.choose import best_rate
from lab.experiments import TUNE_FIXED, choices, named
from lab.experiments.controls import CHOICE, RATES, mean_of_first_stage, tuned
from lab.records import store
from lab.records.record import Record


def tuning(*accuracies: float | None, **settings: str) -> list[Record]:
    rows = zip(TUNE_FIXED, accuracies, strict=True)
    return [record(row, accuracy, 0, **settings) for row, accuracy in rows]  # type: ignore[arg-type]


@pytest.fixture
def file(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(choices, "FILE", lab.root / "results" / "choices.json")
    return choices.FILE


def test_the_rates_rise_by_the_root_of_two_from_0001_to_0006() -> None:
    assert pytest.approx([1e-3, 2**0.5 * 1e-3, 2e-3, 2**1.5 * 1e-3, 4e-3, 2**2.5 * 1e-3], abs=5e-7) == RATES
    assert [row.policy for row in TUNE_FIXED] == [MultiStep(lr, (16_000, 22_000)) for lr in RATES]
    assert {(row.iterations, row.run("paper", 0, "cifar10", "float32").test_on) for row in TUNE_FIXED} == {
        (25_000, "validation")
    }


def test_the_mean_of_table_2_before_its_drops() -> None:
    assert mean_of_first_stage() == 0.0019375


def test_the_best_is_chosen_of_equals_the_smallest() -> None:
    assert best_rate(tuning(70.0, 71.0, 73.0, 73.0, None, 60.0))[0] == RATES[2]
    rate, names = best_rate([*tuning(70.0, 71.0, 73.0, 75.0, 74.0, 60.0), *seeds(TUNE_FIXED[0], 99.0)[1:]])
    assert rate == RATES[3] and names == [row.run("paper", 0, "cifar10", "float32").name for row in TUNE_FIXED]


def test_nothing_is_chosen_from_some_of_them() -> None:
    with pytest.raises(
        ValueError, match=r"^5 of 6 tuning records are there; call `make publish ROWS=tune-fixed-0.001`"
    ):
        best_rate(tuning(70.0, 71.0, 73.0, 73.0, 74.0, 60.0)[1:])
    with pytest.raises(ValueError, match=r"^0 of 6 tuning records are there"):
        best_rate(tuning(*6 * [70.0], data="digits", label="scikit-learn digits"))
    with pytest.raises(ValueError, match="all tuning trainings diverged"):
        best_rate(tuning(*6 * [None]))
    with pytest.raises(ValueError, match="the tuning records are there 2 times; keep those of one device"):
        best_rate([*tuning(*6 * [70.0]), *tuning(*6 * [70.0], device="cuda")])


def test_the_choice_is_written_beside_the_others(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert choices.rate(CHOICE) is None and not tuned(choices.rate(CHOICE))
    file.write_text('{"another": {"value": [1, 2], "from": ["a"]}}')
    for place, some in (
        ("published", tuning(*6 * [70.0])[:3]),
        ("paper", tuning(69.0, 70.0, 71.0, 72.0, 73.0, 70.0)[3:]),
    ):
        paths.records(place).mkdir(parents=True, exist_ok=True)
        for one in some:
            store.save(one, paths.records(place))
    choose.choose()
    written = json.loads(file.read_text())
    assert written["another"] == {"value": [1, 2], "from": ["a"]}
    assert written[CHOICE]["value"] == choices.rate(CHOICE) == 0.004 and len(written[CHOICE]["from"]) == 6
    assert "is 0.004" in capsys.readouterr().out
    short, long = tuned(choices.rate(CHOICE))
    assert (short.policy, long.policy) == (MultiStep(0.004, (16_000, 22_000)), MultiStep(0.004, (60_000, 65_000)))


@pytest.mark.parametrize(
    "content",
    ["{", "[1]", '{"control-tuned": 0.004}', '{"control-tuned": {"value": 0.004, "from": []}}', '{"a": {"value": 1}}'],
)
def test_what_is_no_file_of_choices_is_refused(file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(ValueError, match="delete it and call `make choose`"):
        choices.read()


@pytest.mark.parametrize("value", ["high", 4, 1.5, -0.1, None])
def test_what_is_no_rate_is_refused(file: Path, value: object) -> None:
    file.write_text(json.dumps({CHOICE: {"value": value, "from": ["a"]}}))
    with pytest.raises(ValueError, match="no learning rate; delete it and call `make choose`"):
        choices.rate(CHOICE)


def test_a_row_without_its_rate_says_what_chooses_it() -> None:
    if choices.rate(CHOICE) is None:
        with pytest.raises(ValueError, match=r"row 'control-tuned-25000' has no rate yet; .* call `make choose`"):
            named(["fixed", "control-tuned-25000"])
    else:
        assert named(["control-tuned-25000"])[0].policy == tuned(choices.rate(CHOICE))[0].policy


def test_the_published_choice_is_that_of_the_published_records() -> None:
    """Where it was made."""
    chosen = choices.read().get(CHOICE)
    if chosen is not None:
        assert (chosen["value"], chosen["from"]) == best_rate(store.load_all(paths.records("published")))
