"""`make bench`: time everything, print the tables, write results/bench/<device>.json and its page."""

import argparse
import json
import re
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import joblib
import torch

from lab import experiments, files, paths
from lab.bench import contenders, costs, kernel, limits, page, range_tests, small
from lab.bench.contenders import Iteration
from lab.bench.timing import FUSED, TORCHS, Contender, environment, time_all
from lab.cli import reproduce
from lab.nets import kernels
from lab.records import provenance, store
from lab.show import notebook
from lab.sweep import sweep
from lab.training import device

MARKS = ("<!-- how fast: written by `make bench` -->", "<!-- end of how fast -->")
SEEDS = range(5)


def trainers(precision: str, cores: int, on_cuda: bool) -> list[Contender]:
    """The loops that are compared, one run and several; then ours in other sizes."""
    threads = 1 if on_cuda else cores
    crowds = (2, 4, 8) if on_cuda else (cores, 2 * cores)
    rows = [
        Contender("usual, 0 workers", contenders.usual, (0, 100), cores),
        Contender(f"usual, {cores} workers", contenders.usual, (cores, 100), cores),
        Contender("ours, float32, torch's layers", contenders.ours, ("float32", 100), threads, environment=TORCHS),
        Contender("ours", contenders.ours, (precision, 100), threads),
        *(Contender(f"ours, {n} side by side", contenders.ours, (precision, 100), 1, n) for n in crowds),
        Contender("ours, one thread", contenders.ours, (precision, 100)),
        *(Contender(f"ours, one thread, batch {n}", contenders.ours, (precision, n)) for n in (25, 400)),
    ]
    if not on_cuda and kernels.load():
        for kind in ("float32", *(("bfloat16",) if limits.has_bfloat16() else ())):
            one, several = f"fused, {kind}", f"fused, {kind}, {cores} side by side"
            rows.append(Contender(one, contenders.ours, (kind, 100), threads, environment=FUSED))
            rows.append(Contender(several, contenders.ours, (kind, 100), 1, cores, FUSED))
    return list({row.name: row for row in rows}.values())


def range_test_rows(precision: str, threads: int) -> list[Contender]:
    """Whole range tests: ours and those of every installed peer."""
    tests: dict[str, Callable[..., Iteration]] = {
        "clrlib": partial(range_tests.ours, precision),
        "clrlib, the usual net and loader": range_tests.ours_on_the_usual_net,
    }
    tests |= range_tests.installed_peers()
    quiet = {"TQDM_DISABLE": "1"}
    return [Contender(n, make, (), threads, 1, quiet, warm_up=0, chunk=1, chunks=1) for n, make in tests.items()]


def accuracies(precision: str) -> dict[str, Any]:
    """Final accuracy of CLR by table 2, profile quick, five seeds: the plain path and the fast one."""
    images = notebook.images_for("quick")
    commit = str(provenance.git()["commit"])[:7]  # another commit's accuracies are not this one's
    measured: dict[str, Any] = {"data": images.label, "iterations": 0, "commit": commit}
    for path, kind, way in (("plain", "float32", "torch"), ("fast", precision, kernels.name())):
        runs = [experiments.CLR_TABLE_2.run("quick", seed, images.name, kind) for seed in SEEDS]
        folder = paths.bench_records(commit, path)
        with environment({"CLRLIB_KERNELS": way}):
            sweep.train_missing(runs, folder, jobs=1)  # in this process, where the setting holds
        measured["iterations"] = runs[0].iterations
        measured[path] = [store.read(paths.record(run.name, folder)).accuracy for run in runs]
    return measured


def bench(rounds: int) -> dict[str, Any]:
    """All measurements of `make bench`, as plain numbers."""
    results = circumstances()
    precision, cores = results["precision"], results["machine"]["threads"]
    contestants = trainers(precision, cores, results["machine"]["device"] == "cuda")
    results["trainers"] = {n: asdict(t) for n, t in time_all(contestants, rounds).items()}
    tests = time_all(range_test_rows(precision, cores), rounds=rounds)
    results["range_tests"] = {name: timing.milliseconds / 1000 for name, timing in tests.items()}
    with environment(TORCHS):  # whose operations can be counted
        results["operations"] = limits.operations(contenders.ours("float32", 100))
    torch.set_num_threads(cores)
    kinds = ("float32", *(("bfloat16",) if limits.has_bfloat16() else ()))
    rates = {f"matrix, {kind}": limits.matrix_rate(getattr(torch, kind)) for kind in kinds}
    results["rates"] = {"matrix": max(rates.values()), **rates, "copy": limits.copy_rate()}
    torch.set_num_threads(1)
    compiled = results["machine"]["kernels"] == "winograd"
    with environment(FUSED if compiled else {}):  # the profiler does not see into the compiled net
        results["profile"] = limits.where_time_goes(contenders.ours(precision, 100))
    if compiled:
        results["kernel"] = kernel.measure(rounds)
    results["import"] = small.import_seconds()
    results["step"] = {str(groups): small.step_microseconds(groups) for groups in (1, 100)}
    results["figures"] = small.figures_seconds()
    return results | {"costs": measure_costs()}


def circumstances() -> dict[str, Any]:
    """The machine, versions, commit and precision of the measurements. Compiles the kernels if they are missing."""
    where, precision = device.pick_device(), device.pick_precision()
    trained_with = kernels.name() if where.type == "cpu" else "torch"
    if trained_with == "winograd" and precision != "float32":
        trained_with = "fused"
    return {
        "machine": {**provenance.machine(where, trained_with), "threads": joblib.cpu_count(only_physical_cores=True)},
        "versions": provenance.versions(),
        "commit": provenance.git(),
        "precision": precision,
    }


def measure_costs() -> dict[str, Any]:
    """The cost of an iteration of each net, and the matrix rate measured right after it."""
    results = circumstances()
    precision, cores = results["precision"], results["machine"]["threads"]
    torch.set_num_threads(cores)
    results["nets"] = costs.measure(costs.NETS, precision, cores)
    return results | {"matrix_rate": limits.matrix_rate(getattr(torch, precision))}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of every timing; the median counts")
    parser.add_argument("--only-costs", action="store_true", help="measure what each net takes, and nothing else")
    parser.add_argument("--only-accuracies", action="store_true", help="train to compare accuracies, and nothing else")
    options = parser.parse_args(arguments)
    here = circumstances()
    path = paths.bench_result(file_name(here["machine"]["name"], here["machine"]["threads"]))
    before = json.loads(path.read_text()) if path.exists() else here
    if options.only_costs:  # beside what was measured before
        results = before | {"costs": measure_costs()}
    elif options.only_accuracies:
        torch.set_num_threads(here["machine"]["threads"])
        results = before | {"accuracy": accuracies(here["precision"])}
    else:
        results = bench(options.rounds)
        files.write_atomically(path, files.to_json(results))  # a stop now loses no timing
        torch.set_num_threads(results["machine"]["threads"])
        results["accuracy"] = accuracies(results["precision"])  # the longest part, which needs no idle machine
    files.write_atomically(path, files.to_json(results))
    publish()
    print(page.section(results))


def file_name(machine: str, cores: int) -> str:
    """A machine's file, without its ending.

    >>> file_name("AMD EPYC", 2)
    'amd-epyc-2-cores'
    """
    return re.sub(r"[^a-z0-9]+", "-", f"{machine} {cores} cores".lower()).strip("-")


def publish() -> None:
    """Write the page of all benches, and the lines of docs/speed.md."""
    benches = read_all()
    files.write_atomically(paths.bench_page(), page.page(benches).encode())
    files.write_atomically(paths.bench_picture(), kernel.drawn())
    speed = paths.page("docs/speed.md")
    text = reproduce.with_block(speed.read_text(), MARKS, page.speed_block(benches))
    files.write_atomically(speed, text.encode())


def read_all() -> list[dict[str, Any]]:
    """Every published bench, by file name."""
    return [json.loads(path.read_text()) for path in sorted(paths.BENCH.glob("*.json"))]


if __name__ == "__main__":
    main()
