"""Imports are declared, declared packages are locked, and nothing unsafe is loaded."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CORE = PROJECT["project"]["dependencies"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
LAB = (
    *("matplotlib", "pandas", "seaborn", "torchvision", "sklearn", "scipy", "PIL", "IPython", "ipywidgets"),
    *("joblib", "papermill"),
)
PACKAGE_OF = {
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "IPython": "ipython",
    "torch_lr_finder": "torch-lr-finder",
    "axe_playwright_python": "axe-playwright-python",
    "ignite": "pytorch-ignite",
}  # where an import is spelled otherwise
TREES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): ast.parse(path.read_text())
    for package in ("clrlib", "lab")
    for path in sorted((ROOT / package).rglob("*.py"))
}


def names(requirements: list[str]) -> set[str]:
    return {Requirement(line).name for line in requirements}


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported, at the top or inside a function, but not for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, "no relative imports"
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in TREES else node.module for name in submodules)
        else:
            yield from imports(node)


IMPORTS = {name: set(imports(tree)) for name, tree in TREES.items()}


def test_import_clrlib_loads_torch_and_numpy_and_nothing_else() -> None:
    code = f"import sys, clrlib; print([name for name in ('lab', *{LAB}) if name in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
    used = {i.split(".")[0] for name in TREES if name.split(".")[0] == "clrlib" for i in IMPORTS[name]}
    assert used - sys.stdlib_module_names == {"clrlib", "torch", "numpy"}


def test_conda_takes_everything_from_the_lock() -> None:
    lines = [line.strip() for line in (ROOT / "environment.yml").read_text().splitlines()]
    dependencies = lines[lines.index("dependencies:") + 1 :]
    python = f"- python{PROJECT['project']['requires-python']}"
    assert dependencies[0].startswith(python)
    assert dependencies[1:] == ["- pip", "- make", "- pip:", "- --require-hashes", "- -r requirements.lock"]


def test_what_is_imported_is_declared_and_what_is_declared_is_used() -> None:
    tops = {i.split(".")[0] for modules in IMPORTS.values() for i in modules}
    used = {PACKAGE_OF.get(top, top) for top in tops - sys.stdlib_module_names - {"clrlib", "lab"}}
    declared = names(CORE) | names(EXTRAS["lab"]) | names(EXTRAS["bench"])
    assert used - declared == set()
    assert declared - used == {"jupyterlab", "ipykernel"}
    assert names(CORE) == {"torch", "numpy"}


def test_what_the_tests_import_is_declared() -> None:
    files = sorted((ROOT / "tests").rglob("*.py"))
    tops = {i.split(".")[0] for path in files for i in imports(ast.parse(path.read_text()))}
    ours = {path.stem for path in files} | {"clrlib", "lab"}
    wanted = {PACKAGE_OF.get(top, top) for top in tops - sys.stdlib_module_names - ours}
    assert wanted - names(CORE) - set().union(*(names(EXTRAS[extra]) for extra in EXTRAS)) == set()


LOCKS = {
    "requirements.lock": [*CORE, *EXTRAS["lab"], *EXTRAS["test"], *PROJECT["build-system"]["requires"]],
    "requirements-bench.lock": [*CORE, *EXTRAS["bench"]],
    "requirements-book.lock": [*CORE, *EXTRAS["book"]],
}
each_lock = pytest.mark.parametrize("name", LOCKS)


def lock(name: str) -> dict[str, list[str]]:
    """Each entry of a lock, "name==version ; marker", with the options that follow it."""
    lines = (ROOT / name).read_text().replace("\\\n", " ").splitlines()
    entries = [line.split(" --") for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return {entry[0].strip(): [option.strip() for option in entry[1:]] for entry in entries}


def test_one_version_everywhere() -> None:
    version = PROJECT["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    newest = next(line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## "))
    assert re.match(rf"## {re.escape(version)}\b", newest)
    dated = re.findall(r'^date-released: "(.+)"$', (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert dated == re.findall(r"\d{4}-\d\d-\d\d", newest), "both say when it was released, or neither"


@each_lock
def test_every_entry_of_the_lock_is_pinned_and_hashed_without_a_server(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|--trusted-host|^-[a-z]", text, re.MULTILINE)
    entries = lock(name)
    assert len(entries) > 50
    for entry, options in entries.items():
        assert re.fullmatch(r"[a-z0-9.-]+(\[[a-z,]+\])?==[0-9][\w.+!]*( ; .+)?", entry), entry
        assert options and all(re.fullmatch(r"hash=sha256:[0-9a-f]{64}", option) for option in options), entry


@each_lock
def test_the_lock_pins_whatever_is_declared(name: str) -> None:
    pins: dict[str, list[str]] = {}
    for entry in lock(name):
        pin = Requirement(entry)
        pins.setdefault(pin.name, []).append(str(pin.specifier).removeprefix("=="))
    for line in LOCKS[name]:
        wanted = Requirement(line)
        assert wanted.name in pins, f"{line} is not in {name}; call scripts/lock.sh"
        assert all(wanted.specifier.contains(version) for version in pins[wanted.name]), (line, pins[wanted.name])


@pytest.mark.parametrize("name", [name for name in LOCKS if name != "requirements.lock"])
def test_all_locks_pin_the_same_versions(name: str) -> None:
    main, other = lock("requirements.lock"), lock(name)
    pins = {(Requirement(entry).name, str(Requirement(entry).specifier)) for entry in main}
    shared = {Requirement(entry).name for entry in main} & {Requirement(entry).name for entry in other}
    assert {"torch", "numpy"} <= shared
    for entry in other:
        pin = Requirement(entry)
        assert pin.name not in shared or (pin.name, str(pin.specifier)) in pins, entry


def not_weights_alone(tree: ast.AST) -> list[int]:
    """The lines that let a file run code as it is loaded; pickle itself is ruff's rule S301."""
    lines = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        unsaid = ast.unparse(call.func) == "torch.load" and "weights_only" not in given
        if unsaid or given.get("weights_only", "True") != "True" or given.get("allow_pickle", "False") != "False":
            lines.append(call.lineno)
    return lines


def test_weights_alone_are_loaded() -> None:
    assert [name for name, tree in TREES.items() if not_weights_alone(tree)] == []
    assert not_weights_alone(ast.parse("torch.load(f)\nnp.load(f, allow_pickle=True)")) == [1, 2]
    assert "lab.records.checkpoints" in [name for name, tree in TREES.items() if "torch.load(" in ast.unparse(tree)]


@pytest.mark.slow
def test_a_clone_imports_its_own_lab_and_its_copy_the_copys(tmp_path: Path) -> None:
    """An editable install names the checkout in a .pth file; make writes there the way from the file to the clone."""
    source, built = tmp_path / "source", tmp_path / "built"
    built.mkdir()
    for package in ("clrlib", "lab"):
        (source / package).mkdir(parents=True)
        (source / package / "__init__.py").touch()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    code = f"from setuptools import build_meta; build_meta.build_editable({str(built)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, check=True)
    (wheel,) = built.iterdir()
    with zipfile.ZipFile(wheel) as content:
        (name,) = (name for name in content.namelist() if name.endswith(".pth"))
        assert content.read(name).decode() == f"{source}\n"
    (line,) = re.findall(r"^\techo (\S+) \| tee (\S+) > /dev/null$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    site = source / ".venv" / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    (site / name).write_text(f"{line[0]}\n")
    assert [path.name for path in source.glob(line[1])] == [name], "where make writes it"
    shutil.copytree(source, tmp_path / "copy")
    for clone in ("source", "copy"):
        place = tmp_path / clone / site.relative_to(source)
        code = f"import site; site.addsitedir({str(place)!r}); import lab; print(lab.__file__)"
        done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
        assert Path(done.stdout.strip()) == tmp_path / clone / "lab" / "__init__.py"
