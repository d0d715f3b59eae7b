"""Work of the compiled net: operations by layer, counted from its formulas, and timings from outside."""

from typing import Any

from matplotlib.figure import Figure

from lab.bench import contenders
from lab.bench.contenders import Iteration
from lab.bench.timing import Contender, time_all
from lab.data.order import generator
from lab.nets.build import compiled
from lab.nets.caffe_cifar10 import CaffeCifar10Full
from lab.show import plots
from lab.show.tables import markdown
from lab.training.device import pick_device

POINTS, TILE = 64, 4  # products of a tile, pixels along its side
CONVOLUTIONS = {"conv1": (32, 3, 32), "conv2": (16, 32, 32), "conv3": (8, 32, 64)}  # side, channels in and out
# Additions and multiplications of each transform as winograd.h writes it: 8 values to 8, 8 to 4, 4 to 8.
TRANSFORMS = {"transform_input": 38, "transform_output": 22, "transform_gradient": 18}


def work() -> dict[str, dict[str, int]]:
    """Operations of one image, forward and backward, by layer: 2 for each multiply-add.

    "direct" is the definition's, "products" and "transforms" what Winograd's algorithm takes instead. Weights are
    transformed once a batch: not counted. The gradient of the images is not computed.

    >>> conv2 = work()["conv2"]
    >>> conv2["direct"] / conv2["products"]
    6.25
    """
    layers = {}
    for name, (side, channels, out) in CONVOLUTIONS.items():
        across, passes = side // TILE, 2 if name == "conv1" else 3
        tiles = across**2
        # Rows and columns of a tile's transform; columns serve both tiles that hold them, but for conv1.
        entering = (8 + (8 if name == "conv1" else 4 * (across + 1) / across)) * TRANSFORMS["transform_input"]
        leaving, turned = (12 * TRANSFORMS[kind] for kind in ("transform_output", "transform_gradient"))
        transforms = entering * channels + leaving * out + turned * out  # forward; the weights' gradient
        if passes == 3:  # the data's gradient: the way forward with the channels swapped
            transforms += entering * out + leaving * channels
        layers[name] = {
            "direct": passes * 2 * 25 * side**2 * channels * out,
            "products": passes * 2 * POINTS * tiles * channels * out,
            "transforms": round(tiles * transforms),
        }
    return layers


def work_table() -> str:
    """work() as Markdown, in millions of operations."""
    counted, rows = work(), []
    total = sum(c["products"] + c["transforms"] for c in counted.values())
    for name, c in counted.items():
        share = (c["products"] + c["transforms"]) / total
        saved = c["direct"] / (c["products"] + c["transforms"])
        millions = [f"{c[kind] / 1e6:.2f}" for kind in ("direct", "products", "transforms")]
        rows.append([name, *millions, f"{saved:.1f}", f"{100 * share:.0f} %"])
    head = ["", "direct, M operations", "Winograd: products", "transforms", "times fewer", "share of the work"]
    return markdown(head, rows)


def work_figure() -> Figure:
    """work() as bars: the operations of the definition above those of Winograd's algorithm."""
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    axes, counted = figure.subplots(), work()
    for row, c in enumerate(counted.values()):
        millions = {kind: value / 1e6 for kind, value in c.items()}
        axes.barh(row - 0.2, millions["direct"], 0.36, color="0.8", label="by the definition" if not row else None)
        axes.barh(row + 0.2, millions["products"], 0.36, color="C0", label="products" if not row else None)
        left = millions["products"]
        axes.barh(row + 0.2, millions["transforms"], 0.36, left, color="C1", label="transforms" if not row else None)
    axes.set_yticks(range(len(counted)), list(counted))
    axes.invert_yaxis()
    axes.set_xlabel("million operations for an image, forward and backward (counted, not measured)")
    axes.legend()
    return figure


def drawn() -> bytes:
    """work_figure as PNG."""
    return plots.encoded(work_figure(), "png")


def forward_alone() -> Iteration:
    """The compiled net's scores of a batch of 100: an iteration without the backward pass and the optimizer."""
    images = contenders.images()
    net = CaffeCifar10Full(images.mean_image(), generator(0, "init"))
    kernel = compiled(net, "float32", pick_device())
    if kernel is None:
        raise RuntimeError("the compiled net cannot be had here; see `make check`")

    def iteration(t: int) -> None:
        first = t % 400 * 100
        kernel.scores(images.train_images[first : first + 100])

    return iteration


def measure(rounds: int) -> dict[str, Any]:
    """Milliseconds on one thread: the whole iteration, and with one part of it left out."""
    rows = [
        Contender("an iteration", contenders.ours, ("float32", 100)),
        Contender("forward alone", forward_alone),
        Contender("without LRN", contenders.ours, ("float32", 100, "caffe_cifar10_full_without_lrn")),
    ]
    return {name: timing.milliseconds for name, timing in time_all(rows, rounds).items()}
