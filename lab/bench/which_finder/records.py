"""One record for each training: of a task, a seed and a contender, or a fixed rate of the grid. A file for a task."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from lab import files, paths
from lab.records import provenance

ALWAYS = ("scikit-learn", "scipy", "pandas")  # beside torch and numpy: whose texts and tables are learned


@dataclass(frozen=True)
class Record:
    """A suggestion of a contender, and its outcome.

    contender: its name, or "fixed" for a rate of the grid. rates: one that stays fixed, the two bounds of triangular2,
    or none. reason: why there is none. metric: on the test examples; None where nothing was trained or it diverged.
    chance: the metric without learning. seconds: the finder's own, of one CPU thread. steps: its optimizer steps.
    """

    task: str
    seed: int
    contender: str
    rates: tuple[float, ...]
    reason: str | None
    metric: float | None
    chance: float
    seconds: float
    steps: int
    versions: dict[str, str]
    commit: dict[str, Any]

    @property
    def name(self) -> str:
        """Its key in the file of its task."""
        rate = f" {self.rates[0]:g}" if self.contender == "fixed" else ""
        return f"seed {self.seed}, {self.contender}{rate}"


def origin(packages: Iterable[str] = ()) -> dict[str, Any]:
    """Versions and commit of this process, for its records."""
    more = {package: version(package) for package in (*ALWAYS, *packages)}
    return {"versions": provenance.versions() | more, "commit": _commit()}


@cache
def _commit() -> provenance.Commit:
    """As it was when the first record was made: what is committed meanwhile is not what runs."""
    return provenance.git()


def read(task: str) -> dict[str, Record]:
    """A task's records by name; none where nothing was run yet. Raises ValueError for a file that is not theirs."""
    path = paths.finder_records(task)
    if not path.exists():
        return {}
    try:
        records = [Record(**{**kept, "rates": tuple(kept["rates"])}) for kept in json.loads(path.read_text()).values()]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{paths.shown(path)} holds no records of finders ({error}); delete it and run again"
        ) from error
    return {record.name: record for record in records}


def write(task: str, records: Iterable[Record]) -> None:
    """Write all of a task's records, in the order of their names."""
    kept = {record.name: asdict(record) for record in records}
    files.write_atomically(paths.finder_records(task), files.to_json(dict(sorted(kept.items()))))
