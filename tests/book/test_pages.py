"""The pages of the book that are made from something say what that says; the menu holds every page once."""

import importlib.util
import json
import re
from html import unescape
from types import ModuleType
from typing import Any

import pytest

from lab import experiments, paths
from lab.claims import Summary
from lab.experiments import Experiment
from lab.experiments.controls import FIXED_25000, MEAN_25000
from lab.records import store
from lab.records.record import Record

BOOK, DOCS = paths.ROOT / "book", paths.ROOT / "docs"


@pytest.fixture(scope="module")
def parts() -> ModuleType:
    """book/parts.py, which Sphinx's configuration imports from its own folder."""
    spec = importlib.util.spec_from_file_location("parts", BOOK / "parts.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def published() -> list[Record]:
    return store.load_all(paths.records("published"))


def by_seed(published: list[Record], row: Experiment) -> dict[int, Record]:
    return {r.run.seed: r for r in published if r.run.experiment == row.name}


def test_the_replay_is_the_record(parts: ModuleType, published: list[Record]) -> None:
    page = parts.replay()
    data: dict[str, Any] = json.loads(re.findall(r'<script type="application/json">(.*?)</script>', page)[0])
    record = by_seed(published, experiments.CLR_TABLE_2)[0]
    assert {name: data[name] for name in ("iteration", "lr", "test_accuracy")} == {
        name: record.curves[name] for name in ("iteration", "lr", "test_accuracy")
    }
    assert len(data["iteration"]) == 250, "evaluated each 100 iterations"
    assert f"{record.run.name}.json" in page and f"{100 * record.accuracy:.1f} %" in page


def test_every_part_has_its_place_and_an_unknown_one_is_refused(parts: ModuleType) -> None:
    pages = [*BOOK.glob("*.md"), *DOCS.glob("*.md")]
    named = [name for page in pages for name in parts.MARK.findall(page.read_text())]
    assert sorted(named) == sorted(parts.PARTS)
    with pytest.raises(ValueError, match="there is no part 'clock'; the book has schedules, found, "):
        parts.with_parts("<!-- book: clock -->")


def test_what_the_page_of_schedules_says_of_clr_is_what_the_records_say(published: list[Record]) -> None:
    """Ahead after as many iterations, behind at the fixed schedule's end, in every seed."""
    page = (DOCS / "which_schedule.md").read_text()
    assert "it is ahead of the fixed schedule" in page and "CLR stays below it in every seed" in page
    clr, fixed = (by_seed(published, row) for row in (experiments.CLR_TABLE_2, experiments.FIXED))
    assert [*clr] == [*fixed] and len(clr) > 5
    for seed, record in clr.items():
        assert fixed[seed].accuracy_at(record.run.iterations) < record.accuracy < fixed[seed].accuracy


def test_what_the_page_of_schedules_says_of_the_cycles_is_what_the_controls_say(published: list[Record]) -> None:
    page = (DOCS / "which_schedule.md").read_text()
    assert "holds zero" in page and "A fixed 0.001 with the same drops stays below CLR in every seed" in page
    rows = experiments.CLR_TABLE_2, MEAN_25000, FIXED_25000
    clr, mean_rate, lowest = (by_seed(published, row) for row in rows)
    assert [*clr] == [*mean_rate] == [*lowest] and len(clr) > 5
    low, high = Summary(tuple(clr[seed].accuracy - mean_rate[seed].accuracy for seed in clr)).interval or (1, 1)
    assert low < 0 < high
    assert all(lowest[seed].accuracy < record.accuracy for seed, record in clr.items())


def test_the_equal_length_comparison_names_both_and_when_the_fixed_one_catches_up(
    parts: ModuleType, published: list[Record]
) -> None:
    text = parts.equal()
    clr, fixed = (by_seed(published, row) for row in (experiments.CLR_TABLE_2, experiments.FIXED))
    end = experiments.CLR_TABLE_2.iterations
    means = [100 * sum(r.accuracy_at(end) for r in of.values()) / len(of) for of in (clr, fixed)]
    assert re.findall(r"(\d\d\.\d) ±", text) == [f"{mean:.1f}" for mean in means]
    (caught,) = re.findall(r"last accuracy after ([\d,]+) iterations", text)
    at = int(caught.replace(",", ""))
    there = [100 * sum(r.accuracy_at(t) for r in fixed.values()) / len(fixed) for t in (at - 500, at)]
    assert there[0] < means[0] <= there[1]


def test_the_claims_are_the_rows_of_their_table(
    parts: ModuleType, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "claims.csv"
    table.write_text('claim,notebook,ours\n"a < b, or not",05,81.9\n"c",-,\n')
    monkeypatch.setattr(parts, "CLAIMS", table)
    cells = re.findall(r"<t[hd].*?>(.*?)</t[hd]>", parts.claims())
    assert [unescape(re.sub("<[^>]+>", "", cell)) for cell in cells] == [
        *("claim", "notebook", "ours"),
        *("a < b, or not", "05", "81.9"),
        *("c", "-", ""),
    ]
    assert '<a href="../notebooks/05_fixed_vs_cyclical.html">05</a>' in cells


def test_without_its_table_the_page_of_claims_says_what_to_do(
    parts: ModuleType, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "CLAIMS", tmp_path / "claims.csv")
    with pytest.raises(ValueError, match=r"claims.csv is not there; make figures writes it"):
        parts.claims()


def test_the_index_names_each_page_once_in_a_table_of_its_chapter() -> None:
    rows = re.findall(r"^\| \[[^]]+\]\((\w+)\.md\)", (DOCS / "README.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(page.stem for page in DOCS.glob("*.md") if page.stem != "README")


def test_bibtex_says_what_citation_cff_says() -> None:
    page, cff = (DOCS / "citing.md").read_text(), (paths.ROOT / "CITATION.cff").read_text()
    titles = re.findall(r'title: "(.+)"', cff)
    years, version, arxiv = re.findall(r"year: (\d+)", cff), re.findall(r"^version: (.+)", cff, re.M), "1506.01186"
    for text in (titles[0], titles[1], titles[2], *years, *version, arxiv):
        assert f"{{{text}}}" in page, text
    assert f'"arXiv:{arxiv}"' in cff
