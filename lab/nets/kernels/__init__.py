"""The CPU's compiled kernels, made at the first training: the whole Caffe net (net.py), and its pooling and LRN.

They take Linux and a C++ compiler. Where either is missing torch's own operations do the same, more slowly, and a line
says so. CLRLIB_KERNELS=torch keeps to torch's, CLRLIB_KERNELS=fused to torch's convolutions with our pooling and LRN;
CLRLIB_KERNELS=winograd fails where the kernels cannot be had.
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
    """Whether our pooling and LRN take x: float32 or bfloat16 on the CPU, channels-last, even sides, channels by 16."""
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and x.is_contiguous(memory_format=torch.channels_last)
        and x.shape[1] % CHANNELS_AT_A_TIME == 0
        and x.shape[2] % 2 == x.shape[3] % 2 == 0
        and name() != "torch"
    )


def name() -> str:
    """The best that this process trains with on a CPU: "winograd", "fused" or "torch".

    Raises ValueError for a CLRLIB_KERNELS that is none of them, RuntimeError where it asks for kernels that cannot be
    had.
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
    """What CLRLIB_KERNELS asks for: one of KINDS, or "" for the best there is."""
    asked = os.environ.get("CLRLIB_KERNELS", "")
    if asked not in (*KINDS, ""):
        raise ValueError(f'CLRLIB_KERNELS is {asked!r}; set it to "winograd", "fused" or "torch", or leave it out')
    return asked


@cache
def load() -> bool:
    """Load the kernels, compiled first where they were not. False, and a line, where that fails."""
    if why := problem():
        print(f"{why}; torch's own layers do the same, more slowly", file=sys.stderr, flush=True)
    return why is None


def are_compiled() -> bool:
    """Whether the first training finds them ready."""
    return all(library.is_whole() for library in LIBRARIES)


def problem() -> str | None:
    """Compile what is missing, load it; what went wrong, or None."""
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
