"""The cost of each net at its own image size and batch, and from these the cost of the whole paper."""

import heapq
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import torch

from lab import experiments
from lab.bench.contenders import Iteration
from lab.bench.limits import operations
from lab.bench.timing import TORCHS, Contender, environment, time_all
from lab.data.image_sets import ImageSet
from lab.data.order import generator
from lab.experiments import Experiment
from lab.experiments.run import Run
from lab.show.tables import markdown
from lab.training.device import keep_freed_memory, pick_device
from lab.training.loop import Training

SIDES = {"cifar10": 32, "cifar100": 32, "imagenette": 128, "imagenet": 256}  # pixels of the images as they are held
SEEDS = {"Table 4": 5}  # the paper's trainings of a row; one of all others
CHUNK, CHUNKS = 8, 3  # steps that are timed together where one alone says little, and how often
NETS = {  # a row that trains it, and the profile whose size is meant
    "Caffe's cifar10_full": ("fixed", "paper"),
    "ResNet-56": ("resnet-clr", "paper"),
    "ResNet-110, stochastic depth": ("sd-clr", "paper"),
    "DenseNet-40": ("densenet-clr", "paper"),
    "AlexNet, ImageNet": ("alexnet-triangular2", "paper"),
    "GoogLeNet, ImageNet": ("googlenet-triangular2", "paper"),
    "AlexNet, Imagenette": ("alexnet-imagenette-triangular2", "paper"),
    "GoogLeNet, Imagenette": ("googlenet-imagenette-triangular2", "paper"),
    "ResNet-20": ("resnet-clr", "laptop"),
    "ResNet-20, stochastic depth": ("sd-clr", "laptop"),
    "DenseNet-22": ("densenet-clr", "laptop"),
}
Cost = Mapping[str, Any]


def training(row: str, profile: str, precision: str, batch: int | None = None) -> Training:
    """A training of the row on random images of its size, enough for two batches."""
    (experiment,) = experiments.named([row])
    run = experiment.run(profile, 0, "made", precision)
    run = replace(run, batch=batch or run.batch, hold_out=False)
    count, side, classes = 2 * run.batch, SIDES[experiment.data], 1000 if experiment.data == "imagenet" else 10
    random = generator(0, "costs")
    images = torch.randint(256, (count, 3, side, side), dtype=torch.uint8, generator=random)
    labels = torch.randint(classes, (count,), generator=random)
    names = tuple(str(k) for k in range(classes))
    made = ImageSet("made", "random images", names, images, labels, images[:10], labels[:10], "", "random")
    return Training(run, made.to(pick_device()))


def iterations_of(row: str, profile: str, precision: str, batch: int | None = None) -> Iteration:
    """One iteration of that training, as the trainer does it."""
    keep_freed_memory()
    trained = training(row, profile, precision, batch)
    trained.set_mode(training=True)
    batches = trained.images.batches(trained.order, 0, trained.run.iterations)

    def iteration(_: int) -> None:
        trained.step(*next(batches))
        trained.schedule.step()

    return iteration


def measure(names: Iterable[str], precision: str, threads: int) -> dict[str, dict[str, float]]:
    """Milliseconds, memory (MB) and operations of an iteration of some of NETS, each in its own process."""
    timings = time_all([contender(name, precision, threads) for name in names], rounds=1)
    return {
        name: {"milliseconds": t.milliseconds, "memory": t.memory, "operations": counted(name, precision)}
        for name, t in timings.items()
    }


def contender(name: str, precision: str, threads: int) -> Contender:
    """The timing of a net: several steps at once where steps are short or differ in cost, else single steps.

    Steps are short on a GPU and for the Caffe net; they differ in cost with stochastic depth. On a CPU the nets for
    large images take many seconds a step and get one warm-up step, all others three.
    """
    run, on_cuda = run_of(name), pick_device().type == "cuda"
    chunk = CHUNK if on_cuda or run.net.startswith("caffe") or draws_depth(name) else 1
    what, warm_up = (*NETS[name], precision), 1 if run.crop and not on_cuda else 3
    return Contender(name, iterations_of, what, threads, warm_up=warm_up, chunk=chunk, chunks=CHUNKS)


def counted(name: str, precision: str, few: int = 4) -> float:
    """Operations of an iteration, scaled up from a few images; with stochastic depth the mean over several steps."""
    with environment(TORCHS):
        iteration = iterations_of(*NETS[name], precision, batch=few)
        steps = CHUNK * CHUNKS if draws_depth(name) else 1
        return statistics.mean(operations(iteration) for _ in range(steps)) * run_of(name).batch / few


def draws_depth(name: str) -> bool:
    """True for a net with stochastic depth, which skips different blocks at each step."""
    return run_of(name).net.endswith("_sd")


def run_of(name: str) -> Run:
    """The run that a net is measured with."""
    row, profile = NETS[name]
    return experiments.named([row])[0].run(profile, 0, "made", "bfloat16")


def table(costs: Mapping[str, Cost], matrix_rate: float) -> str:
    """A line for each net, with the hours of its whole training, evaluations not counted."""
    rows = []
    for name, cost in costs.items():
        run, seconds = run_of(name), cost["milliseconds"] / 1000
        rows.append(
            [
                f"{name}, batch {run.batch}",
                f"{1 / seconds:.2f}",
                f"{run.batch / seconds:,.0f}",
                f"{cost['memory'] / 1000:.1f}",
                f"{cost['operations'] / 1e9:,.1f}",
                f"{100 * cost['operations'] / seconds / matrix_rate:.0f} %",
                f"{run.iterations:,}",
                _hours(run.iterations * seconds),
            ]
        )
    head = ["", "iterations a second", "images a second", "GB", "G operations an iteration", "of the matrix rate"]
    return markdown([*head, "iterations of one training", "its hours"], rows)


PARTS = {
    "the Caffe net: tables 1 to 3, figures 3, 4 and 6, what came after": experiments.CAFFE_NET,
    "table 4, CIFAR-10, five seeds": (*experiments.TABLE_4, *experiments.RESIDUAL_RANGE_TESTS),
    "table 4, CIFAR-100, five seeds": experiments.TABLE_4_CIFAR100,
    "AlexNet and GoogLeNet on ImageNet": experiments.IMAGENET,
    "AlexNet and GoogLeNet on Imagenette": experiments.IMAGENETTE,
    "CLR beside rates tuned as carefully, where both sides were tuned (that itself is short)": experiments.TUNED,
}


MACHINES = (1, 8, 64)


def whole_paper(costs: Mapping[str, Cost]) -> str:
    """Hours of every part of the catalogue at the paper's size, on one such machine and on several."""
    trainings = {part: _trainings(rows, costs) for part, rows in PARTS.items()}
    trainings["in all"] = [seconds for each in list(trainings.values()) for seconds in each]
    rows = [[part, *(_hours(spread(each, machines)) for machines in MACHINES)] for part, each in trainings.items()]
    return markdown(["", "hours on one", *(f"on {machines}" for machines in MACHINES[1:])], rows)


def seconds_of_parts(costs: Mapping[str, Cost]) -> dict[str, float]:
    """Seconds that each of PARTS takes on this machine, one training after the other."""
    return {part: sum(_trainings(rows, costs)) for part, rows in PARTS.items()}


def on_machines(costs: Mapping[str, Cost], machines: int) -> float:
    """Seconds of the whole paper on several such machines."""
    return spread((seconds for rows in PARTS.values() for seconds in _trainings(rows, costs)), machines)


def spread(trainings: Iterable[float], machines: int) -> float:
    """Seconds until all machines are done. Longest first, each training goes to the machine that is free first.

    >>> spread([3.0, 1.0, 1.0, 1.0], machines=2), spread([3.0, 1.0], machines=8)
    (3.0, 3.0)
    """
    busy = [0.0] * machines
    for seconds in sorted(trainings, reverse=True):
        heapq.heapreplace(busy, busy[0] + seconds)
    return max(busy)


def _trainings(rows: Iterable[Experiment], costs: Mapping[str, Cost]) -> list[float]:
    """Seconds of every training of some rows."""
    return [row.iterations * _seconds(row, costs) for row in rows for _ in range(SEEDS.get(row.source, 1))]


def _seconds(row: Experiment, costs: Mapping[str, Cost]) -> float:
    """Seconds of one iteration of a row, by its net, images and batch. Variants of the Caffe net count as that net."""
    run = row.run("paper", 0, "made", "bfloat16")
    name = "Caffe's cifar10_full" if run.net.startswith("caffe") else _measured()[run.net, SIDES[row.data]]
    return float(costs[name]["milliseconds"]) / 1000 * run.batch / run_of(name).batch


@cache
def _measured() -> dict[tuple[str, int], str]:
    """The name in NETS of a net on images of a given size."""
    rows = {name: experiments.named([row])[0] for name, (row, _) in NETS.items()}
    return {(run_of(name).net, SIDES[row.data]): name for name, row in rows.items()}


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.1f}" if hours < 10 else f"{hours:,.0f}"
