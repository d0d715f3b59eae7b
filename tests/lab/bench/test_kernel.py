"""The operations of the compiled net, layer by layer, are counted right and drawn."""

import re

import pytest
import torch
import torch.nn.functional as F
from matplotlib.patches import Rectangle
from torch.utils.flop_counter import FlopCounterMode

from lab import paths
from lab.bench import kernel
from lab.nets.kernels import library


def test_the_definitions_operations_are_those_that_torch_counts() -> None:
    for name, (side, channels, out) in kernel.CONVOLUTIONS.items():
        x = torch.zeros(1, channels, side, side, requires_grad=name != "conv1")
        weight = torch.zeros(out, channels, 5, 5, requires_grad=True)
        with FlopCounterMode(display=False) as counter:
            torch.autograd.backward(F.conv2d(x, weight, padding=2).sum())
        assert kernel.work()[name]["direct"] == counter.get_total_flops()


def test_the_transforms_operations_are_those_that_the_kernel_writes() -> None:
    source = (library.HERE / "winograd.h").read_text()
    for name, count in kernel.TRANSFORMS.items():
        (body,) = re.findall(rf"INLINE void {name}\(.*?\) {{\n(.*?)\n}}", source, re.DOTALL)
        assert len(re.findall(r" [-+*] ", body)) == count


def test_winograds_products_are_6_25_times_fewer_and_the_table_says_what_is_left() -> None:
    counted = kernel.work()
    assert {c["direct"] / c["products"] for c in counted.values()} == {6.25}
    assert all(0 < c["transforms"] < c["direct"] for c in counted.values())
    assert [line.split(" | ")[0] for line in kernel.work_table().splitlines()[2:]] == ["| conv1", "| conv2", "| conv3"]


def test_the_page_has_this_table() -> None:
    assert kernel.work_table() in (paths.ROOT / "docs" / "kernel.md").read_text()


def test_it_is_drawn() -> None:
    assert kernel.drawn().startswith(b"\x89PNG")
    (axes,) = kernel.work_figure().axes
    bars = sorted(bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle))
    assert bars == pytest.approx(sorted(value / 1e6 for c in kernel.work().values() for value in c.values()))
