"""Sentences on a notebook's tables and exercises, filled in from the records."""

from collections.abc import Sequence

from lab.claims import AS_GOOD, CHANCE, TOLERANCE, Summary, by_seed, main_group
from lab.experiments import CLR_TABLE_2, CONTESTS, DECAY_4000, FIXED, IMAGENETTE, TABLE_3, TABLE_3_CONSTANT
from lab.records.record import Record

NOT_YET = "Not all that this needs was run yet."


def at_a_tenth(records: Sequence[Record], short: Sequence[Record]) -> str:
    """Notebook 03: how far CLR lies from the fixed schedule at the paper's size and in the short trainings."""
    whole, tenth = (AS_GOOD.measured(main_group(some)) for some in (records, short))
    if whole is None or tenth is None:
        return NOT_YET
    answer = "It falls further behind" if tenth.mean < whole.mean else "It does not fall further behind"
    return (
        f"{answer}: CLR less the fixed schedule, in points, is {tenth.text('+')} at a tenth of the iterations and "
        f"{whole.text('+')} at the paper's size. The fixed schedule has "
        f"{FIXED.iterations / CLR_TABLE_2.iterations:.1f} times as many iterations in both. A likely reason: in a "
        "short training the curves are still steep where they end, so that each iteration is worth more."
    )


def before_the_drops(records: Sequence[Record]) -> str:
    """Notebook 04: how far the fall alone lies behind table 2 before that drops its bounds, and at the end."""
    own = by_seed(main_group(records))
    clr, fall = own.get(CLR_TABLE_2.name, {}), own.get(DECAY_4000.name, {})
    both = sorted(fall.keys() & clr.keys())
    if not both:
        return NOT_YET
    there, end = (Summary(tuple(at(fall[seed]) - at(clr[seed]) for seed in both)) for at in (_before_drop, _end))
    text = (
        f"Falling alone less CLR, same seeds, in points: {there.text('+')} before table 2's first drop, and "
        f"{end.text('+')} at the end. The {abs(end.mean - there.mean):.1f} points between the two came while table 2 "
        "alone lowered its rates, so the rises alone do not explain them."
    )
    if len(clr) == 1:
        return f"{text} With one seed of CLR nobody knows how far chance alone moves the first."
    before, after = (max(ends) - min(ends) for ends in ([at(r) for r in clr.values()] for at in (_before_drop, _end)))
    sure = "such a difference may be chance" if abs(there.mean) <= before else "the difference is larger"
    return (
        f"{text} How sure is the first? CLR's {len(clr)} seeds lie {before:.1f} points apart there ({after:.1f} at the "
        f"end): {sure}."
    )


def _before_drop(record: Record) -> float:
    """Accuracy (%) at the last test before table 2 drops its bounds, after 16 of 25 parts."""
    drop = record.run.iterations * 16 // 25
    return 100 * record.accuracy_at(int(max(t for t in record.curves["iteration"] if t <= drop)))


def _end(record: Record) -> float:
    return 100 * record.accuracy


def tuned(records: Sequence[Record]) -> str:
    """Notebook 09: AlexNet's two winners of the short tuning beside the rate that nobody tuned and exp's."""
    own = by_seed(main_group(records))
    contest = next(contest for contest in CONTESTS if contest.name == "alexnet")
    rows = {row.name.removeprefix("alexnet-imagenette-"): row for row in IMAGENETTE}
    shown = (*contest.best(), rows["fixed"], rows["exp"], rows["exp-range"])
    ends = [Summary(tuple(_end(r) for r in own.get(row.name, {}).values())) for row in shown]
    if not all(each.values for each in ends):
        return NOT_YET
    fixed, clr, untuned, exp, exp_range = (each.percent() for each in ends)
    above = all(ends[2].mean > each.mean for each in ends[:2])
    told, how = ("above both", "how badly") if above else ("not above both", "what")
    return (
        f"Tuned on short trainings AlexNet's fixed rate ended at {fixed} and CLR at {clr}; the fixed {contest.rate:g} "
        f"that nobody tuned ended at {untuned}, {told}. The difference between the first two shows {how} short "
        f"trainings chose, not what CLR brings. Without any drops, exp ended at {exp} and exp_range at {exp_range}."
    )


def snapshots(records: Sequence[Record]) -> str:
    """Notebook 11: what the ensemble and the weight average of the kept nets do beside the last net alone."""
    told = []
    for record in (r for r in main_group(records) if r.run.snapshots and r.diverged_at is None):
        oldest, last = 100 * record.curves["ensemble_accuracy"][0], _end(record)
        ensemble, average = (100 * record.curves[f"{name}_accuracy"][-1] - last for name in ("ensemble", "average"))
        text = (
            f"{record.run.experiment}, seed {record.run.seed}: {ensemble:+.1f} points for the ensemble of all against "
        )
        text += f"the last net alone, {average:+.1f} for the weight average."
        if max(ensemble, average) < 0 and oldest < last:
            text += (
                f" Both lose: the older nets come from cycles that ended lower, the oldest at {oldest:.1f} % and the "
                f"last at {last:.1f} %, and have an equal voice."
            )
        told.append(text)
    return " ".join(told) or NOT_YET


def at_chance(records: Sequence[Record]) -> str:
    """Notebook 06: which trainings ended where a net that has learned nothing would, or diverged."""
    names = {row.name: row.title for row in (*TABLE_3, *TABLE_3_CONSTANT)}
    own = [r for r in main_group(records) if r.run.experiment in names]
    lost = [r for r in own if r.diverged_at is not None or _end(r) <= CHANCE + TOLERANCE]
    if not own:
        return NOT_YET
    ends = ("diverged" if r.diverged_at is not None else f"{_end(r):.1f} %" for r in lost)
    told = [f"{names[r.run.experiment]}, seed {r.run.seed}: {end}" for r, end in zip(lost, ends, strict=True)]
    which = f": {'; '.join(told)}" if told else ""
    return f"{len(lost)} of {len(own)} trainings diverged or ended at chance ({CHANCE:.0f} % with ten classes){which}."
