"""Limits of the machine (matrix and copy rates), the operations of an iteration and its time by kind of operation."""

import time
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from lab.bench.contenders import Iteration
from lab.training.device import pick_device


def matrix_rate(dtype: torch.dtype) -> float:
    """Floating-point operations a second: the best of a 2048 x 2048 product and the net's own larger convolutions."""
    side, where = 2048, pick_device()
    a, b = (torch.randn(side, side, device=where).to(dtype) for _ in range(2))
    rates = [2 * side**3 / _quickest(lambda: a @ b)]
    for side, channels in ((16, 32), (8, 64)):
        x = torch.randn(100, 32, side, side, device=where).to(dtype).to(memory_format=torch.channels_last)
        weight = torch.randn(channels, 32, 5, 5, device=where).to(dtype)
        work = 2 * 100 * side**2 * channels * 32 * 25
        rates.append(work / _quickest(partial(F.conv2d, x, weight, padding=2)))
    return max(rates)


def copy_rate(megabytes: int = 256) -> float:
    """Bytes a second, read and written, of a copy far larger than the caches, the best of 20."""
    source = torch.zeros(megabytes * 2**20, dtype=torch.uint8, device=pick_device())
    target = torch.empty_like(source)
    return 2 * source.numel() / _quickest(lambda: target.copy_(source))


def _quickest(work: Callable[[], object], times: int = 20) -> float:
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        if pick_device().type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def has_bfloat16() -> bool:
    """True where the CPU multiplies bfloat16 in hardware. Without that a training takes many times as long."""
    known = torch.cpu.get_capabilities()
    return pick_device().type == "cuda" or any(known.get(name) for name in ("amx_bf16", "avx512_bf16"))


def operations(iteration: Iteration) -> int:
    """Floating-point operations of one iteration, forward and backward, counted by torch.

    torch does not see into the compiled net: count with CLRLIB_KERNELS=torch.
    """
    with FlopCounterMode(display=False) as counter:
        iteration(0)
    return int(counter.get_total_flops())


GROUPS = {  # an operation belongs to the first group that has a part of its name
    "optimizer and schedule": ("optimizer", "foreach"),
    "convolution, forward": ("mkldnn_convolution", "cudnn_convolution"),
    "convolution, backward": ("convolution_backward",),
    "pooling and ReLU": ("pool", "relu", "threshold", "clamp_min"),
    "LRN": ("lrn",),
    "linear layer": ("addmm", "::mm", "linear"),
    "picking the batch, subtracting the mean, casts": ("index", "aten::sub", "copy"),
}
REST = "the rest: loss, autograd, allocations"


def where_time_goes(iteration: Iteration, iterations: int = 20) -> dict[str, float]:
    """Milliseconds of one iteration by kind of operation, the largest first."""
    on_cuda = pick_device().type == "cuda"
    for t in range(5):
        iteration(t)
    with profile(activities=[ProfilerActivity.CUDA if on_cuda else ProfilerActivity.CPU]) as measured:
        for t in range(iterations):
            iteration(t)
    spent = dict.fromkeys([*GROUPS, REST], 0.0)
    for event in measured.key_averages():
        microseconds = event.self_device_time_total if on_cuda else event.self_cpu_time_total
        group = next((g for g, parts in GROUPS.items() if any(part in event.key.lower() for part in parts)), REST)
        spent[group] += microseconds / 1000 / iterations
    return dict(sorted(spent.items(), key=lambda item: -item[1]))
