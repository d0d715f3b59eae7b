"""Tables as Markdown, from claims and records: paper, published, yours; accuracies of rows; deviations."""

import re
from collections import Counter
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
IMAGES = {"cifar100": "CIFAR-100", "imagenet": "ImageNet", "imagenette": "Imagenette"}


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
    """Every claim that was measured: the paper's number, ours, the verdict, the short runs of `quick`, the notebook."""
    both = zip(claims.answers(records, only), claims.answers(quick, only), strict=True)
    measured = [pair for pair in both if {a.ours for a in pair} != {"-"}]
    long, short = [a for a, _ in measured], [a.ours for _, a in measured]
    table = {
        "claim": [a.claim for a in long],
        "paper": [a.paper for a in long],
        "ours: mean ± sd (seeds)": [a.ours for a in long],
        "95 % interval": [a.interval for a in long],
        "verdict": [a.judged for a in long],
        "`quick`: short trainings": short,
        "": [f"[{a.notebook}]({notebooks}{NOTEBOOKS[a.notebook]}.ipynb)" for a in long],
    }
    if not {*short} - {"-"}:
        del table["`quick`: short trainings"]
    return of(pd.DataFrame(table))


def not_run(records: Sequence[Record], *, notebooks: str = "notebooks/", only: str = "") -> str:
    """A line for each family of claims that was not measured, with the one command that trains its rows."""
    return "\n".join(_not_run(family, notebooks) for family in claims.not_run(records, only))


def _not_run(family: claims.Family, notebooks: str) -> str:
    name = NOTEBOOKS[family.notebook]
    on = "" if family.data == "cifar10" else f" on {IMAGES[family.data]}"
    ways = [f"`make publish ROWS={','.join(family.rows)}`"] if family.rows else []
    ways += [f"`make choose` first, for {len(family.waiting)} rows"] if family.waiting else []
    count = f"{family.claims} claim{'s' if family.claims > 1 else ''}"
    return f"- [{name.replace('_', ' ')}]({notebooks}{name}.ipynb){on}, {count}: {'; '.join(ways)}"


def claims_csv(records: Sequence[Record]) -> str:
    """Every claim that was measured as numbers, for programs: percent, or points for a difference."""
    table = answers(records)
    table = table[table.n > 0]
    bounds = table["mean"].isna()  # of the range test: two rates, or of trainings that diverged
    own = table["mean"].map("{:.3f}".format).where(~bounds, table.ours)
    columns = {
        **{name: table[name] for name in ("claim", "source", "notebook", "paper")},
        **{"ours": own, **{name: table[name] for name in ("sd", "n")}},
        **{"95% low": table.low, "95% high": table.high},
        **{name: table[name] for name in ("p", "verdict", "data", "precision", "profile")},
    }
    return str(pd.DataFrame(columns).to_csv(index=False, float_format="%.3f", lineterminator="\n"))


def tally(answers: Sequence[claims.Answer]) -> str:
    """How many claims have a verdict, and which."""
    counts = Counter(a.verdict for a in answers if a.verdict in claims.VERDICTS)
    each = ", ".join(f"{counts[verdict]} {verdict}" for verdict in claims.VERDICTS if counts[verdict])
    return f"{counts.total()} claims judged: {each}" if each else "No claim is judged yet"


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


def measured_on(*records: Sequence[Record]) -> str:
    """One sentence: what the numbers were measured on, each data set named once."""
    sets: dict[str, dict[str, None]] = {}  # where each data set was trained on
    for r in (r for some in records for r in main_group(some)):
        where = f"on {r.machine['name']} ({r.machine['device']}), {r.run.precision}, torch {r.versions['torch']}"
        label = plain(f"{r.data['label']} (SHA-256 {r.data['sha256'][:12]}…)")
        sets.setdefault(label, {})[f"profile `{r.run.profile}`, {plain(where)}"] = None
    parts = [f"{label}, {', and '.join(places)}" for label, places in sets.items()]
    return f"Measured on {'; and on '.join(parts)}." if parts else "No training of this size is recorded yet."
