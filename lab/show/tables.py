"""The table of claims as Markdown: paper, published, yours."""

from collections import Counter
from collections.abc import Iterable, Sequence

from lab.claims import CLAIMS, KINDS, Claim, bounds_verdict, comparable, main_group, read_bounds
from lab.claims.traced import FIGURE_3_BOUNDS
from lab.experiments import RANGE_TEST
from lab.records.record import Record

BOUNDS_CLAIM = "The LR range test gives these bounds"
PAPER_BOUNDS = " to ".join(f"{bound:g}" for bound in FIGURE_3_BOUNDS)
NO_VERDICT = "none: not the paper's size or data"
UNJUDGED = "without a verdict (not the paper's size or data)"  # the same, after a count
ONE_RUN = "no verdict: one run"
ALONE = "with one run, which gets no verdict"  # the same, after a count
NOTEBOOKS = {
    "02": "02_lr_range_test",
    "03": "03_fixed_vs_cyclical",
    "04": "04_decay_only",
    "05": "05_exponential",
    "06": "06_adaptive_methods",
    "07": "07_sigmoid_batchnorm",
    "08": "08_residual_nets",
    "09": "09_imagenet_nets",
    "10": "10_choosing_the_cycle",
    "11": "11_beyond",
}


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; a sentence where it has no rows.

    >>> print(markdown(["a", "b"], [["1", "2"]]))
    | a | b |
    |---|---|
    | 1 | 2 |
    >>> markdown(["a", "b"], [])
    'Nothing of this was run yet.'
    """
    if not rows:
        return "Nothing of this was run yet."
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("|" + "|".join(cell if cell == "---" else f" {cell} " for cell in line) + "|" for line in lines)


def claims_table(
    records: Sequence[Record],
    quick: Sequence[Record] = (),
    *,
    notebooks: str = "notebooks/",
    only: str | tuple[str, ...] = "",
) -> str:
    """Every claim: the paper's number, ours, the verdict, what the short runs of `quick` gave, the notebook.

    only: of some notebooks, by number.
    """
    group, short = main_group(records), main_group(quick)
    rows = [_claim_row(claim, group, short, notebooks) for claim in CLAIMS if claim.notebook.startswith(only)]
    if "02".startswith(only):
        rows.append(_bounds_row(group, short, notebooks))
    head = ["claim", "paper", "ours: mean ± sd (seeds)", "95 % interval", "verdict", "`quick`: short trainings", ""]
    return markdown(head, rows)


COMPARED = ("claim", "paper", "published", "yours", "yours against the paper")


def comparison_table(published: Sequence[Record], yours: Sequence[Record]) -> str:
    """Every claim: paper, published, yours, as `make reproduce` prints it."""
    return markdown(COMPARED, [row for rows in comparison_rows(published, yours).values() for row in rows])


def comparison_rows(published: Sequence[Record], yours: Sequence[Record]) -> dict[str, list[list[str]]]:
    """The same by notebook, by number."""
    ours, theirs = main_group(published), main_group(yours)
    rows: dict[str, list[list[str]]] = {number: [] for number in NOTEBOOKS}
    for claim in CLAIMS:
        cells = [claim.text, _paper(claim), measured(claim, ours), measured(claim, theirs), verdict(claim, theirs)]
        rows[claim.notebook].append(cells)
    bounds = [PAPER_BOUNDS, bounds_text(ours), bounds_text(theirs), _bounds_verdict(theirs)]
    rows["02"].append([BOUNDS_CLAIM, *bounds])
    return rows


def count_of_verdicts(records: Sequence[Record]) -> str:
    """One sentence: how many claims there are and how often each verdict was reached."""
    group = main_group(records)
    counts = Counter(kind(verdict(claim, group)) for claim in CLAIMS)
    judged = (f"{counts[k]} {k}" for k in ("reproduced", "direction only", "not reproduced"))
    rest = f"{counts['not run']} not run, {counts['-']} measured without a number to meet"
    one_run = f", {counts[kind(ONE_RUN)]} {ALONE}" if counts[kind(ONE_RUN)] else ""
    unjudged = f", {counts[NO_VERDICT]} {UNJUDGED}" if counts[NO_VERDICT] else ""
    return f"Of {len(CLAIMS)} claims about accuracy: {', '.join(judged)}, {rest}{one_run}{unjudged}."


def counted(verdicts: Iterable[str]) -> list[str]:
    """The count of each verdict.

    >>> counted(["-", "reproduced", "not run: `make publish ROWS=exp`", "-", ONE_RUN])
    ['2 without a number to meet', '1 reproduced', '1 not run', '1 with one run, which gets no verdict']
    >>> counted([NO_VERDICT])
    ["1 without a verdict (not the paper's size or data)"]
    """
    words = {
        "-": "without a number to meet",
        NO_VERDICT: UNJUDGED,
        kind(ONE_RUN): ALONE,
    }
    counts = Counter(map(kind, verdicts))
    return [f"{count} {words.get(verdict, verdict)}" for verdict, count in counts.items()]


def kind(verdict: str) -> str:
    """A verdict without what would train it.

    >>> kind("reproduced"), kind("not run: `make publish ROWS=exp`"), kind(ONE_RUN), kind(NO_VERDICT)
    ('reproduced', 'not run', 'no verdict', "none: not the paper's size or data")
    """
    return verdict if verdict == NO_VERDICT else verdict.split(":")[0]


def measured_on(records: Sequence[Record]) -> str:
    """One sentence: what the numbers were measured on."""
    group = main_group(records)
    if not group:
        return "No training of this size is recorded yet."
    data: dict[str, dict[str, None]] = {}  # the data sets of each profile, machine and precision
    for r in group:
        where = f"on {r.machine['name']} ({r.machine['device']}), {r.run.precision}, torch {r.versions['torch']}"
        label = f"{r.data['label']} (SHA-256 {r.data['sha256'][:12]}…)"
        data.setdefault(f"profile `{r.run.profile}`, {where}", {})[label] = None
    parts = [f"{' and '.join(sets)}, {where}" for where, sets in data.items()]
    return f"Measured on {'; and on '.join(parts)}."


def _claim_row(claim: Claim, group: Sequence[Record], short: Sequence[Record], notebooks: str) -> list[str]:
    ours = claim.measured(group)
    interval = ours.interval if ours else None
    return [
        claim.text,
        _paper(claim),
        measured(claim, group),
        f"{interval[0]:.1f} to {interval[1]:.1f}" if interval else "-",
        verdict(claim, group),
        measured(claim, short),
        _link(claim.notebook, notebooks),
    ]


def _bounds_row(group: Sequence[Record], short: Sequence[Record], notebooks: str) -> list[str]:
    cells = [BOUNDS_CLAIM, PAPER_BOUNDS, bounds_text(group), "-"]
    return [*cells, _bounds_verdict(group), bounds_text(short), _link("02", notebooks)]


def _bounds_verdict(group: Sequence[Record]) -> str:
    own = [r for r in group if r.run.experiment == RANGE_TEST.name]
    judged = bounds_verdict(read_bounds(own)) if own else "not run"
    return judged if comparable(own) else NO_VERDICT


def bounds_text(group: Sequence[Record]) -> str:
    """The bounds that the recorded range tests give together, for a table."""
    own = [r for r in group if r.run.experiment == RANGE_TEST.name]
    if not own:
        return "-"
    bounds = read_bounds(own)
    lost = sum(r.diverged_at is not None for r in own)
    diverged = f", {lost} diverged" if lost else ""
    if bounds.base_lr is None or bounds.max_lr is None:
        return f"no clear answer{diverged}"
    first = "≤ " if bounds.at_first_rate else ""
    return f"{first}{bounds.base_lr:.2g} to {bounds.max_lr:.2g} (n = {len(own)}{diverged})"


def verdict(claim: Claim, group: Sequence[Record]) -> str:
    """The verdict on the records of one group; where nothing was measured, at the paper's size with what trains it."""
    found = claim.measured(group)
    if found is None and any(r.run.profile != "paper" for r in group):
        return "not run"
    if found is None:
        if any(row is not None and row.waits_for for row in (claim.row, claim.rival)):
            return "not run: waits for `make choose`"
        rows = dict.fromkeys(row.name for row in (claim.row, claim.rival) if row is not None)
        seeds = f" SEEDS={claim.first_seed + 1}" if claim.first_seed else ""
        return f"not run: `make publish ROWS={','.join(rows)}{seeds}`"
    if not comparable([r for r in group if KINDS.get(r.run.experiment, ("cifar10", ""))[0] == claim.row.data]):
        return NO_VERDICT
    judged = claim.verdict(found)
    return ONE_RUN if len(found.values) == 1 and judged != "-" else judged


def _paper(claim: Claim) -> str:
    if claim.better or claim.said == 0:
        words = "better" if claim.better else "equivalent"
        return f"{words} (our reading)" if claim.reading else words
    return "-" if claim.paper is None else f"{claim.paper:{_sign(claim)}.1f}"


def measured(claim: Claim, group: Sequence[Record]) -> str:
    """Mean, sd and number of seeds, "-" where nothing was measured."""
    found = claim.measured(group)
    return "-" if found is None else found.text(_sign(claim))


def _sign(claim: Claim) -> str:
    return "+" if claim.rival else ""


def _link(number: str, notebooks: str) -> str:
    return f"[{number}]({notebooks}{NOTEBOOKS[number]}.ipynb)"
