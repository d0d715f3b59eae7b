"""The opening of REPRODUCTION.md: question, answer, data, hours, gaps; a second look; who measured before."""

from collections.abc import Sequence

from lab.claims import (
    AS_GOOD,
    CYCLE_CLAIMS,
    DEFINED,
    HEADLINE,
    VERDICTS,
    Claim,
    by_seed,
    main_group,
    not_run,
    sentence,
)
from lab.experiments import CLR_TABLE_2, FIXED
from lab.lines import duration
from lab.records.record import Record
from lab.show import tables

MARKS = ("<!-- at a glance: written by `make publish` -->", "<!-- end of at a glance -->")
QUESTION = "Does CLR reach after 25,000 iterations what the fixed schedule reaches after 70,000, and is it the cycles?"
WHY = (
    "Two cores train one row after another, the headline first. Full-size residual nets, CIFAR-100 and ImageNet need a "
    "GPU, which was not at hand."
)
LAST_BEFORE_DROP, MOCHAS = FIXED.policy.milestones[0], 49_000  # type: ignore[attr-defined]
MOCHA = "https://mochajl.readthedocs.io/en/latest/tutorial/cifar10.html"
DROPOUT = "https://github.com/wenwei202/caffe/issues/7"
CAFFE_PORT = "https://github.com/zchrissirhcz/Cyclical-Learing-Rates"
OTHERS = (
    ("Caffe's documentation", "the end, with the drops", "around 81; no log"),
    ("the paper", "the end, with the drops", f"{FIXED.paper}; one run"),
    (f"[Mocha.jl's published log]({MOCHA})", f"{MOCHAS:,}, before any drop", "76.6"),
    (f"[a Caffe port]({CAFFE_PORT})", "the end, seemingly without the drops", "78 to 79"),
    (f"[a variant with an extra dropout layer]({DROPOUT})", "the end", "79 to 80"),
    ("a Keras port", "the end", 'a "few percent shy" of 81'),
)


def at_a_glance(records: Sequence[Record], more: Sequence[Record] = ()) -> str:
    """The generated text. more: the other published records, which only count as compute."""
    group = main_group(records)
    measured = [claim for claim in CYCLE_CLAIMS if claim.measured(group)]
    rows = [
        ("question", QUESTION),
        ("answer", " ".join(sentence(claim, records) for claim in (*HEADLINE, *measured))),
        ("data and hardware", tables.measured_on(records)),
        ("compute", _compute([*records, *more])),
        ("not run", _not_run(records)),
        ("noise of the test set", _noise(group)),
        ("± and interval", DEFINED),
        ("the author", "L. N. Smith was not contacted."),
    ]
    parts = (tables.markdown(["", ""], rows), _second_look(group), _before(group))
    return "\n\n".join(part for part in parts if part)


def _compute(records: Sequence[Record]) -> str:
    """Wall time of all recorded trainings, diverged ones among them."""
    threads = sorted({r.machine["threads"] for r in records})
    where = f" on {' or '.join(map(str, threads))} thread{'s' if threads != [1] else ''} each" if threads else ""
    hours = duration(sum(r.seconds for r in records))
    return (
        f"{len(records)} recorded trainings, {hours}{where}, added up. Trainings that failed or were thrown away are "
        "not recorded, so their hours are missing here."
    )


def _not_run(records: Sequence[Record]) -> str:
    families = not_run(records)
    if not families:
        return "Every claim was measured."
    count = sum(family.claims for family in families)
    return f"{count} claims in {len(families)} families; [each with its command](results/README.md#not-run). {WHY}"


def _noise(group: Sequence[Record]) -> str:
    """Binomial standard deviation of an accuracy on the 10,000 test images."""
    fixed = Claim("", FIXED, "").measured(group)
    share = (fixed.mean if fixed and fixed.interval else FIXED.paper or 0.0) / 100
    sd = 100 * (share * (1 - share) / 10_000) ** 0.5
    return (
        f"Another 10,000 images of the same kind would move an accuracy of {100 * share:.0f} % by {sd:.1f} points "
        "(binomial standard deviation). The interval over seeds does not hold it; two policies tested on the same "
        "images share most of it."
    )


def _second_look(group: Sequence[Record]) -> str:
    """Units, data and base of comparison, where the headline's verdict is a no."""
    measured = AS_GOOD.measured(group)
    verdict = AS_GOOD.verdict(measured)
    if measured is None or verdict not in VERDICTS[2:]:
        return ""
    rows = by_seed(group)
    pairs = sorted(rows[FIXED.name].keys() & rows[CLR_TABLE_2.name].keys())
    both = [rows[name][seed] for seed in pairs for name in (FIXED.name, CLR_TABLE_2.name)]
    data = " and ".join(sorted({f"{r.data['label']}, SHA-256 {r.data['sha256'][:12]}…" for r in both}))
    same = "the same images for both" if len({r.data["sha256"] for r in both}) == 1 else "NOT the same images"
    precision = " and ".join(sorted({r.run.precision for r in both}))
    equal = Claim("", CLR_TABLE_2, "", FIXED, rival_at=CLR_TABLE_2.iterations).measured(group)
    lines = [
        f'### "CLR is as good as fixed" is {verdict}: a second look',
        f"- Units: percentage points of test accuracy; CLR less fixed is {measured.text('+')}.",
        f"- Data: {data}; {same}, {precision}.",
        f"- Base: pairs by seed ({', '.join(map(str, pairs))}), which share initial weights and batches; each training "
        f"at its own end, {CLR_TABLE_2.iterations:,} and {FIXED.iterations:,} iterations, as in table 1.",
    ]
    if equal and equal.interval:
        other = f"{equal.text('+')}, 95 % interval {equal.spread(paired=True)}"
        lines.append(f"- Another base: after {CLR_TABLE_2.iterations:,} iterations of both it is {other}.")
    return "\n".join((lines[0], "", *lines[1:]))


def _before(group: Sequence[Record]) -> str:
    """What others got with this net, our fixed runs beside them."""
    points = (
        (f"{MOCHAS:,}, before any drop", MOCHAS),
        (f"{LAST_BEFORE_DROP:,}, just before the first drop", LAST_BEFORE_DROP),
        ("the end, with the drops", FIXED.iterations),
    )
    ours = [("**this project, fixed**", when, _fixed_at(group, at)) for when, at in points]
    table = tables.markdown(["who", "after how many iterations", "test accuracy (%)"], [*ours, *OTHERS])
    return f"### Who measured this net before\n\n{table}"


def _fixed_at(group: Sequence[Record], at: int) -> str:
    measured = Claim("", FIXED, "", at=at).measured(group)
    return measured.text() if measured else "not run yet"
