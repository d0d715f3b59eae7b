"""The validation split chooses, and what it chose is read from a file that nobody types."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from records import record, seeds
from refusals import Lab

from clrlib import MultiStep
from lab import paths
from lab.claims import bounds_of_loss
from lab.cli import choose
from lab.cli.choose import best_rate
from lab.experiments import CONTESTS, SIGMOID_RANGE_TEST, TUNE_FIXED, choices, named
from lab.experiments.beyond import RATES as EQUAL_RATES
from lab.experiments.beyond import tuning as equal_tuning
from lab.experiments.controls import CHOICE, RATES, tuned
from lab.records import store
from lab.records.record import Record


def tuning(*accuracies: float | None, **settings: str) -> list[Record]:
    return [record(row, end, 0, **settings) for row, end in zip(TUNE_FIXED, accuracies, strict=True)]  # type: ignore[arg-type]


def put(place: str, *records: Record) -> None:
    paths.records(place).mkdir(parents=True, exist_ok=True)
    for one in records:
        store.save(one, paths.records(place))


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


def test_the_best_is_chosen_of_equals_the_smallest() -> None:
    assert best_rate(tuning(70.0, 71.0, 73.0, 73.0, None, 60.0))[0] == RATES[2]
    rate, names = best_rate([*tuning(70.0, 71.0, 73.0, 75.0, 74.0, 60.0), *seeds(TUNE_FIXED[0], 99.0)[1:]])
    assert rate == RATES[3] and names == [row.run("paper", 0, "cifar10", "float32").name for row in TUNE_FIXED]


@pytest.mark.parametrize(
    ("records", "says"),
    [
        (tuning(*6 * [70.0])[1:], r"^5 of 6 tuning records are there; call `make publish ROWS=tune-fixed-0.001`"),
        (tuning(*6 * [70.0], data="digits", label="scikit-learn digits"), r"^0 of 6 tuning records are there"),
        (tuning(*6 * [None]), "all tuning trainings diverged"),
        (
            [*tuning(*6 * [70.0]), *tuning(*6 * [70.0], device="cuda")],
            "the tuning records are there 2 times; keep those of one device",
        ),
    ],
)
def test_nothing_is_chosen_from_some_of_them(records: list[Record], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        best_rate(records)


def test_the_choice_is_written_beside_the_others(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert choices.rate(CHOICE) is None and not tuned(choices.rate(CHOICE))
    file.write_text('{"another": {"value": [1, 2], "from": ["a"]}}')
    put("published", *tuning(*6 * [70.0])[:3])
    put("paper", *tuning(69.0, 70.0, 71.0, 72.0, 73.0, 70.0)[3:])
    choose.choose()
    written = json.loads(file.read_text())
    assert written["another"] == {"value": [1, 2], "from": ["a"]}
    assert written[CHOICE]["value"] == choices.rate(CHOICE) == 0.004 and len(written[CHOICE]["from"]) == 6
    made, *others = capsys.readouterr().out.splitlines()
    assert made == f"{CHOICE} is 0.004; choices.json says so"
    assert others[0].startswith("equal-cosine is not chosen: 0 of 3 tuning records are there; call `make publish ROWS=")
    short, long = tuned(choices.rate(CHOICE))
    assert (short.policy, long.policy) == (MultiStep(0.004, (16_000, 22_000)), MultiStep(0.004, (60_000, 65_000)))


def test_every_choice_is_made_from_its_records(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The best of three for a schedule, bounds off a range test's loss or accuracy, and then the best of each side."""
    for schedule, ends in (("cosine", (60.0, 70.0, 65.0)), ("wsd", (60.0, None, 65.0))):
        put("paper", *(record(equal_tuning(schedule, lr), end) for lr, end in zip(EQUAL_RATES, ends, strict=True)))
    put("published", record(SIGMOID_RANGE_TEST))
    alexnet = next(contest for contest in CONTESTS if contest.name == "alexnet")
    (test,) = named(["alexnet-imagenette-range-test"])
    put("published laptop", record(test, profile="laptop", test_on="validation"))
    for row, end in zip(alexnet.tuning()[:3], (50.0, 60.0, 55.0), strict=True):
        put("laptop", record(row, end, profile="laptop"))
    choose.choose()
    assert choices.rate("equal-cosine") == EQUAL_RATES[1] and choices.rate("equal-wsd") == EQUAL_RATES[2]
    assert choices.rate("tuned-fixed-alexnet") == alexnet.rates[1] and choices.rate("tuned-fixed-resnet") is None
    for name in ("sigmoid-bounds", "alexnet-bounds"):
        low, high = choices.bounds(name) or (0.0, 0.0)
        assert 0 < low < high, name
    assert "sigmoid-bounds" in file.read_text() and "equal-linear is not chosen: 0 of 3" in capsys.readouterr().out


def test_where_nothing_can_be_chosen_nothing_is_written(file: Path) -> None:
    with pytest.raises(ValueError, match="0 of 6 tuning records are there"):
        choose.choose()
    assert not file.exists()


def test_bounds_of_the_loss_end_where_its_fall_is_done() -> None:
    curves = {"lr": [0.01, 0.02, 0.03, 0.04, 0.05], "train_loss": [2.0, 1.5, 1.04, 1.0, 1.3]}
    test = replace(record(SIGMOID_RANGE_TEST), curves=curves)
    assert bounds_of_loss(test) == (0.01, 0.03)
    assert bounds_of_loss(test, share=1.0) == (0.01, 0.04)
    with pytest.raises(ValueError, match="does not fall"):
        bounds_of_loss(replace(test, curves={**curves, "train_loss": [1.0, 1.5, 2.0, 2.0, 2.0]}))


CHOSEN = '{"a": {"value": %s, "from": ["a"]}}'


@pytest.mark.parametrize(
    ("content", "read", "says"),
    [
        *((text, choices.read, "") for text in ("{", "[1]", '{"a": 0.004}', '{"a": {"value": 1}}')),
        ('{"a": {"value": 0.004, "from": []}}', choices.read, ""),
        *((CHOSEN % value, lambda: choices.rate("a"), "no learning rate") for value in ('"b"', 4, 10.5, -0.1, "null")),
        *(
            (CHOSEN % value, lambda: choices.bounds("a"), "no bounds")
            for value in (0.1, [0.1], [0.2, 0.1], '[0.1, "b"]', "null")
        ),
    ],
)
def test_a_choice_that_cannot_be_is_refused(content: str, read: Callable[[], object], says: str, file: Path) -> None:
    file.write_text(content)
    with pytest.raises(ValueError, match=f"{says}.*delete it and call `make choose`"):
        read()


def test_a_row_without_its_rate_says_what_chooses_it() -> None:
    if choices.rate(CHOICE) is None:
        with pytest.raises(ValueError, match=r"row 'control-tuned-25000' has no rate yet; .* call `make choose`"):
            named(["fixed", "control-tuned-25000"])
    else:
        assert named(["control-tuned-25000"])[0].policy == tuned(choices.rate(CHOICE))[0].policy


def test_the_published_choice_is_that_of_the_published_records() -> None:
    chosen = choices.read().get(CHOICE)
    if chosen is not None:
        assert (chosen["value"], chosen["from"]) == best_rate(store.load_all(paths.records("published")))
