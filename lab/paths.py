"""Every folder, once. Nothing else in the project spells a path out."""

from pathlib import Path


def _root() -> Path:
    """The checkout that holds this file; the current folder where clrlib is installed outside one."""
    checkout = Path(__file__).resolve().parents[1]
    return checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()


ROOT = _root()
DATA = ROOT / "data"  # data sets, and their decoded copies in cache/
RESULTS = ROOT / "results"  # published records: written by `make publish` alone
CHOICES = RESULTS / "choices.json"  # what the validation split chose: written by `make choose` alone
FIGURES = ROOT / "figures"  # published figures: written by `make publish` alone
NOTEBOOKS = ROOT / "notebooks"
BUILD = ROOT / "build"  # a reproducer's own runs: build/<profile>/


def shown(path: Path) -> str:
    """A path for people: relative to the project where it lies inside, else the bare name."""
    path = path.resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
