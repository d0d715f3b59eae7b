"""Each notebook's answer in one sentence, filled in from the records."""

from collections import Counter
from collections.abc import Sequence

from clrlib.lab.claims import (
    ARCHITECTURES,
    AS_GOOD,
    CLAIMS,
    GUIDANCE,
    LATER,
    ONLY_THE_FALL,
    SIGMOID_GAIN,
    Claim,
    Summary,
    bounds_verdict,
    comparable,
    main_group,
    read_bounds,
)
from clrlib.lab.experiments import (
    CLR_TABLE_2,
    DECAY_4000,
    EXP,
    EXP_RANGE,
    EXP_RANGE_AMPLITUDE,
    FAMILIES,
    FIXED,
    IMAGENETTE,
    ONE_CYCLE,
    RANGE_TEST,
    SIGMOID_CLR,
    SIGMOID_FIXED,
    TABLE_3,
    Experiment,
)
from clrlib.lab.runs import Record
from clrlib.lab.tables import NO_VERDICT, PAPER_BOUNDS, measured, verdict

EXP_SAID = {
    EXP.name: "exp",
    EXP_RANGE.name: "exp_range, both bounds falling",
    EXP_RANGE_AMPLITUDE.name: "exp_range, only the amplitude falling",
}
TABLE_4_DIFFERENCES = [claim for claim in ARCHITECTURES if claim.rival in [f.rows()[1] for f in FAMILIES]]
IMAGENETTE_DIFFERENCES = [claim for claim in ARCHITECTURES if claim.row in IMAGENETTE and "triangular2" in claim.text]
EXPONENTIAL = [claim for claim in CLAIMS if claim.row.name in EXP_SAID and claim.rival is None]


def _verdicts(claims: Sequence[Claim], group: Sequence[Record]) -> str:
    """How often each verdict was reached.

    >>> _verdicts([], [])
    'nothing to judge'
    """
    counted = Counter(verdict(claim, group).split(":")[0] for claim in claims)
    words = {"-": "without a number to meet"}
    return ", ".join(f"{count} {words.get(kind, kind)}" for kind, count in counted.items()) or "nothing to judge"


def _accuracy(claim: Claim, group: Sequence[Record]) -> str:
    return measured(claim, group).replace(" (", " % (") if claim.measured(group) else "not run"


def range_test(records: Sequence[Record]) -> str:
    """Notebook 02 in one sentence."""
    own = [r for r in main_group(records) if r.run.experiment == RANGE_TEST.name]
    if not own:
        return "the LR range test was not run yet."
    bounds = read_bounds(own)
    judged = bounds_verdict(bounds) if comparable(own) else NO_VERDICT
    paper = f"The paper reads {PAPER_BOUNDS} from its figure 3."
    return f"the LR range test says: {bounds}. {paper} Verdict, within a factor of two: **{judged}**."


def fixed_vs_cyclical(records: Sequence[Record]) -> str:
    """Notebook 03 in one sentence."""
    return _two_rows(records, "the fixed schedule: {}; CLR by table 2: {}.", FIXED, CLR_TABLE_2, AS_GOOD)


def exponential(records: Sequence[Record]) -> str:
    """Notebook 05 in one sentence."""
    group = main_group(records)
    parts = [f"{EXP_SAID[claim.row.name]}: {_accuracy(claim, group)}" for claim in EXPONENTIAL]
    numbers = ", ".join(f"{claim.paper:.1f}" for claim in EXPONENTIAL)
    return f"{'; '.join(parts)}. The paper: {numbers}. Verdicts: **{_verdicts(EXPONENTIAL, group)}**."


def adaptive_methods(records: Sequence[Record]) -> str:
    """Notebook 06 in one sentence: how often each verdict was reached in table 3."""
    group = main_group(records)
    own = [claim for claim in CLAIMS if claim.notebook == "06" and claim.row in TABLE_3 and claim.rival is None]
    return f"of the {len(own)} accuracies of table 3: **{_verdicts(own, group)}**."


def decay_only(records: Sequence[Record]) -> str:
    """Notebook 04 in one sentence."""
    return _two_rows(records, "CLR by table 2: {}; falling alone: {}.", CLR_TABLE_2, DECAY_4000, ONLY_THE_FALL)


def _two_rows(records: Sequence[Record], sentence: str, first: Experiment, second: Experiment, claim: Claim) -> str:
    group = main_group(records)
    ends = []
    for row in (first, second):
        own = [r for r in group if r.run.experiment == row.name]
        if not own:
            ends.append("not run")
            continue
        accuracy = Summary(tuple(100 * r.accuracy for r in own)).text().replace(" (", " % (")
        ends.append(f"{accuracy} after {own[0].run.iterations:,} iterations")
    paper = f"The paper: {first.paper} and {second.paper}."
    return f"{sentence.format(*ends)} {paper} Verdict: **{verdict(claim, group)}**."


def sigmoid_batchnorm(records: Sequence[Record]) -> str:
    """Notebook 07 in one sentence."""
    ends = "with sigmoids and batch normalisation, the fixed rate: {}; CLR: {}."
    return _two_rows(records, ends, SIGMOID_FIXED, SIGMOID_CLR, SIGMOID_GAIN)


def residual_nets(records: Sequence[Record]) -> str:
    """Notebook 08 in one sentence: CLR against the original's rate, net by net."""
    return f"CLR against the fixed 0.1, in points: {_differences(records, TABLE_4_DIFFERENCES)}."


def imagenet_nets(records: Sequence[Record]) -> str:
    """Notebook 09 in one sentence: triangular2 against the fixed rate."""
    return f"triangular2 against the fixed rate, in points: {_differences(records, IMAGENETTE_DIFFERENCES)}."


def _differences(records: Sequence[Record], claims: Sequence[Claim]) -> str:
    group, parts = main_group(records), []
    for claim in claims:
        found = claim.measured(group)
        row = claim.row.title.replace(" on Imagenette", "")
        parts.append(f"{row} {found.text('+') if found else 'not run'}")
    return "; ".join(parts)


def choosing_the_cycle(records: Sequence[Record]) -> str:
    """Notebook 10 in one sentence: how often each verdict was reached."""
    return f"of the {len(GUIDANCE)} pieces of advice: **{_verdicts(GUIDANCE, main_group(records))}**."


def beyond(records: Sequence[Record]) -> str:
    """Notebook 11 in one sentence."""
    group = main_group(records)
    ours = f"1cycle with momentum: {_accuracy(LATER[0], group)}"
    return f"{ours}; its author published {ONE_CYCLE.paper} %. Verdict: **{verdict(LATER[0], group)}**."
