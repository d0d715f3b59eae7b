"""The notebooks as they lie in notebooks/: read, not executed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
PAGE = FOLDER.parent / "docs" / "bit_for_bit.md"
PATHS = sorted(FOLDER.glob("*.ipynb"))
NAMES = [path.stem for path in PATHS]
Book = dict[str, Any]


@pytest.fixture(params=PATHS, ids=NAMES)
def path(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture
def book(path: Path) -> Book:
    return dict(json.loads(path.read_text()))


def cells(book: Book, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in book["cells"] if cell["cell_type"] == kind]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def outputs(book: Book) -> list[dict[str, Any]]:
    return [output for cell in cells(book, "code") for output in cell["outputs"]]


def tags(cell: dict[str, Any]) -> list[str]:
    return list(cell["metadata"].get("tags", []))


def without_pictures(book: Book) -> str:
    """All text of a notebook; base64 can spell anything."""
    copy = json.loads(json.dumps(book))
    for output in outputs(copy):
        for kind in [kind for kind in output.get("data", {}) if kind.startswith("image/")]:
            del output["data"][kind]
    return json.dumps(copy, ensure_ascii=False)


def test_they_are_numbered() -> None:
    assert [name[:3] for name in NAMES] == [f"{number:02d}_" for number in range(15)]
    assert all(re.fullmatch(r"\d\d_[a-z0-9_]+", name) for name in NAMES)


def test_it_asks_answers_teaches_and_sets_an_exercise(path: Path, book: Book) -> None:
    """The answer stands in the first three cells, as text or as filled in from the records."""
    title = source(book["cells"][0]).splitlines()[0]
    assert re.fullmatch(rf"# {path.stem[:2]} [A-Z].*\?", title), title
    assert "**In short:**" in without_pictures({"cells": book["cells"][:4]})
    parts = []
    for cell in book["cells"]:
        shown = [output.get("data", {}).get("text/markdown", "") for output in cell.get("outputs", [])]
        parts += [source(cell)] if cell["cell_type"] == "markdown" else ["".join(part) for part in shown]
    text = "\n".join(parts)
    (learn,) = re.findall(r"\*\*You will learn:\*\*(.+?)\n\*\*(?:Before this|Takes):\*\*", text, re.DOTALL)
    assert len(learn.split("·")) == 3 and "**Takes:**" in text
    assert re.search(r"\*\*Try it:\*\*.+?<details><summary>Solution</summary>\n\n.+?</details>", text, re.DOTALL)


def test_it_draws_its_schedules_and_says_where_its_numbers_come_from(path: Path, book: Book) -> None:
    code = "\n".join(source(cell) for cell in cells(book, "code"))
    assert re.search(r"draw_policies\(|\.plot\(t, \w+\(t\)", code) or path.stem[:2] in ("00", "01")
    assert "notebook.provenance(" in code or "notebook.collect(" not in code


def test_it_is_stored_clean_whole_and_small(path: Path, book: Book) -> None:
    """Executed from top to bottom; no versions or timings that change from machine to machine, no widgets.

    What is folded in the book is folded in JupyterLab.
    """
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert book["metadata"] == {"kernelspec": kernel, "language_info": {"name": "python"}}
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    for cell in book["cells"]:
        assert cell["metadata"].keys() <= {"tags", "jupyter"}
        assert set(tags(cell)) <= {"parameters", "nbval-ignore-output", "hide-input"}
        folded = {"source_hidden": True} if "hide-input" in tags(cell) else None
        assert cell["metadata"].get("jupyter") == folded
    code = cells(book, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not [kind for output in outputs(book) for kind in output.get("data", {}) if "widget" in kind]
    assert path.stat().st_size < 1_000_000


def test_one_typed_and_commented_parameters_cell(book: Book) -> None:
    (cell,) = (cell for cell in book["cells"] if "parameters" in tags(cell))
    assert cell is cells(book, "code")[0]
    first, *rest = source(cell).splitlines()
    assert re.fullmatch(r'profile: str = "published"  # \S.+', first)
    collects = "collect(profile" in " ".join(map(source, cells(book, "code")))
    assert [line.split("  # ")[0] for line in rest] == ["train_missing: bool = True"] * collects


def test_the_cells_that_are_not_compared_are_as_many_as_the_page_says() -> None:
    every = [cell for path in PATHS for cell in cells(json.loads(path.read_text()), "code")]
    left_out = sum("nbval-ignore-output" in tags(cell) for cell in every)
    words = ("no", "one", "two", "three", "four", "five", "six", "seven")
    assert f"`nbval-ignore-output` ({words[left_out]}: " in PAGE.read_text()


def test_the_outputs_hold_no_error_no_warning_and_no_empty_table(book: Book) -> None:
    for output in outputs(book):
        table = "".join(output.get("data", {}).get("text/markdown", ""))
        assert not re.search(r"^\|(---\|)+$(?!\n\|)", table, re.MULTILINE), table
        assert output["output_type"] in ("display_data", "stream")
        assert output.get("name", "stdout") == "stdout", "".join(output.get("text", []))


def test_every_picture_has_an_alt_text(book: Book) -> None:
    pictures = 0
    for output in outputs(book):
        for kind in output.get("data", {}):
            if kind.startswith("image/"):
                pictures += 1
                assert len(output["metadata"][kind]["alt"].split()) >= 5
    assert pictures, "a notebook without a figure"


def test_code_cells_are_short_and_name_no_path_or_command_of_one_machine(book: Book) -> None:
    places = re.findall(r"/(?:root|home|work|tmp|Users|mnt|opt)/|sys\.path", without_pictures(book))
    assert not places
    for cell in cells(book, "code"):
        assert len(source(cell).splitlines()) <= 20, source(cell)
        assert not re.search(r"^\s*[!%]|\bpip install\b|\bos\.chdir\b", source(cell), re.MULTILINE), source(cell)


def test_a_lesson_shows_the_training_loop_in_a_narrow_cell(path: Path, book: Book) -> None:
    sources = [source(cell) for cell in cells(book, "code") if "hide-input" not in tags(cell)]
    (loop, *_) = [code for code in sources if "loss.backward()" in code]
    assert re.search(r"optimizer\.step\(\)", loop)
    assert re.search(r"schedule\.step\(\)|param_groups\[0\]\[\"lr\"\] = ", loop)
    assert [line for code in sources for line in code.splitlines() if len(line) > 80] == []


def test_every_link_leads_to_a_file(path: Path, book: Book) -> None:
    links = re.findall(r"[^\"]\]\(([^)\s]+)\)", without_pictures(book))  # not policies["exp"](t)
    assert links
    for link in links:
        assert link.startswith("https://") or (path.parent / link.split("#")[0]).is_file(), link


def test_it_leads_to_the_one_before_and_the_one_after(path: Path, book: Book) -> None:
    last, place = source(book["cells"][-1]).splitlines()[-1], PATHS.index(path)
    if place > 0:
        assert f"Before: [{NAMES[place - 1][:2]}]({NAMES[place - 1]}.ipynb)" in last
    if place + 1 < len(PATHS):
        assert re.search(rf"Next: \[{NAMES[place + 1][:2]} .+\]\({NAMES[place + 1]}\.ipynb\)", last)
    else:
        assert f"({NAMES[0]}.ipynb)" in last
