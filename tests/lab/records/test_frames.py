"""All records as tables, in the plain lines that notebooks use."""

import pandas as pd
import pytest
import seaborn as sns
from records import record, seeds

from lab import paths, records
from lab.experiments import CLR_TABLE_2, FIXED
from lab.records import store
from lab.records.record import Record


@pytest.fixture
def few() -> list[Record]:
    return [*seeds(FIXED, 80.0, 82.0), *seeds(CLR_TABLE_2, 81.0, None)]


def test_one_row_for_each_record_is_grouped_in_one_line(few: list[Record]) -> None:
    by_row = records.frame(few).groupby("experiment").accuracy.agg(["mean", "std", "count"])
    assert by_row.loc["fixed"].tolist() == pytest.approx([81, 2**0.5, 2])
    assert by_row.loc["clr-table2"][["mean", "count"]].tolist() == [81, 1], "a run that diverged does not count"


def test_a_row_holds_numbers_and_words_alone(few: list[Record]) -> None:
    table = records.frame(few)
    assert [*table.diverged_at.isna()] == [True, True, True, False]
    assert table.iloc[-1].diverged_at == few[-1].diverged_at
    assert {kind.kind for kind in table.dtypes} <= set("ifO")
    assert all(pd.api.types.is_scalar(value) for value in table.to_numpy().ravel())
    first = table.iloc[0]
    assert (first["name"], first.experiment, first.policy, first.seed) == (few[0].run.name, "fixed", "MultiStep", 0)
    assert (first.profile, first.data, first.data_label, first.net) == ("paper", "cifar10", "CIFAR-10", few[0].run.net)
    assert (first.precision, first.order, first.iterations, first.accuracy) == ("float32", "file", 70_000, 80)
    assert (first.seconds, first.memory, first.device, first.commit) == (60, 2**28, "cpu", "a" * 40)


def test_one_row_for_each_evaluation_is_drawn_in_one_line(few: list[Record]) -> None:
    table = records.curves(few)
    assert len(table) == sum(len(one.curves["iteration"]) for one in few)
    ends = table.groupby("name").last()
    assert ends.accuracy[few[0].run.name] == 80 and ends.seed[few[1].run.name] == 1
    for name in ("iteration", "lr", "test_accuracy", "test_loss", "train_loss"):
        assert table[table["name"] == few[3].run.name][name].tolist() == few[3].curves[name]
    coarse = table[table.iteration % 10_000 == 0]  # the intervals of all would take seconds
    axes = sns.lineplot(coarse, x="iteration", y="accuracy", hue="experiment")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["fixed", "clr-table2"]
    x, y = axes.lines[0].get_data()
    assert (x[-1], y[-1]) == (70_000, 81), "the mean of the seeds"


def test_records_are_the_published_ones_unless_others_are_given() -> None:
    published = store.load_all(paths.records("published"))
    assert records.frame()["name"].tolist() == [one.run.name for one in published]
    assert set(records.curves()["name"]) == {one.run.name for one in published}


def test_unknown_values_are_missing_and_no_records_are_no_rows() -> None:
    one = record(FIXED)
    for table in (records.frame, records.curves):
        assert len(table([])) == 0 and [*table([]).columns] == [*table([one]).columns]
    one.peak_memory["process"] = None
    one.commits.clear()
    row = records.frame([one]).iloc[0]
    assert row.memory is pd.NA and pd.isna(row.commit)
