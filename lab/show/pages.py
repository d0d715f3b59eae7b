"""Text that a program writes into the pages: README, REPRODUCTION.md, results/README.md, docs/rows.md."""

import math
from collections.abc import Sequence

from lab import claims
from lab.claims import BOUNDS, CLAIMS, CONTROL_CLAIMS, CYCLE_CLAIMS, HEADLINE, main_group, sentence
from lab.experiments import CATALOGUE, EQUAL
from lab.records.record import Record
from lab.show import deviation_tables, glance, tables

README_MARKS = ("<!-- results: written by `make publish` -->", "<!-- end of results -->")
DEVIATION_MARKS = ("<!-- deviations: written by `make publish` -->", "<!-- end of deviations -->")
NOT_YET = "not run yet"
FIGURES = (
    "![Test accuracy over iterations, fixed and cyclical, paper in grey; rates below."
    "](figures/05_fixed_vs_cyclical.png)\n\n"
    "![Forest plot: ours less the paper's, by verdict.](figures/forest.png)"
)
CONTROLS = [claim for claim in CONTROL_CLAIMS if claim in CYCLE_CLAIMS or claim.at_least]
BUDGET = [claim for claim in CLAIMS if claim.row in EQUAL and claim.rival is None]
RESULTS_OPENING = (
    "Every claim that was measured, beside the paper's number; as numbers for programs in [claims.csv](claims.csv). "
    "What ± and the interval are stands in [REPRODUCTION.md](../REPRODUCTION.md#at-a-glance)."
)
FOLDERS = (
    "One JSON file a run: here those of the paper's size, in `quick/` the short ones, in `laptop/` the large nets at "
    "the size of two cores, in `jpeg/` the headline on the JPEG copy, which the deviation of that name alone reads. "
    "Records of format 1 (on that copy, in bfloat16) are in the history: commit `d3b365e` is the last with them. "
    "`make publish` writes this page."
)
Block = tuple[str, tuple[str, str], str]  # a page's name, the marks in it, the text between them


def blocks(records: Sequence[Record], short: Sequence[Record], copy: Sequence[Record]) -> list[Block]:
    """The generated parts of the pages that people write. short: of quick and laptop; copy: of results/jpeg/."""
    return [
        ("README.md", README_MARKS, readme_block(records)),
        ("REPRODUCTION.md", glance.MARKS, glance.at_a_glance(records, [*short, *copy])),
        ("REPRODUCTION.md", DEVIATION_MARKS, deviations_block(records, copy)),
    ]


def deviations_block(records: Sequence[Record], copy: Sequence[Record]) -> str:
    return f"{deviation_tables.deviations_table(records)}\n\n{deviation_tables.jpeg_table(copy, records)}"


def results_page(records: Sequence[Record], quick: Sequence[Record]) -> str:
    """results/README.md: what was measured, what was not, where the records are."""
    parts = (
        "# Results",
        RESULTS_OPENING,
        f"{tables.tally(claims.answers(records))}.",
        tables.claims_table(records, quick, notebooks="../notebooks/"),
        tables.measured_on(records, quick),
        "## Not run",
        tables.not_run(records, notebooks="../notebooks/") or "Everything was run.",
        "## The records",
        FOLDERS,
    )
    return "\n\n".join(parts) + "\n"


def readme_block(records: Sequence[Record]) -> str:
    """The text between the README's marks: the headlines, the controls, the rivals, the figures."""
    group = main_group(records)
    headlines = "\n".join(f"- {sentence(claim, records)}" for claim in (*HEADLINE, BOUNDS))
    return "\n\n".join((headlines, controls(group), rivals(group), FIGURES, tables.measured_on(records)))


def controls(group: Sequence[Record]) -> str:
    """Is it the cycles? The differences from the controls, in points."""
    title = "**Is it the cycles, or the drops?** Controls, seed by seed"
    if not any(claim.measured(group) for claim in CONTROLS):
        return f"{title}: {NOT_YET}."
    return "\n".join([f"{title}:", "", *(f"- {claim.answer(group).sentence()}" for claim in CONTROLS)])


def rivals(group: Sequence[Record]) -> str:
    """The schedules of today at one budget, the best first, those that diverged last."""
    title = f"**Against today's schedules**, {EQUAL[0].iterations:,} iterations each, all tuned alike"
    ends = [(ours, claim.row.title.split(",")[0]) for claim in BUDGET if (ours := claim.measured(group))]
    if not ends:
        return f"{title}: {NOT_YET}."
    ends.sort(key=lambda end: math.inf if math.isnan(end[0].mean) else -end[0].mean)
    missing = f" Not run yet: {len(BUDGET) - len(ends)} of {len(BUDGET)}." if len(ends) < len(BUDGET) else ""
    counts = {f" {claims.seeds(len(ours.values))}" for ours, _ in ends}
    same = counts.pop() if len(counts) == 1 else ""  # the number of seeds once, where it is the same for all
    each = "; ".join(f"{name} {ours.percent().removesuffix(same)}" for ours, name in ends)
    return f"{title}{same}: {each}.{missing}"


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
