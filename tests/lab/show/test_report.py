"""The page that `make reproduce` leaves: whole, valid, escaped, and sufficient to itself."""

import base64
import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from records import record, seeds

from lab import claims, paths
from lab.experiments import CLR_TABLE_2, FIXED, RANGE_TEST
from lab.records.record import Record
from lab.show import figures, page, report, tables

VOID = {"meta", "img"}
PUBLISHED = [*seeds(FIXED, 81.0, 81.4), *seeds(CLR_TABLE_2, 81.5), *seeds(RANGE_TEST, 50.0)]
YOURS = seeds(FIXED, 70.0)


class Page(HTMLParser):
    """Tags and tables of a page. Raises AssertionError for tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert tag in VOID or self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & {*self.open}:
            self.rows[-1][-1] += data

    def all(self, tag: str, name: str) -> list[str]:
        """An attribute of all tags of a name that have it."""
        return [str(attrs[name]) for found, attrs in self.tags if found == tag and name in attrs]


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Published figures and one's own, as drawn for the profile "quick"."""
    made = {"published": tmp_path / "figures", "yours": tmp_path / "build" / "quick" / "figures"}
    monkeypatch.setattr(paths, "FIGURES", made["published"])
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    for whose, folder in made.items():
        folder.mkdir(parents=True)
        for name in figures.FIGURES:
            (folder / f"{name}.svg").write_text(f"<svg><!-- {name}, {whose} --></svg>")
            (folder / f"{name}.txt").write_text(f'"{name}" of {whose} | & [<others>].\n')
    return made


def written(published: list[Record] = PUBLISHED, yours: list[Record] = YOURS) -> tuple[str, Page]:
    text = report.write("quick", published, yours).read_text()
    return text, Page(text)


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    text, page = written()
    assert text.startswith("<!DOCTYPE html>\n<html lang=") and text.endswith("</html>\n")
    assert [tag for tag, _ in page.tags].count("h1") == 1
    assert not {"script", "link", "iframe", "object", "a"} & {tag for tag, _ in page.tags} and "url(" not in text
    assert "default-src 'none'" in text and "width=device-width" in text and "color-scheme: light dark" in text
    answers = [claims.sentence(claim, YOURS).split(": ")[0] for claim in report.ANSWERS]
    assert [text.index(f"<li>{answer}") for answer in answers] < [text.index("<h2>")], "first the answers"


def test_both_figures_stand_side_by_side_with_their_alt_texts(folders: dict[str, Path]) -> None:
    _, page = written()
    wanted = [
        (f'{name.replace("_", " ")}, {whose}. "{name}" of {whose} | & [<others>].', folder / f"{name}.svg")
        for name in figures.FIGURES
        for whose, folder in folders.items()
    ]
    assert sorted(page.all("img", "alt")) == sorted(alt for alt, _ in wanted)
    for alt, source in zip(page.all("img", "alt"), page.all("img", "src"), strict=True):
        start, _, content = source.partition(",")
        assert start == "data:image/svg+xml;base64" and base64.b64decode(content) == dict(wanted)[alt].read_bytes()
    assert page.rows.count([*folders]) == len(figures.FIGURES)


@pytest.mark.parametrize("yours", [YOURS, PUBLISHED, []], ids=["some rows", "all that is published", "none"])
def test_the_table_is_the_one_that_is_printed(yours: list[Record]) -> None:
    _, page = written(yours=yours)
    frame = tables.comparison(PUBLISHED, yours)
    found = [row for row in page.rows if len(row) == len(frame.columns) and row != [*frame]]
    assert sorted(found) == sorted([cell.replace("`", "") for cell in row] for row in frame.to_numpy().tolist())


def test_short_trainings_get_no_verdict() -> None:
    """A quick run near the paper's number has reproduced nothing."""
    _, page = written(yours=seeds(FIXED, 81.4, 81.4, profile="quick"))
    said = {row[-1] for row in page.rows if len(row) == 5}
    assert claims.OTHER_SIZE in said and not said & {*claims.VERDICTS}


def test_it_says_what_was_measured_on_what() -> None:
    mine = record(FIXED, label="CIFAR-10, JPEG copy", precision="bfloat16")
    commits = [{"commit": "b" * 40, "dirty": True}, {"commit": None, "dirty": None}]
    _, page = written(yours=[replace(mine, commits=commits), replace(mine, run=replace(mine.run, seed=1))])
    place = ["yours", "CIFAR-10, JPEG copy (1234567890ab…)", "paper", "abacus (cpu), threads: 1, kernels: torch"]
    commits_said = "bbbbbbbbbb with changes, none, aaaaaaaaaa"
    assert [*place, "bfloat16", "python 3.11, torch 2.15.0", commits_said, "2"] in page.rows
    assert "Nothing was measured." in written([], [])[0]


HOSTILE = "<script>alert(1)</script>\"'&`<b>`**<i>**</td>|[x](javascript:alert(2))![x](http://example.org/x.png)<http://example.org>"


def test_all_that_comes_from_records_is_escaped() -> None:
    made = record(FIXED, label=HOSTILE)
    bad = {"device": HOSTILE, "name": HOSTILE, "threads": HOSTILE, "kernels": HOSTILE}
    versions = {HOSTILE: HOSTILE, "torch": HOSTILE}
    made = replace(made, machine=bad, versions=versions, commits=[{"commit": HOSTILE, "dirty": 1}])
    text, page = written(yours=[made])
    assert not re.search(r"<(script|b|i)>|(href|src)=.(?!data:image)", text)
    (cells,) = [row for row in page.rows if len(row) == 8 and row[0] == "yours"]
    assert cells[1].startswith(HOSTILE) and cells[3].count(HOSTILE) == 4 and cells[5].count(HOSTILE) == 3
    assert cells[6].startswith(HOSTILE[:10])


@pytest.mark.parametrize("end", ["svg", "txt"])
def test_nothing_is_written_where_a_figure_is_missing(folders: dict[str, Path], end: str) -> None:
    before = report.write("quick", PUBLISHED, YOURS).read_bytes()
    (folders["yours"] / f"07_exponential.{end}").unlink()
    with pytest.raises(FileNotFoundError, match=f"07_exponential.{end}"):
        report.write("quick", PUBLISHED, [])
    built = folders["yours"].parent
    assert (built / "report.html").read_bytes() == before
    assert {path.name for path in built.iterdir()} == {"figures", "report.html"}


def test_a_title_is_escaped_and_no_other_picture_is_loaded() -> None:
    text = page.page("a < b", f"{page.image(b'<svg/>', 'a ] b')} ![no](data:text/html;base64,PHNjcmlwdD4=)")
    assert "<title>a &lt; b</title>" in text and "<h1>a &lt; b</h1>" in text and "data:text/html" not in text
    assert Page(text).all("img", "alt")[0] == "a ] b"
