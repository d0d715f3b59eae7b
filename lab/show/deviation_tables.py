"""Tables of what deviating from Caffe costs, as Markdown. The rows are no claims: nobody published such numbers."""

from collections.abc import Sequence

from lab.claims import Claim, Summary, by_seed, groups, main_group
from lab.experiments import AS_CAFFE, BFLOAT16, CLR_TABLE_2, DEVIATIONS, FIXED, Experiment
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
    own = [r for r in table.get(kind, []) if r.run.experiment != BFLOAT16.name]
    own += [r for r in other if r.run.experiment == BFLOAT16.name]
    rows = [[AS_CAFFE.title, _end(AS_CAFFE, own), "-", "-"]]
    for row in DEVIATIONS:
        change = Claim("", row, "", AS_CAFFE).answer(own)
        rows.append([row.title, _end(row, own), change.ours, change.interval])
    return markdown(["table 2 in a tenth of its length", "accuracy (%)", "change", "95 % interval"], rows)


def jpeg_table(copy: Sequence[Record], records: Sequence[Record]) -> str:
    """The fixed schedule and table 2 on the JPEG copy and on CIFAR-10 itself. copy: the records of results/jpeg/."""
    own, rows = main_group(records), []
    for row in (FIXED, CLR_TABLE_2):
        there, here = (by_seed(some).get(row.name, {}) for some in (copy, own))
        both = sorted(there.keys() & here.keys())
        change = Summary(tuple(100 * (there[seed].accuracy - here[seed].accuracy) for seed in both))
        differences = [change.text("+"), change.spread(paired=True)] if both else ["-", "-"]
        rows.append([row.title, _end(row, own), _end(row, copy), *differences])
    head = ["row", "CIFAR-10 (%)", "JPEG copy (%)", "copy less CIFAR-10, same seeds", "95 % interval"]
    return f"{JPEG_SAID}\n\n{markdown(head, rows)}"


def _end(row: Experiment, group: Sequence[Record]) -> str:
    ours = Claim("", row, "").answer(group).ours
    return NOT_YET if ours == "-" else ours
