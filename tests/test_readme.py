"""The pages say what the records say, their links, targets and settings are there, and the three lines run."""

import os
import re
import runpy
import shutil
import subprocess
import sys
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
from lab.experiments import Experiment
from lab.records import store
from lab.records.record import Record
from lab.show import figures, pages, tables

README = (paths.ROOT / "README.md").read_text()
MAKEFILE = (paths.ROOT / "Makefile").read_text()


@pytest.fixture(scope="module")
def published() -> list[Record]:
    return store.load_all(paths.records("published"))


@pytest.fixture(scope="module")
def quick() -> list[Record]:
    return store.load_all(paths.records("published quick"))


def test_the_pages_are_those_of_the_records(published: list[Record], quick: list[Record]) -> None:
    for name, marks, block in pages.blocks(published, quick, store.load_all(paths.records("published jpeg"))):
        text = paths.page(name).read_text()
        assert reproduce.with_block(text, marks, block) == text
    assert paths.results_page().read_text() == pages.results_page(published, quick)
    assert paths.claims_table().read_text() == tables.claims_csv(published)


def test_the_records_on_the_jpeg_copy_are_for_their_deviation_alone(published: list[Record]) -> None:
    copy = store.load_all(paths.records("published jpeg"))
    assert [(r.run.experiment, r.run.seed) for r in copy] == [(n, k) for n in ("clr-table2", "fixed") for k in range(5)]
    kinds = {(r.run.data, r.run.order, r.run.precision, r.peak_memory["process"]) for r in copy}
    assert kinds == {("cifar10-jpeg", "once", "bfloat16", None)}
    assert not [r for r in published if r.run.data != "cifar10" and r.run.data.startswith("cifar10-")]


def test_the_speeds_are_those_of_the_bench() -> None:
    benches = bench.read_all()
    assert benches
    speed = (paths.ROOT / "docs" / "speed.md").read_text()
    assert reproduce.with_block(speed, bench.MARKS, page.speed_block(benches)) == speed
    assert paths.bench_page().read_text() == page.page(benches)


def like(published: list[Record], *rows: Experiment, seeds: int = 1) -> list[Record]:
    """Records of these rows at the paper's size, with the curve of a recorded training."""
    (record, *_) = (r for r in store.load_all(paths.records("published jpeg")) if r.run.experiment == "fixed")
    runs = [
        replace(row, waits_for="").run("paper", seed, "cifar10", "float32") for row in rows for seed in range(seeds)
    ]
    data = {**record.data, "label": "CIFAR-10"} | (published[0].data if published else {})  # the copy gets no verdict
    return [*published, *(replace(record, run=run, data=data) for run in runs)]


def test_a_record_more_would_change_the_pages(published: list[Record], quick: list[Record]) -> None:
    more = like(published, experiments.FIXED, experiments.CLR_TABLE_2, seeds=9)  # more than are ever published
    short = [*quick, replace(more[-1], run=experiments.FIXED.run("quick", 7, "cifar10", "float32"))]
    given = ((published, quick), (more, quick), (published, short))
    assert len({pages.results_page(*records) for records in given}) == 3
    assert pages.readme_block(more) != pages.readme_block(published)


def test_the_first_screen_has_headline_controls_and_rivals() -> None:
    records = like([], *experiments.HEADLINE, *experiments.EQUAL, seeds=2)
    block = pages.readme_block(records)
    assert re.search(
        r"The fixed schedule reaches 81\.4 % after 70,000 iterations: \d\d\.\d ± 0\.0 % \(n\xa0=\xa02\)", block
    )
    beats = "beats its own mean rate (25,000, same drops): +0.0 ± 0.0 points (n\xa0=\xa02), 95 % interval 0.0 to 0.0"
    assert f"{beats}. **Not reproduced.**" in block
    (against,) = re.findall(r"\*\*Against today's schedules\*\*.* \(n\xa0=\xa02\): .*", block)
    for row in experiments.EQUAL:
        assert re.search(rf"[:;] {row.title.split(',')[0]} \d\d\.\d ± 0\.0 %[;.]", against)
    assert "not run yet" not in block


def test_the_best_rival_stands_first_and_a_diverged_one_last() -> None:
    first, second, third = (like([], row)[0] for row in experiments.EQUAL[:3])
    better = replace(third, curves={**third.curves, "test_accuracy": [0.99] * len(third.curves["test_accuracy"])})
    text = pages.rivals([replace(first, diverged_at=10), second, better])
    titles = [row.title.split(",")[0] for row in (experiments.EQUAL[2], experiments.EQUAL[1], experiments.EQUAL[0])]
    assert re.findall("|".join(titles), text) == titles
    assert text.endswith(f"Not run yet: {len(experiments.EQUAL) - 3} of {len(experiments.EQUAL)}.")


def test_it_is_short_and_stays_so_when_all_is_run() -> None:
    """The results take more room as they come in: every claim of the first screen run, the tuned rows among them."""
    begin, end = pages.README_MARKS
    block = README.split(begin)[1].split(end)[0]
    full = pages.readme_block(like([], *experiments.HEADLINE, *experiments.TABLE_3, *experiments.EQUAL, seeds=6))
    assert len(README.encode()) <= 6000
    assert len(README.encode()) - len(block.encode()) + len(full.encode()) <= 5600  # 400: range test, two tuned rows


PAGES = [*(paths.ROOT / f"{name}.md" for name in ("README", "REPRODUCTION", "CONTRIBUTING", "results/README"))]
PAGES += sorted((paths.ROOT / "docs").glob("*.md"))


def test_every_figure_is_there_and_no_other() -> None:
    pictures = re.findall(r"!\[(.*?)\]\((.*?)\)", README)
    assert pictures and all(len(alt.split()) >= 5 for alt, _ in pictures)
    wanted = {f"{name}.{end}" for name in figures.FIGURES for end in ("png", "svg", "txt")}
    assert {path.name for path in paths.FIGURES.iterdir()} == wanted
    assert all((paths.FIGURES / name).stat().st_size > 0 for name in wanted)


def test_every_notebook_is_listed() -> None:
    listed = re.findall(r"^\| \[(\d\d)\]\(notebooks/(\1\w+)\.ipynb\) \| .+ \|$", README, re.MULTILINE)
    assert [name for _, name in listed] == sorted(path.stem for path in paths.NOTEBOOKS.glob("*.ipynb"))


SETTINGS_PAGE = paths.ROOT / "docs" / "reproducing.md"
DESCRIBED = re.findall(r"^([a-z-]+):.*## \S", MAKEFILE, re.MULTILINE)
SCRIPT = runpy.run_path(str(paths.ROOT / "scripts" / "settings.py"))
ALL_SETTINGS = set(SCRIPT["KNOWN"]) - {"TESTS", "PY", "SHELL"}  # these are for tests and containers


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_link_target_and_setting_is_there(page: Path) -> None:
    text = page.read_text()
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith("https://")]
    assert not [link for link in links if not (page.parent / link.split("#")[0]).exists()]
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)) <= set(DESCRIBED)
    called = re.findall(r"\bmake (?:[a-z-]+ )?((?:[A-Z_]+=\S+ ?)+)", text)
    assert set(re.findall(r"([A-Z_]+)=", " ".join(called))) <= ALL_SETTINGS


def test_every_target_is_phony_and_says_what_it_does() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert phony and phony[1].split() == [*dict.fromkeys(phony[1].split())]
    targets = re.findall(r"^([a-z-]+):(?!.*export)", MAKEFILE, re.MULTILINE)
    assert set(phony[1].split()) == set(DESCRIBED) == set(targets)


def make(*arguments: str | Path, cwd: Path = paths.ROOT, **variables: str) -> "subprocess.CompletedProcess[str]":
    """make as somebody calls it, whatever this test itself was called from."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "CLRLIB_"))}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=cwd, env=clean | variables, capture_output=True, text=True, check=False)


def test_help_and_its_page_name_every_target_and_setting() -> None:
    done = make()
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) <= 25 and max(map(len, lines)) <= 100
    assert re.findall(r"^make ([a-z-]+) +\S", done.stdout, re.MULTILINE) == DESCRIBED
    assert set(re.findall(r"\b([A-Z_]+)=\S+ +\S", "\n".join(lines[1:]))) == ALL_SETTINGS
    (table,) = re.findall(r"\| setting \| meaning \|\n(.*?)\n\n", SETTINGS_PAGE.read_text(), re.DOTALL)
    assert set(re.findall(r"([A-Z_]+)=", table)) == ALL_SETTINGS


WRONG = {
    "PROFILE=huge": "PROFILE is 'huge'; give auto, smoke, quick, laptop or paper",
    "SEEDS=0": "SEEDS is '0'; give a whole number, 1 or more",
    "JOBS=many": "JOBS is 'many'; give auto or a whole number, 1 or more",
    "BUDGET=25 m": "BUDGET is '25 m'; give a time such as 90s, 25m or 3h",
    "DEVICE=gpu": "DEVICE is 'gpu'; give cpu or cuda",
    "TORCH=none": "TORCH is 'none'; give cpu or cuda",
    "ENGINE=dask": "ENGINE is 'dask' without a scheduler; give its address too, as SCHEDULER=tcp://host:8786",
    "ROWS=fixed, clr-tabel2": (
        "ROWS names 'clr-tabel2', which is no row; did you mean clr-table2 or clr-triangular2? "
        "docs/rows.md lists every row"
    ),
    "BUGDET=2m": "BUGDET is not a setting; `make help` lists them",
    "DEVICES=/my data/x": "DEVICES is not a setting; `make help` lists them",
}


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A fresh clone with the files that make needs; its name has a space."""
    clone = tmp_path / "a clone"
    for name in ("Makefile", "requirements.lock", "pyproject.toml", "docs/rows.md", "scripts/settings.py"):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(paths.ROOT / name, clone / name)
    return clone


@pytest.mark.parametrize("given", WRONG)
def test_a_wrong_value_is_told_before_anything_is_installed(given: str, fresh: Path) -> None:
    before = sorted(fresh.rglob("*"))
    spaces = "LAB_OPTIONS=--a=1 --b=2 c=d"  # these are no settings of make
    done = make("reproduce", spaces, given, f"PYTHON={sys.executable}", cwd=fresh)
    first, *others = done.stderr.splitlines()
    assert (done.returncode, done.stdout, first) == (2, "", f"error: {WRONG[given]}")
    assert all(line.startswith("make: ***") for line in others) and sorted(fresh.rglob("*")) == before


SHOWS = """#!/bin/sh
printf '%s\\n' "$CLRLIB_DATA" "$CLRLIB_DEVICE" "$OMP_NUM_THREADS" "$OMP_WAIT_POLICY" "$@"
"""


def seen(fresh: Path, *arguments: str, **variables: str) -> list[list[str]]:
    """Each call of python: data, device, threads, waiting, arguments; make setup left out."""
    python = fresh / "python"
    python.write_text(SHOWS)
    python.chmod(0o755)
    done = make("-s", "-o", "setup", *arguments, "PY=./python", cwd=fresh, **variables)
    assert done.returncode == 0, done.stderr
    return [part.split("\n") for part in done.stdout.removesuffix("\n").split("\n-m\n")]


@pytest.mark.parametrize(
    ("given", "handed_on"),
    [
        ("/my data/x", "/my data/x"),
        ("~/x  y", "~/x  y"),
        ("here/my data", "{clone}/here/my data"),
        ('it\'s "x"', '{clone}/it\'s "x"'),
        ("digits", "digits"),
    ],
)
def test_a_folder_of_any_name_is_handed_on(given: str, handed_on: str, fresh: Path) -> None:
    before, *_ = seen(fresh, "data", f"DATA={given}", HOME="/users/me")
    assert before[0] == handed_on.format(clone=fresh)
    before, *_ = seen(fresh, "data", CLRLIB_DATA="/my data", CLRLIB_DEVICE="cpu")
    assert before[:2] == ["/my data", "cpu"], "where nothing is typed, what the environment says"


@pytest.mark.parametrize("target", ["data", "reproduce", "publish"])
def test_rows_and_budget_reach_the_lab_as_typed(target: str, fresh: Path) -> None:
    *_, last = seen(fresh, target, "ROWS=fixed, clr-table2", "BUDGET=25m")
    profile = "paper" if target == "publish" else "auto"
    given = ["--profile", profile, "--jobs", "auto", "--budget", "25m", "--rows", "fixed, clr-table2"]
    assert last == ["lab.cli", target, *given]
    for threads, variables in (("1", {}), ("4", {"OMP_NUM_THREADS": "4"})):
        before, _ = seen(fresh, "lab", **variables)
        assert before[2:] == [threads, "passive"]


@pytest.mark.parametrize(("script", "what"), [("soak", "kills"), ("flakes", "rounds")])
@pytest.mark.parametrize("value", ["abc", "0"])
def test_what_is_no_count_is_refused_before_anything_is_run(script: str, what: str, value: str, tmp_path: Path) -> None:
    command = [paths.ROOT / "scripts" / f"{script}.sh", value]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and not [*tmp_path.iterdir()]
    assert done.stdout == f"error: the number of {what} is '{value}'; give a whole number, 1 or more\n"


def test_a_step_that_is_none_is_refused_before_anything_is_cloned(tmp_path: Path) -> None:
    command = [paths.ROOT / "scripts" / "first_success.sh", "setup", "figrue"]
    done = subprocess.run(command, env=os.environ | {"TMPDIR": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 1 and not [*tmp_path.iterdir()]
    assert done.stdout == "error: there is no step 'figrue'; give some of setup, figure, range, quick, test\n"


def test_the_log_of_a_soak_is_written_when_it_is_done(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    log = tmp_path / "docs" / "soak.txt"
    log.write_text("the last one\n")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(
        "#!/bin/sh\ncat docs/soak.txt\necho tests/a.py::test PASSED\necho '== 1 failed in 2s =='\nexit 1\n"
    )
    python.chmod(0o755)
    command = [paths.ROOT / "scripts" / "soak.sh"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "the last one\n" in done.stdout
    assert log.read_text().splitlines()[1:] == ["tests/a.py::test PASSED", "== 1 failed in 2s =="]


def test_the_three_lines_run() -> None:
    """On four clouds of points that a linear model tells apart."""
    torch.manual_seed(0)
    labels = torch.arange(1000) % 4
    inputs = torch.nn.functional.one_hot(labels, 4) * 2.0 + torch.randn(1000, 4)
    batches = [(inputs[i : i + 25], labels[i : i + 25]) for i in range(0, 1000, 25)]
    model, loss_fn = nn.Linear(4, 4), nn.CrossEntropyLoss()
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    train_loader, heldout_loader = batches[:30], batches[30:]
    names = ("model", "optimizer", "loss_fn", "train_loader", "heldout_loader")
    space: dict[str, Any] = {name: value for name, value in locals().items() if name in names}
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(code.replace("\n\n", "\n").splitlines()) == 3
    exec(code, space)

    bounds, rates = space["bounds"], []
    assert 0 < bounds.base_lr < bounds.max_lr < 100
    for _ in range(8):
        for x, y in train_loader:
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
            space["schedule"].step()
    assert rates[0] == pytest.approx(bounds.base_lr) and max(rates) == pytest.approx(bounds.max_lr)
    assert rates.index(max(rates)) == 4 * len(train_loader)
    right = torch.cat([model(x).argmax(1) == y for x, y in heldout_loader]).float().mean()
    assert right > 0.7


def test_the_iterations_that_the_page_promises_are_the_catalogues() -> None:
    kinds = {"cifar10": "", "imagenette": ""}
    total = {
        profile: sum(r.iterations for r in experiments.runs(profile, kinds, "", catalogue=experiments.CAFFE_NET))
        for profile in ("quick", "paper")
    }
    page = SETTINGS_PAGE.read_text()
    assert f"({total['quick'] // 1000:,},000 iterations in all)" in page
    shorter = sorted(row.shorter["quick"] for row in experiments.CAFFE_NET if "quick" in row.shorter)
    assert shorter[0] == 4 and shorter[len(shorter) // 2] == 10
    assert "a quarter of the paper's iterations or less, most a tenth" in page
    assert f"({total['paper'] / 1e6:.1f} million iterations)" in page
