"""The page that `make reproduce` leaves: whole, valid, escaped, and sufficient to itself."""

import re
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from records import record, seeds

from lab import paths
from lab.experiments import CLR_TABLE_2, FIXED, RANGE_TEST
from lab.records.record import Record
from lab.show import figures, report, tables

VOID = {"meta", "img"}
PUBLISHED = [*seeds(FIXED, 81.0, 81.4), *seeds(CLR_TABLE_2, 81.5), *seeds(RANGE_TEST, 50.0)]
YOURS = seeds(FIXED, 70.0)


class Page(HTMLParser):
    """What a page holds. Raises AssertionError for tags that are not closed in order."""

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
        assert len(dict(attrs)) == len(attrs), "an attribute once"
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "tr" in self.open:
            self.rows[-1][-1] += data

    def all(self, tag: str, name: str) -> list[str | None]:
        """An attribute of all tags of a name that have it."""
        return [attrs[name] for found, attrs in self.tags if found == tag and name in attrs]


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Published figures and one's own, as drawn for the profile "quick"."""
    made = {"published": tmp_path / "figures", "yours": tmp_path / "build" / "quick" / "figures"}
    monkeypatch.setattr(paths, "FIGURES", made["published"])
    monkeypatch.setattr(paths, "BUILD", tmp_path / "build")
    for whose, folder in made.items():
        folder.mkdir(parents=True)
        for name in figures.FIGURES:
            (folder / f"{name}.svg").write_text(f"<svg><!-- {name}, {whose} --></svg>")
            (folder / f"{name}.txt").write_text(f'"{name}" of {whose} & <others>.\n')
    return made


def written(published: list[Record] = PUBLISHED, yours: list[Record] = YOURS) -> tuple[str, Page]:
    text = report.write("quick", published, yours).read_text()
    return text, Page(text)


@pytest.mark.usefixtures("folders")
def test_the_page_is_whole_and_needs_nothing_else() -> None:
    text, page = written()
    assert text.startswith("<!DOCTYPE html>\n<html lang=") and text.endswith("</html>\n")
    assert [tag for tag, _ in page.tags].count("h1") == 1
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = page.all("a", "href")
    assert links and {f"#{name}" for name in ids} >= set(links)
    assert all(str(source).startswith("data:image/svg+xml;base64,") for source in page.all("img", "src"))
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags} and "url(" not in text
    assert "default-src 'none'" in text and "width=device-width" in text and "color-scheme: light dark" in text


def test_both_figures_stand_side_by_side_with_their_alt_texts(folders: dict[str, Path]) -> None:
    text, page = written()
    alts = page.all("img", "alt")
    assert len(alts) == len(page.all("img", "src")) == 2 * len(figures.FIGURES)
    for k, name in enumerate(figures.FIGURES):
        for alt, (whose, folder) in zip(alts[2 * k : 2 * k + 2], folders.items(), strict=True):
            assert alt == f'{name.replace("_", " ")}, {whose}. "{name}" of {whose} & <others>.'
            assert report._image(folder, name)["svg"] in text
    assert {row for row in page.all("a", "href") if row not in ("#table", "#figures", "#sources")} <= {
        f"#{name}" for name in figures.FIGURES
    }


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize("yours", [YOURS, PUBLISHED, []], ids=["some rows", "all that is published", "none"])
def test_the_table_is_the_one_that_is_printed(yours: list[Record]) -> None:
    _, page = written(yours=yours)
    printed = [line.strip("| ").split(" | ") for line in tables.comparison_table(PUBLISHED, yours).splitlines()]
    wanted = [[cell.replace("`", "") for cell in cells] for cells in (printed[0], *printed[2:])]
    assert [row for row in page.rows if len(row) == len(tables.COMPARED)] == wanted
    assert (["nothing was measured"] in page.rows) == (not yours)


@pytest.mark.usefixtures("folders")
def test_short_trainings_count_as_no_verdict() -> None:
    """A quick run near the paper's number has reproduced nothing."""
    text, _ = written(yours=seeds(FIXED, 81.4, profile="quick"))
    assert re.search(r"\d without a verdict \(not the paper&#39;s size or data\)", text) and not re.search(
        r"\d reproduced", text
    )


@pytest.mark.usefixtures("folders")
def test_what_it_was_measured_on_is_told() -> None:
    mine = record(FIXED, label="CIFAR-10, JPEG copy", precision="bfloat16")
    commits = [{"commit": "b" * 40, "dirty": True}, {"commit": None, "dirty": None}]
    _, page = written(yours=[replace(mine, commits=commits), replace(mine, run=replace(mine.run, seed=1))])
    label, profile = "CIFAR-10, JPEG copy (1234567890ab…)", "paper"
    machine, versions = "abacus (cpu), threads: 1, kernels: torch", "python 3.11, torch 2.15.0"
    told = "bbbbbbbbbb with changes, none, aaaaaaaaaa"
    assert [label, profile, machine, "bfloat16", versions, told, "2"] in page.rows


HOSTILE = "<script>alert(1)</script>\"'&`<b>`**<i>**</td>"


@pytest.mark.usefixtures("folders")
def test_all_that_comes_from_records_is_escaped() -> None:
    made = record(FIXED, label=HOSTILE)
    bad = {"device": HOSTILE, "name": HOSTILE, "threads": HOSTILE, "kernels": HOSTILE}
    made = replace(
        made, machine=bad, versions={HOSTILE: HOSTILE, "torch": HOSTILE}, commits=[{"commit": HOSTILE, "dirty": 1}]
    )
    text, page = written(yours=[made])
    assert not re.search(r"<(script|b|i)>", text)
    assert [tag for tag, _ in page.tags].count("table") == 2
    (cells,) = [row for row in page.rows if row[0].startswith(HOSTILE)]
    assert cells[2].count(HOSTILE) == 4 and cells[4].count(HOSTILE) == 3 and cells[5].startswith(HOSTILE[:10])


@pytest.mark.parametrize("end", ["svg", "txt"])
def test_nothing_is_written_where_a_figure_is_missing(folders: dict[str, Path], end: str) -> None:
    before = report.write("quick", PUBLISHED, YOURS).read_bytes()
    (folders["yours"] / f"05_exponential.{end}").unlink()
    with pytest.raises(FileNotFoundError, match=f"05_exponential.{end}"):
        report.write("quick", PUBLISHED, [])
    built = folders["yours"].parent
    assert (built / "report.html").read_bytes() == before
    assert {path.name for path in built.iterdir()} == {"figures", "report.html"}
