"""Tables as Markdown, from claims and records: paper, published, yours; accuracies of rows; deviations."""

import re
from collections.abc import Sequence

import pandas as pd

from lab import claims
from lab.claims import Claim, main_group
from lab.experiments import Experiment
from lab.records import frame
from lab.records.record import Record

SPECIAL = re.compile(r"([\\`*_\[\]<~])")  # but for "|", which a table escapes
NOTEBOOKS = {
    "03": "03_lr_range_test",
    "05": "05_fixed_vs_cyclical",
    "06": "06_decay_only",
    "07": "07_exponential",
    "08": "08_adaptive_methods",
    "09": "09_sigmoid_batchnorm",
    "10": "10_residual_nets",
    "11": "11_imagenet_nets",
    "12": "12_choosing_the_cycle",
    "13": "13_beyond",
}


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; a sentence where it has no rows.

    >>> print(markdown(["a", "b"], [["1", "x|y"]]))
    | a | b |
    |---|---|
    | 1 | x\\|y |
    >>> markdown(["a", "b"], [])
    'Nothing of this was run yet.'
    """
    if not len(rows):
        return "Nothing of this was run yet."
    lines = [[str(cell).replace("|", "\\|") for cell in line] for line in (head, *rows)]
    first, *others = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join((first, f"|{'---|' * len(head)}", *others))


def plain(text: str) -> str:
    r"""Text as Markdown that reads as it is.

    >>> print(plain("my_cats [*] `x`"))
    my\_cats \[\*\] \`x\`
    """
    return SPECIAL.sub(r"\\\1", text)


def of(frame: pd.DataFrame) -> str:
    """A DataFrame as Markdown, without its index."""
    return markdown([*frame], frame.to_numpy().tolist())


def answers(records: Sequence[Record], only: str = "") -> pd.DataFrame:
    """Every claim, or those of one notebook: notebook, claim, paper, ours, unit, interval, verdict, train."""
    return pd.DataFrame(claims.answers(records, only))


def verdicts(records: Sequence[Record]) -> pd.DataFrame:
    """The number of claims with each verdict, by notebook; the verdicts in their order, then the reasons for none."""
    every = answers(records)
    table = pd.crosstab(every.notebook, every.verdict)
    order = [*(v for v in claims.VERDICTS if v in table), *(v for v in table if v not in claims.VERDICTS)]
    return table[order].reset_index()


def claims_table(
    records: Sequence[Record], quick: Sequence[Record] = (), *, notebooks: str = "notebooks/", only: str = ""
) -> str:
    """Every claim: the paper's number, ours, the verdict, what the short runs of `quick` gave, the notebook."""
    long, short = (claims.answers(some, only) for some in (records, quick))
    table = {
        "claim": [a.claim for a in long],
        "paper": [a.paper for a in long],
        "ours: mean ± sd (seeds)": [a.ours for a in long],
        "95 % interval": [a.interval for a in long],
        "verdict": [a.judged for a in long],
        "`quick`: short trainings": [a.ours for a in short],
        "": [f"[{a.notebook}]({notebooks}{NOTEBOOKS[a.notebook]}.ipynb)" for a in long],
    }
    return of(pd.DataFrame(table))


def comparison(published: Sequence[Record], yours: Sequence[Record], only: str = "") -> pd.DataFrame:
    """Every claim, or those of one notebook: paper, published, yours, as `make reproduce` prints it."""
    both = zip(claims.answers(published, only), claims.answers(yours, only), strict=True)
    rows = [[theirs.claim, theirs.paper, theirs.ours, mine.ours, mine.judged] for theirs, mine in both]
    return pd.DataFrame(rows, columns=["claim", "paper", "published", "yours", "yours against the paper"])


def ends(group: Sequence[Record], rows: Sequence[Experiment]) -> pd.DataFrame:
    """Accuracy at the end of each row, from the records of one group."""
    accuracies = [Claim(row.title, row, "").answer(group).ours for row in rows]
    iterations = [f"{row.iterations:,}" for row in rows]
    return pd.DataFrame({"row": [row.title for row in rows], "iterations": iterations, "accuracy (%)": accuracies})


def runs(group: Sequence[Record]) -> pd.DataFrame:
    """A line for each training: row, seed, iterations, accuracy (percent) at the end, where it diverged."""
    table = frame(group)[["experiment", "seed", "iterations", "accuracy", "diverged_at"]].round({"accuracy": 2})
    diverged_at = table.diverged_at.astype(object).where(table.diverged_at.notna(), "-")
    return table.assign(diverged_at=diverged_at)


def measured_on(records: Sequence[Record]) -> str:
    """One sentence: what the numbers were measured on."""
    sets: dict[str, dict[str, None]] = {}  # the data sets of each profile, machine and precision
    for r in main_group(records):
        where = f"on {r.machine['name']} ({r.machine['device']}), {r.run.precision}, torch {r.versions['torch']}"
        label = f"{r.data['label']} (SHA-256 {r.data['sha256'][:12]}…)"
        sets.setdefault(f"profile `{r.run.profile}`, {plain(where)}", {})[plain(label)] = None
    parts = [f"{' and '.join(labels)}, {where}" for where, labels in sets.items()]
    return f"Measured on {'; and on '.join(parts)}." if parts else "No training of this size is recorded yet."
