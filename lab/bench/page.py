"""The bench's numbers as Markdown: results/bench/README.md and the table of docs/speed.md."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from lab.bench import costs, kernel
from lab.claims.summary import Summary
from lab.show.tables import markdown

Bench = Mapping[str, Any]


def page(benches: Sequence[Bench]) -> str:
    """results/bench/README.md: all machines."""
    sections = "\n\n".join(section(bench) for bench in benches)
    gpu = "" if any(b["machine"]["device"] == "cuda" for b in benches) else "\n\nOn a GPU: not measured.\n"
    return f"# How fast\n\nWritten by `make bench`; do not edit.\n\n{sections}{_without_costs(benches)}{gpu}"


def _without_costs(benches: Sequence[Bench]) -> str:
    """A line for each machine whose nets were not measured, where another machine's were."""
    lacking = [b for b in benches if "costs" not in b]
    lines = [f"\n\nWhat each net takes on {machine_name(b)}: not measured." for b in lacking]
    return "".join(lines) if len(lacking) < len(benches) else ""


def machine_name(bench: Bench) -> str:
    return f"{bench['machine']['name']}, {bench['machine']['threads']} cores"


def speed_block(benches: Sequence[Bench]) -> str:
    """The lines of docs/speed.md, one for each machine."""
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
    text = ""
    for bench in benches:
        if "costs" in bench:
            nets = bench["costs"]["nets"]
            caffe, *others = costs.seconds_of_parts(nets).values()
            text += (
                "\n\nThe whole paper at full size, by arithmetic from what each net takes: "
                f"{caffe / 3600:,.0f} hours for the Caffe net and {sum(others) / 3600:,.0f} for all the others on one "
                f"{machine_name(bench)}; on eight of them {costs.on_machines(nets, 8) / 3600:,.0f} hours in all, on "
                f"sixty-four {costs.on_machines(nets, 64) / 3600:,.0f}."
            )
    return text and f"{text} On one GPU and on eight: not measured."


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
        _times(bench, rows.get("ours, float32", rows["ours"])["rate"]),  # apart where ours is bfloat16
        _times(bench, rows["ours"]["rate"]),
        f"{_times(bench, crowd[0])}, {crowd[1].split()[1]} runs",
        _times(bench, bench["rates"]["matrix"] / bench["operations"]),
        f"{min(others) / tests['clrlib']:.1f} x, {min(others) / alike:.1f} x" if others else "-",
        f"{rows['ours']['memory'] / 1000:.1f} GB",
    ]


def _times(bench: Bench, rate: float) -> str:
    return f"{rate:.1f} ({rate / usual(bench):.1f} x)"


def section(bench: Bench) -> str:
    """One machine: every table under its caption."""
    parts = [*_speeds(bench), *(_costs(bench) if "costs" in bench else ())]
    return "\n\n".join([_head(bench), *(f"{caption}\n\n{table}" for caption, table in parts)])


def _head(bench: Bench) -> str:
    """The machine and versions, and the terms that the tables use."""
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
        "SGD and CyclicLR. *Fused*: torch's layers, but Caffe's pooling and LRN from lab/nets/kernels. *Winograd*: "
        "the whole net in one compiled kernel, float32 ([how](../../docs/kernel.md)). "
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
        (_profile_caption(bench), profile_table(bench)),
        *([(KERNEL, kernel_table(bench))] if "kernel" in bench else []),
        (
            "A whole LR range test, 100 iterations. The others record the training loss; ours evaluates 500 held-out "
            "images at 21 rates besides. The first row is clrlib's test on clrlib's trainer, the second on what the "
            "others get: torch's layers in float32, a DataLoader, SGD.",
            ranges(bench),
        ),
        ("What is paid beside the net.", small_table(bench)),
        *([(_accuracy_caption(bench), accuracy_table(bench))] if "accuracy" in bench else [(NO_ACCURACY, "")]),
    ]


NO_ACCURACY = "The accuracy of both ways of computing, over five seeds, has not been measured on this machine."
KERNEL = (
    "The compiled net on one thread, batch 100: the whole iteration, and with one part left out. The work of its "
    "convolutions is counted: ![by layer, direct and by Winograd's algorithm](kernel.png)"
)


def kernel_table(bench: Bench) -> str:
    """The timings of the compiled net by part, and the rate of its remaining operations."""
    took = bench["kernel"]
    done = 100 * sum(c["products"] + c["transforms"] for c in kernel.work().values())
    rows = [[name, f"{ms:.2f} ms"] for name, ms in took.items()]
    rows.append(["its convolutions' operations", f"{done / 1e9:.2f} G"])
    rows.append(["over the whole iteration's time", f"{done / took['an iteration'] / 1e6:.0f} G a second"])
    return markdown(["", ""], rows)


def _profile_caption(bench: Bench) -> str:
    whose = " of the fused kernels" if "kernel" in bench else ""
    return f"Where the time of one thread's iteration{whose} goes, with the profiler's own cost in it."


def _costs(bench: Bench) -> list[tuple[str, str]]:
    """The costs of the nets, which may be from another day than the rest."""
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
    """The limit of direct convolution at the matrix rate, and our iterations beside it."""
    work, rates, ours = bench["operations"], bench["rates"], bench["trainers"]
    best = max(t["rate"] for name, t in ours.items() if name.startswith("ours") and "batch" not in name)
    limit = rates["matrix"] / work
    kinds = [name for name in rates if name.startswith("matrix, ")]
    if rates["matrix"] not in [rates[kind] for kind in kinds]:  # older records: that of their precision
        rates, kinds = (
            {**rates, f"matrix, {bench['precision']}": rates["matrix"]},
            [f"matrix, {bench['precision']}", *kinds],
        )
    rows = [
        ["floating-point operations an iteration, by direct convolution", f"{work / 1e9:.2f} G"],
        *([kind.replace("matrix", "matrix rate"), f"{rates[kind] / 1e9:,.0f} G a second"] for kind in kinds),
        ["copy rate, read and written", f"{rates['copy'] / 1e9:,.0f} GB a second"],
        [
            "iterations a second of direct convolution if nothing but products took time, at the higher matrix rate",
            f"{limit:.1f}, {limit / usual(bench):.1f} x the usual",
        ],
        _beside("one run", ours["ours"]["rate"] / limit),
        _beside("the best number of runs", best / limit),
        *_gains(bench),
    ]
    if "kernel" not in bench:
        spent = bench["profile"]
        convolutions = sum(ms for name, ms in spent.items() if name.startswith("convolution"))
        gain = f"{sum(spent.values()) / convolutions:.1f} x"
        rows.append(["left to gain where torch's convolutions stay, one thread", gain])
    return markdown(["", ""], rows)


def _beside(runs: str, share: float) -> list[str]:
    """A row with the share of the limit that is reached, which may exceed it."""
    if share > 1:
        return [f"past the matrix rate of direct convolution, {runs}", f"{share:.1f} times"]
    return [f"our share of that, {runs}", f"{100 * share:.0f} %"]


def _gains(bench: Bench) -> list[list[str]]:
    """Rows of our speed divided by that of the fused build, in each precision, for one run and several."""
    rows, ours = [], bench["trainers"]
    for name, t in ours.items():
        if name.startswith("fused"):
            crowd = name.split(", ")[-1]
            mine = ours[f"ours, {crowd}" if "side by side" in crowd else "ours"]
            rows.append([f"ours over {name}", f"{mine['rate'] / t['rate']:.2f} x"])
    if "fused, bfloat16" in ours:
        quicker = "ours" if ours["ours"]["rate"] >= ours["fused, bfloat16"]["rate"] else "fused, bfloat16"
        rows.append(["the faster, one run", quicker])
    return rows


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
    seeds = ", ".join(str(seed) for seed in range(len(values)))
    return markdown(["", f"seeds {seeds}", "mean ± sd"], rows)


def _accuracy_caption(bench: Bench) -> str:
    """The verdict whether the two differ, by the 95 % interval of the differences seed by seed."""
    a = bench["accuracy"]
    change = Summary(tuple(100 * (fast - plain) for fast, plain in zip(a["fast"], a["plain"], strict=True)))
    low, high = change.interval or (-math.inf, math.inf)
    judged = "within noise" if low <= 0 <= high else "more than noise"
    return (
        f"Test accuracy (%) of CLR by table 2 shortened to {a['iterations']:,} iterations, {a['data']}. The second row "
        f"less the first, seed by seed: {change.mean:+.2f} points, 95 % interval {low:+.2f} to {high:+.2f}: {judged}."
    )
