"""What pages of the web site show beyond their files: each part stands where a page says `<!-- book: NAME -->`.

The parts are made from the records and tables that the repository holds; no number is written here.
"""

import csv
import json
import math
import re
from html import escape

from lab import experiments, paths
from lab.claims.claim import Claim
from lab.claims.groups import main_group
from lab.records import store
from lab.records.record import Record
from lab.show import figures

MARK = re.compile(r"<!-- book: (\w+) -->")
CLAIMS = paths.RESULTS / "claims.csv"
SCRIPTS = {
    "schedules": ("checks.js", "policies.js", "schedules.js"),
    "replay": ("replay.js",),
    "claims": ("claims.js",),
}


def with_parts(page: str) -> str:
    """The page with every part in its place. Raises ValueError for a part that there is not."""

    def part(mark: re.Match[str]) -> str:
        if mark[1] not in PARTS:
            raise ValueError(f"there is no part {mark[1]!r}; the book has {', '.join(PARTS)}")
        return PARTS[mark[1]]()

    return MARK.sub(part, page)


def scripts(body: str) -> list[str]:
    """The files of JavaScript that the parts in a page's HTML need, in order."""
    return [file for name, files in SCRIPTS.items() if f'class="clr-{name}"' in body for file in files]


def raw(html: str) -> str:
    return f"```{{raw}} html\n{html}\n```"


def schedules() -> str:
    """The place of the policies that move; without JavaScript the pictures of the page are what there is."""
    return raw('<div class="clr-schedules" role="group" aria-label="A policy to move"></div>')


def found() -> str:
    """The headline sentences, as the README has them from the records."""
    block = (paths.ROOT / "README.md").read_text().split("<!-- results: written by `make publish` -->")[1]
    return "\n".join(line for line in block.split("<!-- end of results -->")[0].splitlines() if line.startswith("- "))


def equal() -> str:
    """The fixed schedule and CLR after as many iterations, and when the fixed one has what CLR has at its end."""
    group = main_group(store.load_all(paths.records("published")))
    end = experiments.CLR_TABLE_2.iterations
    clr = Claim("", experiments.CLR_TABLE_2, "").measured(group)
    fixed = [r for r in group if r.run.experiment == experiments.FIXED.name]
    common = sorted(set.intersection(*(set(r.curves["iteration"]) for r in fixed))) if fixed else []
    after = {t: Claim("", experiments.FIXED, "", at=int(t)).measured(group) for t in common}
    if clr is None or after.get(end) is None:
        raise ValueError(f"no published record says where both schedules are after {end:,} iterations")
    first = next((t for t in common if t > end and after[t].mean >= clr.mean), None)
    caught = f"reaches CLR's last accuracy after {first:,} iterations" if first else "never reaches CLR's last accuracy"
    return (
        f"- After {end:,} iterations each: CLR {clr.percent()}, the fixed schedule, before its first drop, "
        f"{after[end].percent()}.\n- The fixed schedule {caught} (mean of its seeds)."
    )


def recorded() -> Record:
    """The training that is replayed: CLR by table 2, seed 0, evaluated every 100 iterations."""
    name = experiments.CLR_TABLE_2.name
    own = [r for r in store.load_all(paths.records("published")) if (r.run.experiment, r.run.seed) == (name, 0)]
    if len(own) != 1:
        raise ValueError(f"there are {len(own)} published records of {name} with seed 0; the book replays the one")
    return own[0]


def replay() -> str:
    """The recorded training as a picture that stands still in print, with its numbers for replay.js."""
    record = recorded()
    run, curves = record.run, record.curves
    tops = [1.08 * max(curves[name]) for name in ("test_accuracy", "lr")]
    data = {name: curves[name] for name in ("iteration", "lr", "test_accuracy")} | {"tops": tops}
    accuracy = panel("test accuracy (%)", record, "test_accuracy", tops[0], 100)
    rate = panel("learning rate", record, "lr", tops[1], 1)
    labels = "".join(label(t, run.iterations, "left", f"{t:,.0f}") for t in ticks(run.iterations))
    origin = f"{experiments.CLR_TABLE_2.title}, seed {run.seed}: {record.data['label']}, {run.precision}"
    caption = (
        f"{origin}, {record.machine['name']}; {len(curves['iteration'])} evaluations on the test images, "
        f"{100 * record.accuracy:.1f} % after {run.iterations:,} iterations. Record: {run.name}.json."
    )
    return raw(
        f'<figure class="clr-replay" role="group" aria-label="A recorded training">{accuracy}{rate}'
        f'<div class="clr-plot clr-foot"><div class="clr-x">{labels}</div>'
        f'<p class="clr-name clr-below">iteration</p></div><figcaption>{escape(caption)}</figcaption>'
        f'<script type="application/json">{json.dumps(data)}</script></figure>'
    )


def panel(name: str, record: Record, curve: str, top: float, unit: float) -> str:
    """One curve of the record as a line in a box of 1000 by 1000, with its axis."""
    ts, values = record.curves["iteration"], record.curves[curve]
    points = " ".join(f"{1000 * t / ts[-1]:.1f},{1000 - 1000 * y / top:.1f}" for t, y in zip(ts, values, strict=True))
    labels = "".join(label(y, top * unit, "bottom", f"{y:g}") for y in ticks(top * unit))
    spoken = f"{name} over {ts[-1]:,} iterations, from {values[0] * unit:.3g} to {values[-1] * unit:.3g}"
    return (
        f'<div class="clr-plot"><p class="clr-name">{name}</p><div class="clr-y">{labels}</div>'
        f'<div class="clr-area" role="img" aria-label="{escape(spoken)}">'
        '<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">'
        f'<polyline class="clr-{curve}" points="{points}"/></svg></div></div>'
    )


def ticks(top: float) -> list[float]:
    """Round numbers from 0 to top, six at most."""
    power = 10 ** math.floor(math.log10(top / 4))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if top / (m * power) <= 5)
    return [k * step for k in range(int(top / step + 1e-9) + 1)]


def label(value: float, top: float, side: str, text: str) -> str:
    return f'<span style="{side}: {100 * value / top:.2f}%">{text}</span>'


def claims() -> str:
    """Every measured claim, from the table for programs; columns as that table has them."""
    if not CLAIMS.is_file():
        raise ValueError(f"{paths.shown(CLAIMS)} is not there; make figures writes it")
    with CLAIMS.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(f"<tr>{''.join(map(cell, head, row))}</tr>" for row in rows)
    return raw(
        f'<div class="clr-claims"><div class="clr-wide" tabindex="0" role="region" aria-label="The claims">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div></div>"
    )


def cell(name: str, text: str) -> str:
    notebooks = [path.stem for path in sorted(paths.NOTEBOOKS.glob(f"{text}*.ipynb"))] if name == "notebook" else []
    inside = f'<a href="../notebooks/{notebooks[0]}.html">{escape(text)}</a>' if notebooks and text else escape(text)
    return f"<td>{inside}</td>"


def gallery() -> str:
    """Every figure with its alt text, below the question of the notebook that it comes from."""
    parts = []
    for notebook in sorted(paths.NOTEBOOKS.glob("*.ipynb")):
        own = [name for name in figures.FIGURES if name[:2] == notebook.name[:2]]
        if own:
            title = "".join(json.loads(notebook.read_text())["cells"][0]["source"]).splitlines()[0]
            parts += [f"#{title}", *map(figure, own), f"[To the notebook](../notebooks/{notebook.name})"]
    return "\n\n".join(parts)


def figure(name: str) -> str:
    alt = (paths.FIGURES / f"{name}.txt").read_text().strip()
    return f"""\
```{{figure}} ../figures/{name}.svg
:alt: {json.dumps(alt, ensure_ascii=False)}

{" ".join(str(figures.FIGURES[name].__doc__).split())}
```"""


PARTS = {"schedules": schedules, "found": found, "equal": equal, "replay": replay, "claims": claims, "gallery": gallery}
