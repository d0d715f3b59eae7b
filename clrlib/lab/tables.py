"""The table of claims as Markdown: paper, published, yours."""

from collections import Counter
from collections.abc import Sequence

from clrlib.lab.claims import (
    AS_GOOD,
    CLAIMS,
    ONLY_THE_FALL,
    Claim,
    Summary,
    bounds_verdict,
    comparable,
    finished_range_tests,
    main_group,
    read_bounds,
)
from clrlib.lab.experiments import (
    CLR_TABLE_2,
    DECAY_4000,
    EXP,
    EXP_RANGE,
    EXP_RANGE_AMPLITUDE,
    FIXED,
    RANGE_TEST,
    TABLE_3,
    Experiment,
)
from clrlib.lab.paper import FIGURE_3_BOUNDS
from clrlib.lab.runs import Record

EXP_SAID = {
    EXP.name: "exp",
    EXP_RANGE.name: "exp_range, both bounds falling,",
    EXP_RANGE_AMPLITUDE.name: "exp_range, only the amplitude falling,",
}
EXPONENTIAL = [claim for claim in CLAIMS if claim.row.name in EXP_SAID and claim.rival is None]
PAPER_BOUNDS = " to ".join(f"{bound:g}" for bound in FIGURE_3_BOUNDS)
NO_VERDICT = "none: not the paper's size or data"
NOTEBOOKS = {
    "02": "02_lr_range_test",
    "03": "03_fixed_vs_cyclical",
    "04": "04_decay_only",
    "05": "05_exponential",
    "06": "06_adaptive_methods",
}


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table.

    >>> print(markdown(["a", "b"], [["1", "2"]]))
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("|" + "|".join(cell if cell == "---" else f" {cell} " for cell in line) + "|" for line in lines)


def claims_table(records: Sequence[Record], notebooks: str = "notebooks/", only: str | tuple[str, ...] = "") -> str:
    """Every claim: the paper's number, ours, the verdict, the notebook. only: of some notebooks, by number."""
    group = main_group(records)
    rows = [_claim_row(claim, group, notebooks) for claim in CLAIMS if claim.notebook.startswith(only)]
    if "02".startswith(only):
        rows.append(_bounds_row(group, notebooks))
    return markdown(["claim", "paper", "ours: mean ± sd (seeds)", "95 % interval", "verdict", "notebook"], rows)


def comparison_table(published: Sequence[Record], yours: Sequence[Record]) -> str:
    """Every claim: paper, published, yours, as `make reproduce` prints it."""
    ours, theirs = main_group(published), main_group(yours)
    rows = [
        [
            claim.text,
            _paper(claim),
            _measured(claim, ours),
            _measured(claim, theirs),
            _verdict(claim, theirs),
        ]
        for claim in CLAIMS
    ]
    rows.append(["The LR range test gives these bounds", PAPER_BOUNDS, bounds_text(ours), bounds_text(theirs), "-"])
    return markdown(["claim", "paper", "published", "yours", "yours against the paper"], rows)


def measured_on(records: Sequence[Record]) -> str:
    """One sentence: what the numbers were measured on."""
    group = main_group(records)
    if not group:
        return "Nothing was measured yet."
    first = group[0]
    data, machine = first.data, first.machine
    return (
        f"Measured on {data['label']} (SHA-256 {data['sha256'][:12]}…), profile `{first.run.profile}`, "
        f"on {machine['name']} ({machine['device']}), {first.run.precision}, torch {first.versions['torch']}."
    )


def _claim_row(claim: Claim, group: Sequence[Record], notebooks: str) -> list[str]:
    measured = claim.measured(group)
    interval = measured.interval if measured else None
    return [
        claim.text,
        _paper(claim),
        _measured(claim, group),
        f"{interval[0]:.1f} to {interval[1]:.1f}" if interval else "-",
        _verdict(claim, group),
        _link(claim.notebook, notebooks),
    ]


def _bounds_row(group: Sequence[Record], notebooks: str) -> list[str]:
    own = [r for r in group if r.run.experiment == RANGE_TEST.name]
    verdict = bounds_verdict(read_bounds(own)) if own else "not run"
    verdict = verdict if comparable(own) else NO_VERDICT
    cells = ["The LR range test gives these bounds", PAPER_BOUNDS, bounds_text(group), "-"]
    return [*cells, verdict, _link("02", notebooks)]


def bounds_text(group: Sequence[Record]) -> str:
    """What the recorded range tests say together, for a table."""
    own = [r for r in group if r.run.experiment == RANGE_TEST.name]
    if not own:
        return "-"
    bounds, n = read_bounds(own), len(finished_range_tests(own))
    diverged = f", {len(own) - n} diverged" if n < len(own) else ""
    if bounds.base_lr is None or bounds.max_lr is None:
        return f"no clear answer{diverged}"
    return f"{'≤ ' if bounds.at_first_rate else ''}{bounds.base_lr:.2g} to {bounds.max_lr:.2g} (n = {n}{diverged})"


def _verdict(claim: Claim, group: Sequence[Record]) -> str:
    measured = claim.measured(group)
    if not comparable(group):
        return NO_VERDICT
    verdict = claim.verdict(measured)
    return f"{verdict} (one seed)" if measured and len(measured.values) == 1 and verdict != "-" else verdict


def _paper(claim: Claim) -> str:
    return "-" if claim.paper is None else f"{claim.paper:{_sign(claim)}.1f}"


def _measured(claim: Claim, group: Sequence[Record]) -> str:
    measured = claim.measured(group)
    return "-" if measured is None else measured.text(_sign(claim))


def _sign(claim: Claim) -> str:
    return "+" if claim.rival else ""


def _link(number: str, notebooks: str) -> str:
    return f"[{number}]({notebooks}{NOTEBOOKS[number]}.ipynb)"


def range_test_headline(records: Sequence[Record]) -> str:
    """Notebook 02 in one sentence."""
    own = [r for r in main_group(records) if r.run.experiment == RANGE_TEST.name]
    if not own:
        return "the LR range test was not run yet."
    bounds = read_bounds(own)
    verdict = bounds_verdict(bounds) if comparable(own) else NO_VERDICT
    paper = f"The paper reads {PAPER_BOUNDS} from its figure 3."
    return f"the LR range test says: {bounds}. {paper} Verdict, within a factor of two: **{verdict}**."


def headline(records: Sequence[Record]) -> str:
    """Notebook 03 in one sentence."""
    return _two_rows(records, "the fixed schedule ends at {}; CLR by table 2 at {}.", FIXED, CLR_TABLE_2, AS_GOOD)


def exponential_headline(records: Sequence[Record]) -> str:
    """Notebook 05 in one sentence."""
    group = main_group(records)
    parts = [f"{EXP_SAID[claim.row.name]} {_measured(claim, group)}" for claim in EXPONENTIAL]
    numbers = ", ".join(f"{claim.paper:.1f}" for claim in EXPONENTIAL)
    return f"{'; '.join(parts)} (%). The paper: {numbers}. Verdicts: **{_verdicts(EXPONENTIAL, group)}**."


def adaptive_headline(records: Sequence[Record]) -> str:
    """Notebook 06 in one sentence: how often each verdict was reached in table 3."""
    group = main_group(records)
    own = [claim for claim in CLAIMS if claim.notebook == "06" and claim.row in TABLE_3 and claim.rival is None]
    return f"of the {len(own)} accuracies of table 3: **{_verdicts(own, group)}**."


def _verdicts(claims: Sequence[Claim], group: Sequence[Record]) -> str:
    """How often each verdict was reached.

    >>> _verdicts([], [])
    'nothing to judge'
    """
    counted = Counter(_verdict(claim, group) for claim in claims)
    return ", ".join(f"{count} x {verdict}" for verdict, count in counted.items()) or "nothing to judge"


def decay_headline(records: Sequence[Record]) -> str:
    """Notebook 04 in one sentence."""
    return _two_rows(records, "CLR by table 2 ends at {}; falling alone at {}.", CLR_TABLE_2, DECAY_4000, ONLY_THE_FALL)


def _two_rows(records: Sequence[Record], sentence: str, first: Experiment, second: Experiment, claim: Claim) -> str:
    group = main_group(records)
    ends = []
    for row in (first, second):
        own = [r for r in group if r.run.experiment == row.name]
        accuracy = Summary(tuple(100 * r.accuracy for r in own)).text().replace(" (", " % (") if own else "(not run)"
        ends.append(f"{accuracy} after {own[0].run.iterations if own else row.iterations:,} iterations")
    paper = f"The paper: {first.paper} and {second.paper}."
    return f"{sentence.format(*ends)} {paper} Verdict: **{_verdict(claim, group)}**."
