"""build/<profile>/report.html: the results of `make reproduce` in one file that needs neither network nor project."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lab import claims, files, paths
from lab.records.record import Record
from lab.show import figures, page, tables

ANSWERS = (*claims.HEADLINE, claims.ONLY_THE_FALL, claims.BOUNDS)
NOT_RUN = "Not run: what the profile leaves out, what has no data here, and what was not trained yet."
OPENING = (
    "The results of `make reproduce` with profile `{profile}`, beside *Cyclical Learning Rates for Training Neural "
    "Networks* (L. N. Smith, arXiv 1506.01186) and what this project published. {measured_on}"
)


def write(profile: str, published: Sequence[Record], yours: Sequence[Record]) -> Path:
    """Write the report of the records and of the figures drawn from them, whole or not at all; where it is.

    Raises FileNotFoundError for a figure that was not drawn.
    """
    folders = {"published": paths.FIGURES, "yours": paths.figures(profile)}
    title = f"Cyclical learning rates: paper, published, yours ({profile})"
    text = "\n\n".join((_answers(profile, yours), *_notebooks(published, yours, folders), _sources(published, yours)))
    files.write_atomically(paths.report(profile), page.page(title, text).encode())
    return paths.report(profile)


def _answers(profile: str, yours: Sequence[Record]) -> str:
    opening = OPENING.format(profile=profile, measured_on=tables.measured_on(yours))
    bullets = "\n".join(f"- {claims.sentence(claim, yours)}" for claim in ANSWERS)
    return f"{opening}\n\n{bullets}\n\n{claims.DEFINED} {NOT_RUN}"


def _notebooks(published: Sequence[Record], yours: Sequence[Record], folders: dict[str, Path]) -> list[str]:
    """For each notebook its claims, then its figures, published and yours side by side."""
    numbers = sorted({name[:2] for name in (*figures.FIGURES, *tables.NOTEBOOKS)})
    parts = []
    for number in numbers:
        drawn = [name for name in figures.FIGURES if name.startswith(number)]
        title, *_ = [tables.NOTEBOOKS[number]] if number in tables.NOTEBOOKS else drawn
        parts.append(f"## {title.replace('_', ' ')}")
        if number in tables.NOTEBOOKS:
            parts.append(tables.of(tables.comparison(published, yours, number)))
        for name in drawn:
            pair = [_image(folder, name, whose) for whose, folder in folders.items()]
            parts.append(tables.markdown([*folders], [pair]))
    return parts


def _image(folder: Path, name: str, whose: str) -> str:
    alt = paths.figure(name, "txt", folder).read_text(encoding="utf-8")
    svg = paths.figure(name, "svg", folder).read_bytes()
    return page.image(svg, f"{name.replace('_', ' ')}, {whose}. {alt}")


def _sources(published: Sequence[Record], yours: Sequence[Record]) -> str:
    """A line for each data set, profile, machine and software that records of the tables come from."""
    rows = [
        {
            "whose": whose,
            "data (SHA-256)": f"{r.data['label']} ({r.data['sha256'][:12]}…)",
            "profile": r.run.profile,
            "machine": f"{r.machine['name']} ({r.machine['device']}), threads: {r.machine['threads']}, "
            f"kernels: {r.machine['kernels']}",
            "precision": r.run.precision,
            "versions": ", ".join(f"{name} {version}" for name, version in r.versions.items()),
            "commits": f"{(commit['commit'] or 'none')[:10]}{' with changes' if commit['dirty'] else ''}",
            "records": r.run.name,
        }
        for whose, records in (("published", published), ("yours", yours))
        for r in claims.main_group(records)
        for commit in r.commits
    ]
    heading = "## What was measured on what"
    if not rows:
        return f"{heading}\n\nNothing was measured."
    frame = pd.DataFrame(rows).map(tables.plain)
    place = [name for name in frame if name not in ("commits", "records")]
    merged = frame.groupby(place, sort=False, as_index=False).agg(
        {"commits": lambda commits: ", ".join(commits.unique()), "records": "nunique"}
    )
    return f"{heading}\n\n{tables.of(merged)}"
