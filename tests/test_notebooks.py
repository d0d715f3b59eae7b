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
    assert [name[:3] for name in NAMES] == [f"{number:02d}_" for number in range(14)]
    assert all(re.fullmatch(r"\d\d_[a-z0-9_]+", name) for name in NAMES)


def test_the_title_is_a_numbered_question(path: Path, book: Book) -> None:
    title = source(book["cells"][0]).splitlines()[0]
    assert re.fullmatch(rf"# {path.stem[:2]} [A-Z].*\?", title), title


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


def test_the_kernel_is_python3(book: Book) -> None:
    assert book["metadata"]["kernelspec"] == {"display_name": "Python 3", "language": "python", "name": "python3"}
    assert book["metadata"].keys() == {"kernelspec", "language_info"}, "no widgets, no papermill"
    assert book["metadata"]["language_info"] == {"name": "python"}, "no versions that change from machine to machine"


def test_nothing_is_left_of_how_it_was_executed(book: Book) -> None:
    for cell in book["cells"]:
        assert cell["metadata"].keys() <= {"tags"}
        assert set(tags(cell)) <= {"parameters", "nbval-ignore-output"}


def test_executed_from_top_to_bottom(book: Book) -> None:
    code = cells(book, "code")
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))


def test_no_errors_and_no_warnings_among_the_outputs(book: Book) -> None:
    for output in outputs(book):
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


def test_no_widget_is_stored_that_would_ask_for_its_kernel(book: Book) -> None:
    assert not [kind for output in outputs(book) for kind in output.get("data", {}) if "widget" in kind]


def test_cell_ids_are_there_once_each(book: Book) -> None:
    ids = [cell["id"] for cell in book["cells"]]
    assert len(set(ids)) == len(ids)
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)


def test_no_path_or_command_of_one_machine(book: Book) -> None:
    found = re.findall(r"/(?:root|home|work|tmp|Users|mnt|opt)/|sys\.path", without_pictures(book))
    assert not found
    for cell in cells(book, "code"):
        assert not re.search(r"^\s*[!%]|\bpip install\b|\bos\.chdir\b", source(cell), re.MULTILINE), source(cell)


def test_small_enough_to_read_on_the_web(path: Path) -> None:
    assert path.stat().st_size < 1_000_000


def test_code_cells_are_short(book: Book) -> None:
    for cell in cells(book, "code"):
        assert len(source(cell).splitlines()) <= 20, source(cell)


def test_every_link_leads_to_a_file(path: Path, book: Book) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", "\n".join(source(cell) for cell in cells(book, "markdown")))
    tables = re.findall(r"\]\(([^)\s]+)\)", without_pictures({"cells": cells(book, "code")}))
    for link in [*links, *tables]:
        assert link.startswith("https://") or (path.parent / link.split("#")[0]).is_file(), link
    assert links


def test_it_leads_to_the_one_before_and_the_one_after(path: Path, book: Book) -> None:
    last, place = source(book["cells"][-1]).splitlines()[-1], PATHS.index(path)
    if place > 0:
        assert f"Before: [{NAMES[place - 1][:2]}]({NAMES[place - 1]}.ipynb)" in last
    if place + 1 < len(PATHS):
        assert re.search(rf"Next: \[{NAMES[place + 1][:2]} .+\]\({NAMES[place + 1]}\.ipynb\)", last)
    else:
        assert f"({NAMES[0]}.ipynb)" in last


def test_the_answer_comes_first(book: Book) -> None:
    """ "In short" stands in the first three cells, as text or as what code filled in from the records."""
    assert "**In short:**" in without_pictures({"cells": book["cells"][:4]})


def text(book: Book) -> str:
    return "\n".join(source(cell) for cell in cells(book, "markdown"))


def test_three_things_to_learn_and_the_time_they_take(book: Book) -> None:
    (learn,) = re.findall(r"\*\*You will learn:\*\*(.+?)\n\*\*(?:Before this|Takes):\*\*", text(book), re.DOTALL)
    assert len(learn.split("·")) == 3, learn
    assert "**Takes:**" in text(book)


def read(book: Book) -> str:
    """What a reader reads, in order: text, and what code filled in from the records."""
    parts = []
    for cell in book["cells"]:
        shown = [output.get("data", {}).get("text/markdown", "") for output in cell.get("outputs", [])]
        parts += [source(cell)] if cell["cell_type"] == "markdown" else ["".join(part) for part in shown]
    return "\n".join(parts)


def test_an_exercise_with_a_hidden_solution(book: Book) -> None:
    assert re.search(r"\*\*Try it:\*\*.+?<details><summary>Solution</summary>\n\n.+?</details>", read(book), re.DOTALL)


def test_no_table_is_empty(book: Book) -> None:
    for output in outputs(book):
        table = "".join(output.get("data", {}).get("text/markdown", ""))
        assert not re.search(r"^\|(---\|)+$(?!\n\|)", table, re.MULTILINE), table


def test_it_says_where_its_numbers_come_from(path: Path, book: Book) -> None:
    code = "\n".join(source(cell) for cell in cells(book, "code"))
    assert "notebook.provenance(" in code or "notebook.collect(" not in code


def test_a_schedule_is_drawn_before_it_is_trained_with(path: Path, book: Book) -> None:
    """But in the first page."""
    code = "\n".join(source(cell) for cell in cells(book, "code"))
    assert "draw_policies(" in code or "figures.schedules(" in code or path.stem[:2] == "00"
