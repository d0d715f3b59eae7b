"""The CPU's compiled kernels, built at the first training: the whole Caffe net (net.py), and its pooling and LRN.

They need Linux and a C++ compiler. Without either torch's operations compute the same, more slowly, and a line says so.
CLRLIB_KERNELS=torch uses torch's operations, CLRLIB_KERNELS=fused torch's convolutions with our pooling and LRN;
CLRLIB_KERNELS=winograd fails where the kernels cannot be built.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch
from torch import Tensor

from lab.nets.kernels import net
from lab.nets.kernels.library import Library, compiler
from lab.nets.kernels.library import obstacle as obstacle

KINDS = ("winograd", "fused", "torch")
CHANNELS_AT_A_TIME = 16  # LANES in caffe.cpp
OPERATIONS = Library(("caffe.cpp",), torch.ops.load_library, headers=True)
LIBRARIES = (OPERATIONS, net.LIBRARY)


def fit(x: Tensor) -> bool:
    """True where our pooling and LRN accept x: on the CPU, float32 or bfloat16, channels-last, even sides, channels
    a multiple of 16."""
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and x.is_contiguous(memory_format=torch.channels_last)
        and x.shape[1] % CHANNELS_AT_A_TIME == 0
        and x.shape[2] % 2 == x.shape[3] % 2 == 0
        and name() != "torch"
    )


def name() -> str:
    """The fastest kernels that this process can train with on a CPU: "winograd", "fused" or "torch".

    Raises ValueError for another CLRLIB_KERNELS, RuntimeError where the kernels that it names cannot be built.
    """
    asked = wanted()
    if asked == "torch":
        return "torch"
    if load():
        return asked or "winograd"
    if asked:
        raise RuntimeError(f"CLRLIB_KERNELS is {asked!r}, but the kernels cannot be had here (see above); leave it out")
    return "torch"


def wanted() -> str:
    """The kernels that CLRLIB_KERNELS names, one of KINDS, or "" for the fastest available."""
    asked = os.environ.get("CLRLIB_KERNELS", "")
    if asked not in (*KINDS, ""):
        raise ValueError(f'CLRLIB_KERNELS is {asked!r}; set it to "winograd", "fused" or "torch", or leave it out')
    return asked


@cache
def load() -> bool:
    """Load the kernels, compiling them if needed. Returns False and prints the reason where that fails."""
    if why := problem():
        print(f"{why}; torch's own layers do the same, more slowly", file=sys.stderr, flush=True)
    return why is None


def are_compiled() -> bool:
    """True where all kernels are compiled already."""
    return all(library.is_whole() for library in LIBRARIES)


def problem() -> str | None:
    """Compile what is missing and load it. Returns the reason where that fails, else None."""
    if missing := obstacle():
        return missing
    try:
        if not are_compiled():
            print("compiling the CPU kernels, once (about 15 s) ...", file=sys.stderr, flush=True)
        with ThreadPoolExecutor(len(LIBRARIES)) as both:
            for done in [both.submit(library.get) for library in LIBRARIES]:
                done.result()
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if "error" in line] or ["it gave no reason"]
        return f"{compiler()[0]} could not compile the CPU kernels ({lines[0]})"
    except OSError as error:
        return f"the CPU kernels could not be loaded ({error})"
    return None
