"""Text that a program writes into the pages: the README's first screen, and the list of all rows."""

import math
from collections.abc import Sequence

from lab.claims import BOUNDS, CLAIMS, CONTROL_CLAIMS, HEADLINE, main_group, sentence
from lab.experiments import CATALOGUE, EQUAL
from lab.records.record import Record
from lab.show import tables

README_MARKS = ("<!-- results: written by `make publish` -->", "<!-- end of results -->")
NOT_YET = "not run yet"
FIGURE = (
    "![Test accuracy over iterations for the fixed schedule and the cyclical ones, the paper's curves in grey, the "
    "learning rates below.](figures/05_fixed_vs_cyclical.png)"
)
CYCLES = [claim for claim in CONTROL_CLAIMS if claim.text.startswith("The cycles:") or claim.at_least]
BUDGET = [claim for claim in CLAIMS if claim.row in EQUAL and claim.rival is None]


def readme_block(records: Sequence[Record]) -> str:
    """The text between the README's marks: the headlines, the controls, the rivals, the figure."""
    group = main_group(records)
    headlines = "\n".join(f"- {sentence(claim, records)}" for claim in (*HEADLINE, BOUNDS))
    return "\n\n".join((headlines, controls(group), rivals(group), FIGURE, tables.measured_on(records)))


def controls(group: Sequence[Record]) -> str:
    """Is it the cycles? The differences from the controls, in points."""
    title = "**Is it the cycles, or the drops?** Controls, seed against seed"
    if not any(claim.measured(group) for claim in CYCLES):
        return f"{title}: {NOT_YET}."
    return "\n".join([f"{title}:", "", *(f"- {claim.answer(group).sentence()}" for claim in CYCLES)])


def rivals(group: Sequence[Record]) -> str:
    """The schedules of today at one budget, the best first, those that diverged last."""
    title = f"**Against today's schedules**, {EQUAL[0].iterations:,} iterations each, every rate tuned in the same way"
    ends = [(ours, claim.row.title.split(",")[0]) for claim in BUDGET if (ours := claim.measured(group))]
    if not ends:
        return f"{title}: {NOT_YET}."
    ends.sort(key=lambda end: math.inf if math.isnan(end[0].mean) else -end[0].mean)
    missing = f" Not run yet: {len(BUDGET) - len(ends)} of {len(BUDGET)}." if len(ends) < len(BUDGET) else ""
    return f"{title}: {'; '.join(f'{title} {ours.percent()}' for ours, title in ends)}.{missing}"


def rows_page() -> str:
    """docs/rows.md: every row of the catalogue, as ROWS= takes it."""
    rows = [[f"`{row.name}`", row.title, f"{row.iterations:,}", row.source or "-"] for row in CATALOGUE]
    parts = (
        "# Rows",
        "Written by `make figures`; do not edit. `ROWS=fixed,clr-table2` trains these rows alone. The iterations are "
        "those of profile `paper`; the other profiles shorten them.",
        tables.markdown(["row", "what", "iterations", "in the paper"], rows),
    )
    return "\n\n".join(parts) + "\n"
