"""The bench's numbers as Markdown: results/bench/README.md and the table of docs/speed.md."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from lab.bench import costs
from lab.show.tables import markdown

Bench = Mapping[str, Any]


def page(benches: Sequence[Bench]) -> str:
    """results/bench/README.md: all machines."""
    sections = "\n\n".join(section(bench) for bench in benches)
    gpu = "" if any(b["machine"]["device"] == "cuda" for b in benches) else "\n\nOn a GPU: not measured.\n"
    return f"# How fast\n\nWritten by `make bench`; do not edit.\n\n{sections}{_without_costs(benches)}{gpu}"


def _without_costs(benches: Sequence[Bench]) -> str:
    """A line for each machine that lacks what another has: what the nets take."""
    lacking = [b for b in benches if "costs" not in b]
    lines = [f"\n\nWhat each net takes on {machine_name(b)}: not measured." for b in lacking]
    return "".join(lines) if len(lacking) < len(benches) else ""


def machine_name(bench: Bench) -> str:
    return f"{bench['machine']['name']}, {bench['machine']['threads']} cores"


def speed_block(benches: Sequence[Bench]) -> str:
    """A line for each machine: what docs/speed.md says."""
    rows = [_row(bench) for bench in benches]
    head = ["machine", "usual loop", "ours in float32", "ours", "ours, side by side", "limit", "range test", "memory"]
    gpu = "" if any(b["machine"]["device"] == "cuda" for b in benches) else " On a GPU: not measured."
    return (
        f"{markdown(head, rows)}\n\nIterations a second of the Caffe net, batch 100, in brackets how often the usual "
        "loop's (a DataLoader over torchvision's CIFAR-10, float32, torch's SGD and CyclicLR). Limit: if the products "
        "ran at the machine's matrix rate and nothing else took time. Side by side: several runs of one thread each, "
        "added up. Range test: the quickest other library's time over ours on our trainer; then over ours on the usual "
        "loop, where ours takes longer if below 1, since it evaluates held-out images too. Memory: of one training "
        f"process.{gpu}{_whole_paper(benches)}"
    )


def _whole_paper(benches: Sequence[Bench]) -> str:
    """A sentence for each machine whose costs were measured."""
    told = ""
    for bench in benches:
        if "costs" in bench:
            nets = bench["costs"]["nets"]
            caffe, *others = costs.seconds_of_parts(nets).values()
            told += (
                "\n\nThe whole paper at full size, by arithmetic from what each net takes: "
                f"{caffe / 3600:,.0f} hours for the Caffe net and {sum(others) / 3600:,.0f} for all the others on one "
                f"{machine_name(bench)}; on eight of them {costs.on_machines(nets, 8) / 3600:,.0f} hours in all, on "
                f"sixty-four {costs.on_machines(nets, 64) / 3600:,.0f}."
            )
    return told and f"{told} On one GPU and on eight: not measured."


def _row(bench: Bench) -> list[str]:
    if "trainers" not in bench:
        return [machine_name(bench), *["not measured"] * 7]
    rows, tests = bench["trainers"], bench["range_tests"]
    crowd = max((t["rate"], name) for name, t in rows.items() if "side by side" in name)
    others = [seconds for name, seconds in tests.items() if not name.startswith("clrlib")]
    alike = tests["clrlib, the usual net and loader"]
    return [
        machine_name(bench),
        f"{usual(bench):.1f}",
        _times(bench, rows["ours, float32"]["rate"]),
        _times(bench, rows["ours"]["rate"]),
        f"{_times(bench, crowd[0])}, {crowd[1].split()[1]} runs",
        _times(bench, bench["rates"]["matrix"] / bench["operations"]),
        f"{min(others) / tests['clrlib']:.1f} x, {min(others) / alike:.1f} x" if others else "-",
        f"{rows['ours']['memory'] / 1000:.1f} GB",
    ]


def _times(bench: Bench, rate: float) -> str:
    return f"{rate:.1f} ({rate / usual(bench):.1f} x)"


def section(bench: Bench) -> str:
    """One machine: every table, each under a line that says what it shows."""
    parts = [*_speeds(bench), *(_costs(bench) if "costs" in bench else ())]
    return "\n\n".join([_head(bench), *(f"{caption}\n\n{table}" for caption, table in parts)])


def _head(bench: Bench) -> str:
    """Where it was measured, and the words that the tables use."""
    machine, commit = bench["machine"], str(bench["commit"]["commit"])[:7]
    commit += " with uncommitted changes" if bench["commit"]["dirty"] else ""
    title = f"## {machine_name(bench)} ({machine['device']})\n\n"
    made = f"torch {bench['versions']['torch']}, {bench['precision']}, kernels: {machine['kernels']}, commit {commit}. "
    if "trainers" not in bench:
        return f"{title}{made}The trainer beside the usual loop: not measured."
    return (
        f"{title}{made}Medians of rounds in which all rows take turns; pictures are random, the batch is 100 if no "
        "other is named. "
        "*Usual*: a DataLoader with 0 or more worker processes over torchvision's CIFAR-10, float32, torch's layers, "
        "SGD and CyclicLR. *Kernels: fused*: Caffe's pooling and LRN from lab/nets/kernels in place of torch's. "
        "*Side by side*: processes of one thread each, their iterations added up. *lr_mult*: a multiplier of the rate "
        "that a parameter group may have."
    )


def _speeds(bench: Bench) -> list[tuple[str, str]]:
    """The trainer's own tables, where it was measured."""
    if "trainers" not in bench:
        return []
    return [
        ("One iteration of the Caffe net. The ratio is to the faster of the usual loops.", trainers_table(bench)),
        (
            "How far from the machine's limit. Matrix rate: operations a second, the best of a 2048 x 2048 product and "
            "of the net's larger convolutions, on all cores.",
            limits_table(bench),
        ),
        ("Where the time of one thread's iteration goes, with the profiler's own cost in it.", profile_table(bench)),
        (
            "A whole LR range test, 100 iterations. The others record the training loss; ours evaluates 500 held-out "
            "images at 21 rates besides. The first row is clrlib's test on clrlib's trainer, the second on what the "
            "others get: torch's layers in float32, a DataLoader, SGD.",
            ranges(bench),
        ),
        ("What is paid beside the net.", small_table(bench)),
        (_accuracy_caption(bench), accuracy_table(bench)),
    ]


def _costs(bench: Bench) -> list[tuple[str, str]]:
    """What the nets take; it may have been measured on another day than the rest."""
    measured = bench["costs"]
    commit = str(measured["commit"]["commit"])[:7]
    return [
        (
            f"What each net takes, one training on all cores, {measured['precision']}, commit {commit}. The images are "
            "random and lie in memory, two batches of them: reading ImageNet's files is not in the time, nor a whole "
            "data set in the memory. GB: the process's peak, or that of the GPU's memory. Operations: forward and "
            "backward, 2 for each multiply-add; the mean where stochastic depth draws another net at each step. Hours: "
            "of that training's iterations, without its evaluations.",
            costs.table(measured["nets"], measured["matrix_rate"]),
        ),
        (
            "What the whole paper costs on this machine, by arithmetic from the table above, not measured: iterations "
            "of every row of the catalogue at the paper's size, times its seeds in the paper (five in table 4, else "
            "one), times the net's time; variants of the Caffe net count as itself. Trainings do not depend on each "
            "other, so several such machines share them; no number of machines is quicker than the longest training.",
            costs.whole_paper(measured["nets"]),
        ),
    ]


def usual(bench: Bench) -> float:
    """Iterations a second of the faster usual loop."""
    return float(max(t["rate"] for name, t in bench["trainers"].items() if name.startswith("usual")))


def trainers_table(bench: Bench) -> str:
    rows = []
    for name, t in bench["trainers"].items():
        ratio = f"{t['rate'] / usual(bench):.1f}" if "batch" not in name else "-"
        rows.append([name, f"{t['milliseconds']:.1f}", f"{t['rate']:.1f}", ratio, f"{t['memory']:,.0f}"])
    return markdown(
        ["", "ms an iteration", "iterations a second, in all", "ratio", "MB, without loader processes"], rows
    )


def limits_table(bench: Bench) -> str:
    """The share of the matrix rate that our iterations reach, and the ratio that the limit itself would have."""
    work, rates, ours = bench["operations"], bench["rates"], bench["trainers"]
    best = max(t["rate"] for name, t in ours.items() if name.startswith("ours") and "batch" not in name)
    limit = rates["matrix"] / work
    spent = bench["profile"]
    convolutions = sum(ms for name, ms in spent.items() if name.startswith("convolution"))
    rows = [
        ["floating-point operations an iteration", f"{work / 1e9:.2f} G"],
        [f"matrix rate, {bench['precision']}", f"{rates['matrix'] / 1e9:,.0f} G a second"],
        ["matrix rate, float32", f"{rates['matrix, float32'] / 1e9:,.0f} G a second"],
        ["copy rate, read and written", f"{rates['copy'] / 1e9:,.0f} GB a second"],
        [
            "iterations a second if nothing but products took time",
            f"{limit:.1f}, {limit / usual(bench):.1f} x the usual",
        ],
        ["our share of that, one run", f"{100 * ours['ours']['rate'] / limit:.0f} %"],
        ["our share of that, the best number of runs", f"{100 * best / limit:.0f} %"],
        ["left to gain where torch's convolutions stay, one thread", f"{sum(spent.values()) / convolutions:.1f} x"],
    ]
    return markdown(["", ""], rows)


def profile_table(bench: Bench) -> str:
    total = sum(bench["profile"].values())
    rows = [[name, f"{ms:.2f}", f"{100 * ms / total:.0f} %"] for name, ms in bench["profile"].items()]
    return markdown(["", "ms", "share"], rows)


def ranges(bench: Bench) -> str:
    tests = bench["range_tests"]
    rows = [[name, f"{s:.1f}", f"{s / tests['clrlib']:.1f}"] for name, s in tests.items()]
    return markdown(["", "seconds", "times ours"], rows)


def small_table(bench: Bench) -> str:
    imports, step = bench["import"], bench["step"]
    rows = [
        ["import torch", f"{imports['torch']:.2f} s"],
        ["import clrlib, torch included", f"{imports['clrlib']:.2f} s"],
    ]
    for groups, took in step.items():
        times = " / ".join(f"{name} {microseconds:.1f} µs" for name, microseconds in took.items())
        rows.append([f"one scheduler step, {groups} parameter group{'s' if groups != '1' else ''}", times])
    rows.append(["every figure from the published records", f"{bench['figures']:.1f} s"])
    return markdown(["", ""], rows)


def accuracy_table(bench: Bench) -> str:
    rows = []
    for name, said in (
        ("plain", "float32, torch's layers"),
        ("fast", f"{bench['precision']}, kernels: {bench['machine']['kernels']}"),
    ):
        values = [100 * v for v in bench["accuracy"][name]]
        spread = f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}"
        rows.append([said, ", ".join(f"{v:.2f}" for v in values), spread])
    return markdown(["", "seeds 0, 1, 2", "mean ± sd"], rows)


def _accuracy_caption(bench: Bench) -> str:
    a = bench["accuracy"]
    return f"Test accuracy (%) of CLR by table 2 shortened to {a['iterations']:,} iterations, {a['data']}."
