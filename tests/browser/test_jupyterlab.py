"""The notebooks in JupyterLab as `make lab` opens it: as they are stored, run from top to bottom, and played with."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_server import lab_server
from playwright.sync_api import Browser, Locator, Page, expect

from lab import paths

PATIENCE = 180_000  # milliseconds: a kernel that imports torch on a busy machine, and a small training
ERRORS = '[data-mime-type="application/vnd.jupyter.error"], [data-mime-type="application/vnd.jupyter.stderr"]'
expect.set_options(timeout=PATIENCE)


class Lab:
    """A browser's page on a server's notebooks, and what went wrong there."""

    def __init__(self, page: Page, about: dict[str, Any]) -> None:
        self.page, self.about, self.errors = page, about, list[str]()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, name: str) -> None:
        self.page.goto(f"{self.about['url']}lab/tree/{name}.ipynb?token={self.about['token']}")
        expect(self.page.get_by_text("| Idle")).to_be_visible()  # the kernel, in the bar at the foot
        expect(self.figures().first).to_be_attached()

    def choose(self, menu: str, item: str) -> None:
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.get_by_role("menuitem", name=item).first.click()

    def run_all(self, shown: int) -> None:
        """Clear what was stored, so that whatever is there afterwards was made now, and run every cell.

        shown: the number of the last code cell that is not folded; a folded one shows no number.
        """
        self.choose("Edit", "Clear Outputs of All Cells")
        expect(self.figures()).to_have_count(0)
        self.choose("Run", "Run All Cells")
        last = self.page.locator(".jp-CodeCell .jp-InputArea-prompt", has_text=f"[{shown}]:")
        expect(last.or_(self.page.locator(ERRORS)).first).to_be_attached()
        self.check_errors()

    def figures(self) -> Locator:
        return self.page.locator(".jp-OutputArea img")

    def check_figures(self, count: int) -> None:
        """So many pictures, each of a size that can be read; scrolls through all of the notebook."""
        for cell in self.page.locator(".jp-Notebook .jp-Cell").all():
            cell.scroll_into_view_if_needed()
        expect(self.figures()).to_have_count(count)
        for figure in self.figures().all():
            figure.scroll_into_view_if_needed()
            box = figure.bounding_box()
            assert box and box["width"] > 300 and box["height"] > 100
            assert figure.evaluate("image => image.complete && image.naturalWidth") > 300

    def check_errors(self) -> None:
        assert self.page.locator(ERRORS).all_inner_texts() == []
        assert self.page.get_by_text("Error displaying widget").count() == 0
        assert self.errors == []


@pytest.fixture
def lab(browser: Browser, tmp_path: Path) -> Iterator[Lab]:
    shutil.copytree(paths.NOTEBOOKS, tmp_path / "notebooks")  # JupyterLab saves what it runs
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    with lab_server(tmp_path) as about:
        yield Lab(page, about)
        page.close()


def stored(name: str) -> tuple[int, int]:
    """The number of a notebook's last code cell that is not folded, and how many pictures it has."""
    cells = json.loads((paths.NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    shown = [number for number, cell in enumerate(code, start=1) if "jupyter" not in cell["metadata"]]
    outputs = [output for cell in code for output in cell["outputs"]]
    return shown[-1], sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize("name", ["00_start_here", "03_lr_range_test", "04_your_own_model"])
def test_a_notebook_shows_its_figures_as_stored_and_when_run(lab: Lab, name: str) -> None:
    shown, pictures = stored(name)
    lab.open(name)
    lab.check_figures(pictures)
    lab.check_errors()
    lab.run_all(shown)
    lab.check_figures(pictures)
    lab.check_errors()


@pytest.mark.parametrize(
    ("name", "slider", "key", "before", "after"),
    [
        ("02_schedules", "max_lr", "ArrowLeft", "max_lr=0.006,", "max_lr=0.0059,"),
        ("03_lr_range_test", "your bounds", "ArrowRight", "Your bounds: 0.0010 to", "Your bounds: 0.0011 to"),
    ],
)
def test_a_slider_moves_the_curve(lab: Lab, name: str, slider: str, key: str, before: str, after: str) -> None:
    lab.open(name)
    lab.run_all(stored(name)[0])
    picture = lab.page.locator(".widget-html img")
    picture.scroll_into_view_if_needed()
    assert before in (picture.get_attribute("alt") or "")
    drawn = picture.get_attribute("src")
    handle = lab.page.locator(".widget-slider", has_text=slider).locator(".noUi-handle").first
    handle.focus()
    handle.press(key)
    expect(picture).not_to_have_attribute("src", drawn or "")
    assert after in (picture.get_attribute("alt") or "")
    lab.check_errors()


def test_bounds_that_cross_are_refused_in_words_and_the_curve_comes_back(lab: Lab) -> None:
    lab.open("02_schedules")
    lab.run_all(stored("02_schedules")[0])
    handle = lab.page.locator(".widget-slider", has_text="base_lr").locator(".noUi-handle")
    handle.focus()
    handle.press("End")
    expect(lab.page.locator(".widget-html p")).to_have_text(
        "base_lr 0.01 is above max_lr 0.006; give the lower bound as base_lr"
    )
    handle.press("Home")
    expect(lab.page.locator(".widget-html img")).to_be_visible()
    lab.check_errors()
