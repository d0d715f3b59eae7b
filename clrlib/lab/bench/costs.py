"""What each net takes at its own size and batch, and what the whole paper costs, by arithmetic from that."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch

from clrlib.lab import experiments
from clrlib.lab.bench.contenders import Iteration
from clrlib.lab.bench.limits import operations
from clrlib.lab.bench.timing import Contender, time_all
from clrlib.lab.data import ImageSet
from clrlib.lab.device import keep_freed_memory, pick_device
from clrlib.lab.experiments import Experiment
from clrlib.lab.order import generator
from clrlib.lab.runs import Run
from clrlib.lab.tables import markdown
from clrlib.lab.training import Training

SIDES = {"cifar10": 32, "cifar100": 32, "imagenette": 128, "imagenet": 256}  # pixels of the images as they are held
SEEDS = {"Table 4": 5}  # the paper's trainings of a row; one of all others
NETS = {  # a row that trains it, and the profile whose size is meant
    "Caffe's cifar10_full": ("fixed", "paper"),
    "ResNet-56": ("resnet-clr", "paper"),
    "ResNet-110, stochastic depth": ("sd-clr", "paper"),
    "DenseNet-40": ("densenet-clr", "paper"),
    "AlexNet, ImageNet": ("alexnet-triangular2", "paper"),
    "GoogLeNet, ImageNet": ("googlenet-triangular2", "paper"),
    "AlexNet, Imagenette": ("alexnet-imagenette-triangular2", "paper"),
    "GoogLeNet, Imagenette": ("googlenet-imagenette-triangular2", "paper"),
    "ResNet-20": ("resnet-clr", "quick"),
    "ResNet-20, stochastic depth": ("sd-clr", "quick"),
    "DenseNet-22": ("densenet-clr", "quick"),
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
    """Milliseconds an iteration, memory (MB), operations an iteration of some of NETS, each in a process of its own."""
    where = {name: (*NETS[name], precision) for name in names}
    rows = [Contender(name, iterations_of, w, threads, warm_up=1, chunk=1, chunks=3) for name, w in where.items()]
    found = {}
    for name, timing in time_all(rows, rounds=1).items():
        run, few = run_of(name), 4  # operations grow with the batch, so that a small one will do to count them
        counted = operations(iterations_of(*where[name], batch=few)) * run.batch / few
        found[name] = {"milliseconds": timing.milliseconds, "memory": timing.memory, "operations": counted}
    return found


def run_of(name: str) -> Run:
    """The run that a net is measured with."""
    row, profile = NETS[name]
    return experiments.named([row])[0].run(profile, 0, "made", "bfloat16")


def table(costs: Mapping[str, Cost], matrix_rate: float) -> str:
    """A line for each net; hours for the length of the row that it is measured with, evaluations not counted."""
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
}


def whole_paper(costs: Mapping[str, Cost], machines: int = 8) -> str:
    """Hours of every part of the catalogue at the paper's size, on one such machine and on several."""
    rows, total = [], 0.0
    for part, trained in PARTS.items():
        seconds = sum(row.iterations * SEEDS.get(row.source, row.seeds) * _seconds(row, costs) for row in trained)
        total += seconds
        rows.append([part, _hours(seconds), _hours(seconds / machines)])
    rows.append(["in all", _hours(total), _hours(total / machines)])
    return markdown(["", "hours on one", f"on {machines}"], rows)


def _seconds(row: Experiment, costs: Mapping[str, Cost]) -> float:
    """Of one iteration, by the net and the images that the row trains on; variants of the Caffe net count as itself."""
    net = row.run("paper", 0, "made", "bfloat16").net
    name = "Caffe's cifar10_full" if net.startswith("caffe") else _measured()[net, SIDES[row.data]]
    return float(costs[name]["milliseconds"]) / 1000


def _measured() -> dict[tuple[str, int], str]:
    """Which of NETS has a net on images of a size."""
    rows = {name: experiments.named([row])[0] for name, (row, _) in NETS.items()}
    return {(run_of(name).net, SIDES[row.data]): name for name, row in rows.items()}


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:.1f}" if hours < 10 else f"{hours:,.0f}"
