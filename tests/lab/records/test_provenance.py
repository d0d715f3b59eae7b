"""The origin of a record, and the code that could be had again."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from records import seeds
from refusals import Lab

from lab import paths
from lab.cli import reproduce
from lab.experiments import FIXED
from lab.records import provenance, store


@pytest.fixture
def commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A checkout with a commit on its branch, one before it, and one on a branch beside it."""
    root = tmp_path / "checkout"
    root.mkdir()

    def git(*arguments: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        return subprocess.run(["git", *who, *arguments], cwd=root, capture_output=True, text=True, check=True).stdout

    git("init", "-q", "-b", "main")
    hashes = {}
    for name in ("first", "aside", "last"):
        if name == "aside":
            git("checkout", "-q", "-b", "aside")
        if name == "last":
            git("checkout", "-q", "main")
        git("commit", "-q", "--allow-empty", "-m", name)
        hashes[name] = git("rev-parse", "HEAD").strip()
    monkeypatch.setattr(provenance, "ROOT", root)
    return hashes


def test_clean_commits_of_the_branch_are_without_fault(commits: dict[str, str]) -> None:
    assert [provenance.fault({"commit": commits[name], "dirty": False}) for name in ("first", "last")] == [None, None]


@pytest.mark.parametrize(
    ("commit", "why"),
    [
        (lambda known: {"commit": known["aside"], "dirty": False}, "which is not in the history of this branch"),
        (lambda known: {"commit": "f" * 40, "dirty": False}, "which is not in the history of this branch"),
        (lambda known: {"commit": known["last"], "dirty": True}, "was made by code that differs from its commit"),
        (lambda known: {"commit": known["last"], "dirty": None}, "was made by code that differs from its commit"),
        (lambda known: {"commit": None, "dirty": None}, "was made outside a checkout"),
    ],
)
def test_any_other_commit_is_named(
    commit: Callable[[dict[str, str]], dict[str, object]], why: str, commits: dict[str, str]
) -> None:
    assert why in str(provenance.fault(commit(commits)))


def test_a_record_of_another_branch_is_not_published(lab: Lab, commits: dict[str, str]) -> None:
    """And nothing is written, the good one beside it neither."""
    good, bad = (
        replace(r, commits=[{"commit": commits[name], "dirty": False}])
        for r, name in zip(seeds(FIXED, 80.0, 81.0), ("last", "aside"), strict=True)
    )
    for some in (good, bad):
        paths.records("paper").mkdir(parents=True, exist_ok=True)
        store.save(some, paths.records("paper"))
    with pytest.raises(ValueError, match=rf"^{bad.run.name} was made by commit .* move it out of .*committed code$"):
        reproduce.publish_finished()
    assert not [*paths.records("published").glob("*.json")]


def test_nothing_is_trained_for_publishing_by_code_with_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "git", lambda: {"commit": "a" * 40, "dirty": True})
    monkeypatch.setattr(reproduce, "train", None)
    with pytest.raises(ValueError, match=r"a record of this code could not be published: .*; commit the changes first"):
        reproduce.publish(seeds=1, jobs=1)


def test_the_peak_of_the_process_is_in_bytes_or_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    peak = provenance.peak_memory(torch.device("cpu"))
    assert peak.keys() == {"process"} and peak["process"] is not None
    assert 2**26 < peak["process"] < 2**40, "torch alone takes more than 64 MiB"
    monkeypatch.setitem(sys.modules, "resource", None)
    assert provenance.peak_memory(torch.device("cpu")) == {"process": None}
