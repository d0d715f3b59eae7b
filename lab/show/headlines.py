"""Each notebook's answer in one sentence, filled in from the records."""

import math
from collections.abc import Sequence
from dataclasses import replace

from clrlib import Bounds, ExpRange
from lab.claims import (
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
    by_seed,
    comparable,
    main_group,
    read_bounds,
)
from lab.experiments import (
    CLR_TABLE_2,
    DECAY_4000,
    EQUAL,
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
from lab.experiments.residual import Family
from lab.records.record import Record
from lab.show.tables import NO_VERDICT, PAPER_BOUNDS, counted, kind, verdict

EXP_SAID = {
    EXP.name: "exp",
    EXP_RANGE.name: "exp_range, both bounds falling",
    EXP_RANGE_AMPLITUDE.name: "exp_range, only the amplitude falling",
}
FALLS_SHORT = "falling alone ends below CLR by table 2 (which, besides, drops its bounds)"
FALL_SAID = {
    "reproduced": FALLS_SHORT,
    "direction only": FALLS_SHORT,
    "not reproduced": "that falling alone ends below CLR by table 2 is not shown",
}
TABLE_4_DIFFERENCES = [claim for claim in ARCHITECTURES if claim.rival in [f.rows()[1] for f in FAMILIES]]
IMAGENETTE_DIFFERENCES = [claim for claim in ARCHITECTURES if claim.row in IMAGENETTE and "triangular2" in claim.text]
(EXP_GAIN,) = (claim for claim in CLAIMS if claim.row is EXP_RANGE and claim.rival is EXP)
EXPONENTIAL = [claim for claim in CLAIMS if claim.row.name in EXP_SAID and claim.rival is None]


def _verdicts(claims: Sequence[Claim], group: Sequence[Record]) -> str:
    """The count of each verdict.

    >>> _verdicts([], [])
    'nothing to judge'
    """
    return ", ".join(counted(verdict(claim, group) for claim in claims)) or "nothing to judge"


def _accuracy(claim: Claim, group: Sequence[Record]) -> str:
    found = claim.measured(group)
    return found.percent() if found else "not run"


def range_test(records: Sequence[Record]) -> str:
    """Notebook 02 in one sentence."""
    own = [r for r in main_group(records) if r.run.experiment == RANGE_TEST.name]
    if not own:
        return "the LR range test was not run yet."
    bounds = read_bounds(own)
    judged = bounds_verdict(bounds) if comparable(own) else NO_VERDICT
    paper = f"The paper reads {PAPER_BOUNDS} from its figure 3."
    return f"the LR range test says: {_rounded(bounds)}. {paper} Verdict, within a factor of two: **{judged}**."


def _rounded(bounds: Bounds) -> Bounds:
    """The same with two significant digits: the rates that were measured lie too far apart for more."""
    low, high = (rate and float(f"{rate:.2g}") for rate in (bounds.base_lr, bounds.max_lr))
    return replace(bounds, base_lr=low, max_lr=high)


def fixed_vs_cyclical(records: Sequence[Record]) -> str:
    """Notebook 03 in one sentence."""
    return _two_rows(records, "the fixed schedule: {}; CLR by table 2: {}.", FIXED, CLR_TABLE_2, AS_GOOD)


def exponential(records: Sequence[Record]) -> str:
    """Notebook 05: exp_range against exp, then the accuracies."""
    group = main_group(records)
    assert EXP_GAIN.at is not None and isinstance(EXP_RANGE.policy, ExpRange)
    cycles = EXP_GAIN.at / (2 * EXP_RANGE.policy.step_size)
    short = next((r.run.iterations / EXP.iterations for r in group if r.run.experiment in EXP_SAID), 1)
    gain = (
        f"exp_range after {EXP_GAIN.at * short:,.0f} iterations against exp after {EXP.iterations * short:,.0f}, in "
        f"points: {_difference(EXP_GAIN, group)}; the paper: {EXP_GAIN.paper:+.1f}. "
        f"Verdict: **{verdict(EXP_GAIN, group)}**. "
        f"That is after {cycles:g} cycles, where exp_range stands at the top of one."
    )
    parts = [f"{EXP_SAID[claim.row.name]}: {_accuracy(claim, group)}" for claim in EXPONENTIAL]
    numbers = ", ".join(f"{claim.paper:.1f}" for claim in EXPONENTIAL)
    accuracies = f"Accuracies: {'; '.join(parts)}. The paper: {numbers}."
    return f"{gain} {accuracies} Verdicts: **{_verdicts(EXPONENTIAL, group)}**."


def adaptive_methods(records: Sequence[Record]) -> str:
    """Notebook 06 in one sentence: how often each verdict was reached in table 3."""
    group = main_group(records)
    own = [claim for claim in CLAIMS if claim.notebook == "06" and claim.row in TABLE_3 and claim.rival is None]
    return f"of the {len(own)} accuracies of table 3: **{_verdicts(own, group)}**."


def decay_only(records: Sequence[Record]) -> str:
    """Notebook 04 in one sentence."""
    judged = verdict(ONLY_THE_FALL, main_group(records))
    answer = f"{FALL_SAID[kind(judged)]}. " if kind(judged) in FALL_SAID else ""
    return answer + _two_rows(records, "CLR by table 2: {}; falling alone: {}.", CLR_TABLE_2, DECAY_4000, ONLY_THE_FALL)


def _two_rows(records: Sequence[Record], sentence: str, first: Experiment, second: Experiment, claim: Claim) -> str:
    group = main_group(records)
    ends = []
    for row in (first, second):
        own = [r for r in group if r.run.experiment == row.name]
        if not own:
            ends.append("not run")
            continue
        accuracy = Summary(tuple(100 * r.accuracy for r in own)).percent()
        ends.append(f"{accuracy} after {own[0].run.iterations:,} iterations")
    found = claim.measured(group)
    pairs = f" The second less the first, same seeds, in points: {found.text('+')}." if found else ""
    paper = f"The paper: {first.paper} and {second.paper}."
    return f"{sentence.format(*ends)}{pairs} {paper} Verdict: **{verdict(claim, group)}**."


def sigmoid_batchnorm(records: Sequence[Record]) -> str:
    """Notebook 07 in one sentence."""
    ends = "with sigmoids and batch normalisation, the fixed rate: {}; CLR: {}."
    return _two_rows(records, ends, SIGMOID_FIXED, SIGMOID_CLR, SIGMOID_GAIN)


def residual_nets(records: Sequence[Record]) -> str:
    """Notebook 08: CLR against the original's rate and against the best of the three, net by net."""
    best = "; ".join(f"{family.title} {_against_best(records, family)}" for family in FAMILIES)
    return (
        f"CLR against the fixed 0.1, in points: {_differences(records, TABLE_4_DIFFERENCES)}. Against whichever of the "
        f"three fixed rates ended best on the same images: {best}."
    )


def _against_best(records: Sequence[Record], family: Family) -> str:
    group = main_group(records)
    clr, *fixed = family.rows()
    found = [(Claim("", clr, "08", row).measured(group), row) for row in fixed]
    measured = [(math.isnan(ours.mean), ours.mean, row.name, ours, row) for ours, row in found if ours]
    if not measured:
        return "not run"
    *_, ours, row = min(measured, key=lambda some: some[:3])
    return f"({row.title.split(', ')[1]}) {ours.text('+')}"


def imagenet_nets(records: Sequence[Record]) -> str:
    """Notebook 09 in one sentence: triangular2 against the fixed rate."""
    return f"triangular2 against the fixed rate, in points: {_differences(records, IMAGENETTE_DIFFERENCES)}."


def _differences(records: Sequence[Record], claims: Sequence[Claim]) -> str:
    group, parts = main_group(records), []
    for claim in claims:
        row = claim.row.title.replace(" on Imagenette", "")
        parts.append(f"{row} {_difference(claim, group)}")
    return "; ".join(parts)


def _difference(claim: Claim, group: Sequence[Record]) -> str:
    found = claim.measured(group)
    return found.text("+") if found else "not run"


def choosing_the_cycle(records: Sequence[Record]) -> str:
    """Notebook 10 in one sentence: how often each verdict was reached."""
    return f"of the {len(GUIDANCE)} pieces of advice: **{_verdicts(GUIDANCE, main_group(records))}**."


def beyond(records: Sequence[Record]) -> str:
    """Notebook 11: 1cycle, then the places of CLR's triangular2 and of schedule-free SGD at an equal budget."""
    group = main_group(records)
    ours = f"1cycle with momentum: {_accuracy(LATER[0], group)}"
    first = f"{ours}; its author published {ONE_CYCLE.paper} %. Verdict: **{verdict(LATER[0], group)}**."
    return f"{first} {_equal_budget(group)}"


def _equal_budget(group: Sequence[Record]) -> str:
    own = by_seed(group)
    ends = {row.name: Summary(tuple(100 * r.accuracy for r in own.get(row.name, {}).values())) for row in EQUAL}
    run = sorted((name for name in ends if ends[name].values), key=lambda name: _order(ends[name]))
    if not run:
        return f"The {len(EQUAL)} schedules at an equal budget: not run."
    parts = []
    for name, title in (("equal-triangular2", "triangular2"), ("equal-schedule-free", "schedule-free SGD")):
        told = ends[name].percent() if name in run else "not run"
        parts.append(f"{title}: {told}" + (f", place {run.index(name) + 1} of {len(run)}" if name in run else ""))
    iterations = next(iter(own[run[0]].values())).run.iterations
    return f"At an equal budget of {iterations:,} iterations, {'; '.join(parts)}."


def _order(ends: Summary) -> float:
    """The highest first, those that diverged last."""
    return math.inf if math.isnan(ends.mean) else -ends.mean
