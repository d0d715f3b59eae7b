"""Imports point down one list of rooms, and go round in no circle: read from every file, lazy imports included."""

import ast
import graphlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import paths

ROOMS = ("experiments", "data", "nets", "training", "records", "sweep", "claims", "show", "cli", "bench")
GROUND_FLOOR = ("lab", "lab.paths", "lab.files", "lab.errors", "lab.lines")


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(paths.ROOT).with_suffix("").parts).removesuffix(".__init__")


TREES = {
    name_of(path): ast.parse(path.read_text())
    for package in ("clrlib", "lab")
    for path in sorted((paths.ROOT / package).rglob("*.py"))
}


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module of ours that is imported, at the top, in a function or for type checkers alone."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in ("clrlib", "lab"))
        elif isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in ("clrlib", "lab"):
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in TREES else str(node.module) for name in submodules)


def floor(module: str) -> int:
    """0 for clrlib, 1 for the ground floor, then the rooms in order."""
    top, _, rest = module.partition(".")
    if top == "clrlib":
        return 0
    if module in GROUND_FLOOR:
        return 1
    return 2 + ROOMS.index(rest.split(".")[0])


def back_steps(module: str, tree: ast.AST) -> list[str]:
    """The imports of a module that lead to a later room."""
    return [other for other in imports(tree) if floor(other) > floor(module)]


@pytest.mark.parametrize("module", TREES)
def test_a_room_imports_itself_and_earlier_ones(module: str) -> None:
    assert not back_steps(module, TREES[module])


def test_no_import_goes_round_in_a_circle() -> None:
    known = {name: {other for other in imports(tree) if other != name} for name, tree in TREES.items()}
    order = [*graphlib.TopologicalSorter(known).static_order()]
    assert len(order) == len(TREES) > 80
    folders = {path.name for path in (paths.ROOT / "lab").iterdir() if path.is_dir() and path.name[0] not in "_."}
    assert folders == set(ROOMS)


@pytest.mark.parametrize(
    "line",
    [
        "from lab.records import store",
        "import lab.records.store",
        "def f():\n    from lab.records.store import load",
        "if TYPE_CHECKING:\n    from lab.records.record import Record",
    ],
)
def test_a_back_step_is_seen(line: str) -> None:
    assert back_steps("lab.training.loop", ast.parse(line)) and not back_steps("lab.claims.paper", ast.parse(line))


def spelled(tree: ast.AST) -> list[int]:
    """The lines that join a spelled name to a path."""
    joins = [node for node in ast.walk(tree) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)]
    return sorted({node.lineno for node in joins if ast.unparse(node.right).lstrip("f")[0] in "'\""})


def test_paths_are_spelled_in_one_file() -> None:
    """The folders inside a data set and inside torch, which others have named, are no paths of the project."""
    others = {name for name in TREES if name.startswith("lab.data.")} | {"lab.nets.kernels.library"}
    lines = {name: spelled(tree) for name, tree in TREES.items()}
    assert lines.pop("lab.paths") and not [name for name in lines.keys() - others if lines[name]]
    for name in others:
        text = ast.unparse(TREES[name]).replace("'", '"')
        assert not re.search(r"paths\.[A-Z]+ / f?\"|\"(build|cache|results|figures|notebooks)\"", text), name


def test_a_spelled_path_is_seen() -> None:
    assert spelled(ast.parse('a = b / "c"\nd = folder / f"{e}.json"\nf = 1 / 2')) == [1, 2]
