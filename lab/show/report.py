"""build/<profile>/report.html: what `make reproduce` found, in one file that needs neither network nor this project."""

import base64
import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from lab import files, paths
from lab.claims import main_group
from lab.records.record import Record
from lab.show import figures, headlines, tables

TEMPLATE = Path(__file__).with_name("report.html")
ANSWERS = (headlines.fixed_vs_cyclical, headlines.decay_only, headlines.range_test)
SOURCE = ("data (SHA-256)", "profile", "machine", "precision", "versions", "commits", "records")
NOT_RUN = "Not run: what the profile leaves out, what has no data here, and what was not trained yet."
MARKED = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")


def write(profile: str, published: Sequence[Record], yours: Sequence[Record]) -> Path:
    """Write the report of the records and of the figures drawn from them, whole or not at all; where it is.

    Raises FileNotFoundError for a figure that was not drawn.
    """
    page = render(profile, published, yours, {"published": paths.FIGURES, "yours": paths.figures(profile)})
    files.write_atomically(paths.report(profile), page.encode())
    return paths.report(profile)


def render(profile: str, published: Sequence[Record], yours: Sequence[Record], folders: dict[str, Path]) -> str:
    """The page. folders: of figures, by whose they are. All text is escaped, wherever it is from."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters |= {"inline": _inline, "spaced": _spaced, "kind": _kind}
    rows = tables.comparison_rows(published, yours)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        profile=profile,
        answers=[f"{text[0].upper()}{text[1:]}" for text in (answer(yours) for answer in ANSWERS)],
        verdicts=f"{_counted([row[-1] for of_notebook in rows.values() for row in of_notebook])} {NOT_RUN}",
        columns=tables.COMPARED,
        groups={tables.NOTEBOOKS[number]: of_notebook for number, of_notebook in rows.items()},
        figures=[
            {"name": name, "images": {whose: _image(folder, name) for whose, folder in folders.items()}}
            for name in figures.FIGURES
        ],
        source_columns=SOURCE,
        measured_on=tables.measured_on(yours),
        sources={"published": sources(published), "yours": sources(yours)},
    )


def _counted(verdicts: Sequence[str]) -> str:
    """The count of each verdict in the table.

    >>> _counted(["reproduced", "-", "not run: `make publish ROWS=exp`", "-"])
    'Of 4 claims: 1 reproduced; 2 without a number to meet; 1 not run.'
    """
    return f"Of {len(verdicts)} claims: {'; '.join(tables.counted(verdicts))}."


def _image(folder: Path, name: str) -> dict[str, str]:
    svg = base64.b64encode((paths.figure(name, "svg", folder)).read_bytes()).decode()
    return {"svg": svg, "alt": (paths.figure(name, "txt", folder)).read_text(encoding="utf-8").strip()}


def sources(records: Sequence[Record]) -> list[list[str]]:
    """A row for each data set, profile, machine and software that records of the table come from: see SOURCE."""
    commits: dict[tuple[str, ...], list[dict[str, None]]] = {}
    for r in main_group(records):
        machine = f"{r.machine['name']} ({r.machine['device']}), threads: {r.machine['threads']}"
        kernels = f", kernels: {r.machine['kernels']}" if "kernels" in r.machine else ""
        data = f"{r.data['label']} ({r.data['sha256'][:12]}…)"
        versions = ", ".join(f"{name} {version}" for name, version in r.versions.items())
        place = data, r.run.profile, f"{machine}{kernels}", r.run.precision, versions
        commits.setdefault(place, []).append(dict.fromkeys(map(_commit, r.commits)))
    return [
        [*place, ", ".join(dict.fromkeys(commit for some in of_records for commit in some)), str(len(of_records))]
        for place, of_records in commits.items()
    ]


def _commit(commit: dict[str, Any]) -> str:
    return f"{(commit['commit'] or 'none')[:10]}{' with changes' if commit['dirty'] else ''}"


def _inline(text: str) -> str:
    """Escaped, with Markdown's `code` and **strong** as HTML.

    >>> _inline("`make <x>` is **done**")
    '<code>make &lt;x&gt;</code> is <strong>done</strong>'
    """

    def marked(found: re.Match[str]) -> str:
        return f"<code>{found[1]}</code>" if found[1] else f"<strong>{found[2]}</strong>"

    return MARKED.sub(marked, html.escape(text))


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _kind(verdict: str) -> str:
    """A verdict without what follows it.

    >>> _kind("reproduced"), _kind("not run: `make publish ROWS=exp`")
    ('reproduced', 'not run')
    """
    return re.split(r" \(|:", verdict)[0]
