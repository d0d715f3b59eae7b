"""The README says what the records say, its links lead somewhere, and its example runs."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lab import experiments, paths
from lab.bench import __main__ as bench
from lab.bench import page
from lab.cli import reproduce
from lab.records import store
from lab.records.record import Record
from lab.show import figures

README = (paths.ROOT / "README.md").read_text()
REPRODUCTION = (paths.ROOT / "REPRODUCTION.md").read_text()
MAKEFILE = (paths.ROOT / "Makefile").read_text()


@pytest.fixture(scope="module")
def published() -> list[Record]:
    return store.load_all(paths.records("published"))


@pytest.fixture(scope="module")
def quick() -> list[Record]:
    return store.load_all(paths.records("published quick"))


def test_the_results_are_those_of_the_records(published: list[Record], quick: list[Record]) -> None:
    begin, end = reproduce.README_MARKS
    assert README.split(begin)[1].split(end)[0].strip("\n") == reproduce.readme_block(published, quick)
    assert reproduce.with_block(README, reproduce.README_MARKS, reproduce.readme_block(published, quick)) == README


def test_the_deviations_are_those_of_the_records(published: list[Record]) -> None:
    block = reproduce.deviations_block(published)
    assert reproduce.with_block(REPRODUCTION, reproduce.DEVIATION_MARKS, block) == REPRODUCTION


def test_the_records_on_the_jpeg_copy_are_for_their_deviation_alone(published: list[Record]) -> None:
    copy = store.load_all(paths.records("published jpeg"))
    assert [(r.run.experiment, r.run.seed) for r in copy] == [(n, k) for n in ("clr-table2", "fixed") for k in range(5)]
    found = {(r.run.data, r.run.order, r.run.precision, r.peak_memory["process"]) for r in copy}
    assert found == {("cifar10-jpeg", "once", "bfloat16", None)}
    assert not [r for r in published if r.run.data != "cifar10" and r.run.data.startswith("cifar10-")]


def test_the_results_page_is_that_of_the_records(published: list[Record], quick: list[Record]) -> None:
    assert (paths.RESULTS / "README.md").read_text() == reproduce.results_page(published, quick)


def test_the_speeds_are_those_of_the_bench() -> None:
    benches = bench.read_all()
    assert benches
    assert reproduce.with_block(README, bench.MARKS, page.readme_block(benches)) == README
    assert (paths.BENCH / "README.md").read_text() == page.page(benches)


def test_a_record_more_would_change_both(published: list[Record], quick: list[Record]) -> None:
    runs = [row.run("paper", 7, "cifar10", "float32") for row in (experiments.FIXED, experiments.CLR_TABLE_2)]
    like = {r.run.experiment: r for r in store.load_all(paths.records("published jpeg"))}
    more = [*published, *(replace(like[run.experiment], run=run) for run in runs)]
    short = [*quick, replace(like["fixed"], run=experiments.FIXED.run("quick", 7, "cifar10", "float32"))]
    for made in (reproduce.readme_block, reproduce.results_page):
        assert len({made(published, quick), made(more, quick), made(published, short)}) == 3


PAGES = {"README": paths.ROOT, "REPRODUCTION": paths.ROOT, "CONTRIBUTING": paths.ROOT, "results": paths.RESULTS}
PAGE_PATHS = [folder / f"{'README' if name == 'results' else name}.md" for name, folder in PAGES.items()]


@pytest.mark.parametrize("page", PAGE_PATHS, ids=PAGES)
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()) if not link.startswith("https://")]
    assert links
    for link in links:
        assert (page.parent / link).exists(), link


def test_every_picture_has_an_alt_text() -> None:
    pictures = re.findall(r"!\[(.*?)\]\((.*?)\)", README)
    assert pictures and all(len(alt.split()) >= 5 for alt, _ in pictures)


def test_every_figure_is_there_and_no_other() -> None:
    wanted = {f"{name}.{end}" for name in figures.FIGURES for end in ("png", "svg", "txt")}
    assert {path.name for path in paths.FIGURES.iterdir()} == wanted
    assert all((paths.FIGURES / name).stat().st_size > 0 for name in wanted)


def test_every_notebook_is_listed() -> None:
    listed = re.findall(r"^\| \[(\d\d)\]\(notebooks/(\1\w+)\.ipynb\) \| .+ \|$", README, re.MULTILINE)
    assert [name for _, name in listed] == sorted(path.stem for path in paths.NOTEBOOKS.glob("*.ipynb"))


def test_every_target_named_is_in_the_makefile_and_says_what_it_does() -> None:
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE))
    assert {"reproduce", "test", "publish", "lab", "help"} <= named
    described = set(re.findall(r"^([a-z]+):.*## \S", MAKEFILE, re.MULTILINE))
    assert named <= described
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert phony and set(phony[1].split()) == described


def test_every_setting_named_is_in_the_makefile() -> None:
    named = set(re.findall(r"\b([A-Z]+)=", README))
    assert {"PROFILE", "DATA", "SEEDS", "JOBS"} <= named
    assert all(f"$({name})" in MAKEFILE for name in named)


def test_help_tells_all_in_one_screen() -> None:
    """Settings: what the Makefile uses and does not set itself, or sets where nobody else does."""
    done = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=paths.ROOT, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) <= 25 and max(map(len, lines)) <= 100
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert phony and set(re.findall(r"^make ([a-z]+) +\S", done.stdout, re.MULTILINE)) == set(phony[1].split())
    used = set(re.findall(r"\$\(([A-Z_]+)\)", MAKEFILE))
    settings = used - set(re.findall(r"^(?:export )?([A-Z_]+) :?=", MAKEFILE, re.MULTILINE)) - {"MAKE", "MAKEOVERRIDES"}
    assert {"PROFILE", "LAB_OPTIONS", "SCHEDULER", "KILLS"} <= settings
    assert set(re.findall(r"\b([A-Z_]+)=\S+ +\S", "\n".join(lines[1:]))) == settings
    taken = [f"{name}=--a=1 --b=2" for name in sorted(settings)]
    subprocess.run(["make", "help", *taken], cwd=paths.ROOT, capture_output=True, check=True)


@pytest.mark.parametrize("given", ["BUGDET=2m", "SEED=3"])
def test_a_misspelt_setting_starts_nothing(given: str) -> None:
    command = ["make", "--no-print-directory", "reproduce", given]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and not done.stdout
    assert f"error: {given.split('=')[0]} is not a setting; `make help` lists them" in done.stderr


@pytest.mark.parametrize(("target", "setting"), [("soak", "KILLS"), ("flakes", "ROUNDS")])
@pytest.mark.parametrize("value", ["abc", "0", "-1"])
def test_what_is_no_count_is_refused_before_anything_is_run(target: str, setting: str, value: str) -> None:
    command = ["make", "--no-print-directory", "-o", "setup", target, "PY=false", f"{setting}={value}"]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == f"error: {setting} is '{value}'; give a whole number, 1 or more\n"


def test_the_log_of_a_soak_is_written_when_it_is_done(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    log = tmp_path / "docs" / "soak.txt"
    log.write_text("the last one\n")
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\ncat docs/soak.txt\necho tests/a.py::test PASSED\necho '== 1 failed in 2s =='\nexit 1\n"
    )
    python.chmod(0o755)
    command = ["make", "-f", paths.ROOT / "Makefile", "-o", "setup", "soak", f"PY={python}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "the last one\n" in done.stdout
    assert log.read_text().splitlines()[1:] == ["tests/a.py::test PASSED", "== 1 failed in 2s =="]


def test_the_layout_names_what_is_there() -> None:
    layout = README.split("## Layout")[1].split("```")[1]
    folders = re.findall(r"^(\S+)/ ", layout, re.MULTILINE)
    assert "clrlib" in folders and len(folders) >= 7
    assert all((paths.ROOT / folder).is_dir() or folder in ("build", "data") for folder in folders)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Quickest for a model this small, above all where other work has the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_the_ten_lines_run() -> None:
    """On four clouds of points that a linear model tells apart; the rates end where the last cycle does."""
    torch.manual_seed(0)
    labels = torch.arange(1000) % 4
    inputs = torch.nn.functional.one_hot(labels, 4) * 2.0 + torch.randn(1000, 4)
    batches = [(inputs[i : i + 25], labels[i : i + 25]) for i in range(0, 1000, 25)]
    model, loss_fn = nn.Linear(4, 4), nn.CrossEntropyLoss()
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    train_loader, heldout_loader = batches[:30], batches[30:]
    rates = []

    def train_step(iteration: int) -> None:
        rates.append(optimizer.param_groups[0]["lr"])
        x, y = train_loader[iteration % len(train_loader)]
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()

    names = ("model", "optimizer", "loss_fn", "train_loader", "heldout_loader", "train_step")
    space: dict[str, Any] = {name: value for name, value in locals().items() if name in names}
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(code, space)

    bounds = space["bounds"]
    assert 0 < bounds.base_lr < bounds.max_lr <= 0.1
    assert space["policy"].step_size == 4 * len(train_loader)
    assert len(rates) == 24 * len(train_loader)  # 20 epochs, and on to the end of the third cycle of 8
    assert rates[0] == pytest.approx(bounds.base_lr) and max(rates) == pytest.approx(bounds.max_lr)
    right = torch.cat([model(x).argmax(1) == y for x, y in heldout_loader]).float().mean()
    assert right > 0.7


def test_the_iterations_that_the_readme_promises_are_the_catalogues() -> None:
    kinds = {"cifar10": "", "imagenette": ""}
    total = {
        profile: sum(r.iterations for r in experiments.runs(profile, kinds, "", catalogue=experiments.CAFFE_NET))
        for profile in ("quick", "paper")
    }
    assert f"({total['quick'] // 1000:,},000 iterations in all)" in README
    shorter = sorted(row.shorter["quick"] for row in experiments.CATALOGUE if "quick" in row.shorter)
    assert shorter[0] == 4 and shorter[len(shorter) // 2] == 10
    assert "a quarter of the paper's iterations or less, most a tenth" in README
    assert f"({total['paper'] / 1e6:.1f} million iterations)" in README
