"""Every path of the project, spelled here and nowhere else."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"  # data sets, and their decoded copies in cache/
RESULTS = ROOT / "results"  # published records: written by `make publish` alone
CHOICES = RESULTS / "choices.json"  # chosen rates and bounds: written by `make choose` alone
BENCH = RESULTS / "bench"  # measured speed: written by `make bench` alone
FIGURES = ROOT / "figures"  # published figures: written by `make publish` alone
NOTEBOOKS = ROOT / "notebooks"
BUILD = ROOT / "build"  # a reproducer's own runs: build/<profile>/


def shown(path: Path) -> str:
    """A path as printed: relative to the project if inside it, else the bare name."""
    path = path.resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def page(name: str) -> Path:
    """A page of the project, such as README.md."""
    return ROOT / name


def results_page() -> Path:
    """The page of the published records."""
    return RESULTS / "README.md"


def claims_table() -> Path:
    """The table of measured claims, as numbers for programs."""
    return RESULTS / "claims.csv"


def bench_page() -> Path:
    """The page of the measured speed."""
    return BENCH / "README.md"


def bench_picture() -> Path:
    """The picture of the compiled net's work by layer."""
    return BENCH / "kernel.png"


def bench_result(machine: str) -> Path:
    """The measured speed of a machine."""
    return BENCH / f"{machine}.json"


def finder_records(task: str) -> Path:
    """The records of the finders on a task."""
    return BENCH / "finders" / f"{task}.json"


def finders_picture() -> Path:
    """The picture of the finders' regrets."""
    return BENCH / "finders.png"


def cached(name: str) -> Path:
    """A decoded copy of data."""
    return DATA / "cache" / name


def download_lock(folder: Path) -> Path:
    """The lock of a folder while data are downloaded into it."""
    return folder / "download.lock"


def kernel(name: str) -> Path:
    """A compiled kernel."""
    return BUILD / "kernels" / name


def records(profile: str) -> Path:
    """The folder of a profile's records: build/<profile>/results/.

    Published ones: results/ for "published" (the paper's size), results/quick/ for "published quick", likewise laptop,
    and jpeg (the headline on the JPEG copy, for the deviation of that name alone).
    """
    match profile.split():
        case ["published"]:
            return RESULTS
        case ["published", place]:
            return RESULTS / place
        case _:
            return BUILD / profile / "results"


def record(name: str, folder: Path) -> Path:
    """A run's record in a folder of records."""
    return folder / f"{name}.json"


def checkpoint(name: str, folder: Path) -> Path:
    """A run's checkpoint, beside a folder of records."""
    return folder.parent / "checkpoints" / f"{name}.pt"


def lock(name: str, beside: Path) -> Path:
    """A lock, beside a folder of records or notebooks."""
    return beside.parent / "locks" / f"{name}.lock"


def notebooks(profile: str) -> Path:
    """The folder of the notebooks that were executed in a profile."""
    return BUILD / profile / "notebooks"


def figures(profile: str) -> Path:
    """The folder of the figures of a profile's own records."""
    return BUILD / profile / "figures"


def figure(name: str, kind: str, folder: Path) -> Path:
    """A figure as "png" or "svg", or its alternative text, "txt"."""
    return folder / f"{name}.{kind}"


def report(profile: str) -> Path:
    """The report of a profile."""
    return BUILD / profile / "report.html"


def own_report(name: str) -> Path:
    """The report on a user's own model."""
    return BUILD / "own_model" / f"{name}.html"


def bench_records(commit: str, kernels: str) -> Path:
    """The folder of the bench's records for one commit and one path."""
    return BUILD / "bench" / commit / kernels / "results"
