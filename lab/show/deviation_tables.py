"""Tables of what deviating from Caffe costs, as Markdown. The rows are no claims: nobody published such numbers."""

from collections.abc import Mapping, Sequence

from lab.claims import Summary, by_seed, groups, main_group
from lab.experiments import AS_CAFFE, BFLOAT16, CLR_TABLE_2, DEVIATIONS, FIXED
from lab.records.record import Record
from lab.show.tables import markdown

NOT_YET = "not run yet"
JPEG_SAID = (
    "The JPEG copy (every image re-encoded at a quality of about 75) against CIFAR-10 itself, at the paper's length, "
    "paired by seed. Not the images alone differ: the trainings on the copy ran in bfloat16, evaluation included, and "
    "drew one shuffled order a seed; those on CIFAR-10 itself run in float32 and in the file's order. The rows above "
    "say what these two do at a tenth of the length."
)


def deviations_table(records: Sequence[Record]) -> str:
    """Accuracy of each deviation, and the difference to the same seeds without. Here alone two precisions meet."""
    names = [row.name for row in (AS_CAFFE, *DEVIATIONS)]
    table = groups(r for r in records if r.run.experiment in names)
    kind = max(table, key=lambda kind: [r.run.experiment for r in table[kind]].count(AS_CAFFE.name), default=())
    other = [r for k, group in table.items() if k[:-1] == kind[:-1] for r in group]  # but for the precision
    own = by_seed([*table.get(kind, []), *(r for r in other if r.run.experiment == BFLOAT16.name)])
    plain = _ends(own.get(AS_CAFFE.name, {}))
    rows = []
    for row in (AS_CAFFE, *DEVIATIONS):
        ends = _ends(own.get(row.name, {}))
        rows.append([row.title, _told(ends), *(["-", "-"] if row is AS_CAFFE else _change(ends, plain))])
    return markdown(["table 2 in a tenth of its length", "accuracy (%)", "change", "95 % interval"], rows)


def jpeg_table(copy: Sequence[Record], records: Sequence[Record]) -> str:
    """The fixed schedule and table 2 on the JPEG copy and on CIFAR-10 itself. copy: the records of results/jpeg/."""
    on_copy, on_cifar10 = by_seed(copy), by_seed(main_group(records))
    rows = []
    for row in (FIXED, CLR_TABLE_2):
        ends, own = _ends(on_copy.get(row.name, {})), _ends(on_cifar10.get(row.name, {}))
        rows.append([row.title, _told(own), _told(ends), *_change(ends, own)])
    head = ["row", "CIFAR-10 (%)", "JPEG copy (%)", "copy less CIFAR-10, same seeds", "95 % interval"]
    return f"{JPEG_SAID}\n\n{markdown(head, rows)}"


def _ends(records: Mapping[int, Record]) -> dict[int, float]:
    """Accuracy (%) at the end by seed."""
    return {seed: 100 * record.accuracy for seed, record in records.items()}


def _told(ends: Mapping[int, float]) -> str:
    return Summary(tuple(ends[seed] for seed in sorted(ends))).text() if ends else NOT_YET


def _change(ends: Mapping[int, float], plain: Mapping[int, float]) -> list[str]:
    """The difference of the seeds that both have, and its interval."""
    change = Summary(tuple(ends[seed] - plain[seed] for seed in sorted(ends) if seed in plain))
    if not change.values:
        return ["-", "-"]
    spread = f"{change.interval[0]:.1f} to {change.interval[1]:.1f}" if change.interval else "-"
    return [change.text("+"), spread]
