"""The pages of docs/: their Python runs, their links lead somewhere, and their tables name what there is."""

import inspect
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from packaging.requirements import Requirement
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import clrlib
from lab import experiments, paths
from lab.show.pages import rows_page

DOCS = paths.ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
BLOCKS = [
    pytest.param(block, id=f"{page.stem}-{k}")
    for page in PAGES
    if page.stem != "first_steps"  # its blocks follow each other, see test_first_steps.py
    for k, block in enumerate(re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL))
]


@pytest.fixture
def yours() -> dict[str, Any]:
    """The objects that the pages call yours."""
    torch.manual_seed(0)
    inputs = torch.randn(160, 4)
    data = TensorDataset(inputs, (inputs.sum(1) > 0).long())
    model = nn.Linear(4, 2)
    return {
        "model": model,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        "loss_fn": nn.CrossEntropyLoss(),
        "train_loader": DataLoader(data, batch_size=8),
        "heldout_loader": DataLoader(data, batch_size=80),
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of the frameworks
@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_of_python_runs(
    block: str, yours: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "docs", "exec"), yours)


def test_every_page_is_in_the_index_and_that_is_in_the_readme() -> None:
    index = (DOCS / "README.md").read_text()
    assert all(f"]({page.name})" in index for page in PAGES if page.name != "README.md")
    assert "](docs/README.md)" in (paths.ROOT / "README.md").read_text()
    assert (DOCS / "rows.md").read_text() == rows_page(), "call make figures"


TOUR = {  # where each stop of docs/tour.md leads, in order
    "experiments": ["lab/experiments/table_1.py", "lab/experiments/experiment.py"],
    "the library": ["clrlib/_schedules.py", "clrlib/_policy.py"],
    "data": ["lab/data/cifar_archive.py"],
    "nets": ["lab/nets/caffe_cifar10.py"],
    "training": ["lab/training/loop.py"],
    "records": ["lab/records/store.py"],
    "sweep": ["lab/sweep/sweep.py"],
    "claims": ["lab/claims/paper.py", "lab/claims/claim.py", "lab/claims/answer.py"],
    "show": ["lab/show/pages.py", "lab/show/figures.py"],
    "cli": ["lab/cli/reproduce.py", "README.md", "results/README.md"],
}


def test_the_tour_leads_through_every_room_in_order() -> None:
    """Each stop links what TOUR says, and what it names in backticks stands in the file that it linked last."""
    page = (DOCS / "tour.md").read_text()
    assert len(page.splitlines()) <= 30, "one screen"
    assert f"**{experiments.CLR_TABLE_2.paper} %**" in page and f"{experiments.CLR_TABLE_2.iterations:,}" in page
    stops = re.findall(r"^\d+\. \*\*(.+?)\*\*: (.*?)(?=^\d+\. |^$)", page, re.MULTILINE | re.DOTALL)
    assert [room for room, _ in stops] == [*TOUR]
    for room, text in stops:
        _, *parts = re.split(r"\]\(\.\./", text)
        assert [part.split(")")[0] for part in parts] == TOUR[room]
        names = [re.findall(r"`([\w.]+)`", part) for part in parts]
        assert any(names), room
        for path, named in zip(TOUR[room], names, strict=True):
            file = (paths.ROOT / path).read_text()
            assert not [name for name in named if name not in file], f"{path}, stop {room}"


def test_the_counts_of_kills_and_rounds_are_those_of_the_logs() -> None:
    page, soak, flakes = ((DOCS / name).read_text() for name in ("faults.md", "soak.txt", "flakes.txt"))
    kills, cuts = (len(re.findall(rf"::test_{name}\S*\[.*PASSED", soak)) for name in ("killed", "after_a_power_cut"))
    (ended,) = re.findall(r"^=+ (.*) in ", soak, re.MULTILINE)
    assert f"| {kills} kills, {cuts} files cut off: {ended} |" in page
    rounds = re.findall(r"^order \d+: (.*) in ", flakes, re.MULTILINE)
    assert f"| {len(rounds)} rounds: {'; '.join(dict.fromkeys(rounds))} |" in page


@pytest.mark.parametrize("log", ["soak.txt", "flakes.txt"])
def test_a_log_is_of_a_commit_of_this_history(log: str) -> None:
    commit = (DOCS / log).read_text().splitlines()[0].removeprefix("commit ")
    known = subprocess.run(
        ["git", "merge-base", "--is-ancestor", commit, "HEAD"], cwd=paths.ROOT, capture_output=True, text=True
    )
    assert known.returncode == 0, f"{log} is of {commit}, which nobody can look at: {known.stderr}"


def test_every_policy_is_on_the_page_of_policies() -> None:
    text = (DOCS / "policies.md").read_text()
    policies = [kind for kind in vars(clrlib).values() if inspect.isclass(kind) and issubclass(kind, clrlib.Policy)]
    named = {kind.__name__ for kind in policies} - {"Policy", "Cyclical"}
    assert len(named) >= 16
    for name in named:
        assert re.search(rf"^\| `{name}[(.]|`{name}\(", text, re.MULTILINE), name


def test_the_drop_in_takes_torchs_arguments_as_the_page_says() -> None:
    ours, theirs = (
        inspect.signature(kind.__init__).parameters for kind in (clrlib.CyclicLR, torch.optim.lr_scheduler.CyclicLR)
    )
    assert [*ours][: len(theirs)] == [*theirs]
    defaults = {name for name in theirs if ours[name].default != theirs[name].default}
    assert defaults == {"cycle_momentum"}
    extra = list(ours.values())[len(theirs) :]
    assert all(parameter.kind is inspect.Parameter.KEYWORD_ONLY for parameter in extra)


@pytest.mark.parametrize(
    ("title", "package"),
    [
        ("PyTorch", "torch"),
        ("Lightning", "lightning"),
        ("Ignite", "pytorch-ignite"),
        ("Accelerate", "accelerate"),
        ("Hugging Face's Trainer", "transformers"),
    ],
)
def test_the_versions_are_those_of_the_lock(title: str, package: str) -> None:
    row = re.search(rf"^\| {title} \| ([\d.]+) \|", (DOCS / "frameworks.md").read_text(), re.MULTILINE)
    assert row is not None
    lines = re.findall(rf"^{package}==[^\\]+", (paths.ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert [str(Requirement(line).specifier) for line in lines] == [f"=={row[1]}"]


def test_every_public_name_has_an_example_that_runs_as_a_doctest() -> None:
    assert not [n for n, it in vars(clrlib).items() if callable(it) and ">>> " not in (it.__doc__ or "")]
