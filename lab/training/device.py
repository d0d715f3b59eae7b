"""Device, precision, threads and memory of a training."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch


def pick_device() -> torch.device:
    """The device that CLRLIB_DEVICE names, "cpu" or "cuda"; if it is not set, CUDA where available, else the CPU.

    Raises ValueError for another name, RuntimeError for CUDA on a machine without it.
    """
    wanted, has_cuda = os.environ.get("CLRLIB_DEVICE", ""), torch.cuda.is_available()
    if wanted not in ("cpu", "cuda", ""):
        raise ValueError(f'CLRLIB_DEVICE is {wanted!r}; set it to "cpu" or "cuda", or leave it out')
    if wanted == "cuda" and not has_cuda:
        raise RuntimeError("CLRLIB_DEVICE is 'cuda', but torch finds no CUDA here; fix the driver, or set it to cpu")
    return torch.device(wanted or ("cuda" if has_cuda else "cpu"))


def check_memory(need: int) -> None:
    """Refuse to begin with less free memory than a training needs: the system would kill it on the way."""
    free = psutil.virtual_memory().available
    if free < need:
        have = f"{free / 2**20:,.0f} MiB of memory are free, a training needs {need / 2**20:,.0f} MiB"
        raise RuntimeError(f"{have}; close other programs and call again")


def pick_precision() -> str:
    """The precision that CLRLIB_PRECISION names, else "float32", as Caffe's. Raises ValueError for another name."""
    wanted = os.environ.get("CLRLIB_PRECISION", "")
    if wanted not in ("float32", "bfloat16", ""):
        raise ValueError(f'CLRLIB_PRECISION is {wanted!r}; set it to "float32" or "bfloat16", or leave it out')
    return wanted or "float32"


@contextmanager
def threads_put_back() -> Iterator[None]:
    """Restore torch's number of threads at the end: a resumed training sets the number that it was saved with."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_freed_memory() -> None:
    """Tell glibc to keep freed memory for the next iteration instead of giving it back to the system each time.

    Else the kernel zeroes fresh pages at every use, which took a fifth of an iteration on two cores.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc; musl has none
        m_trim_threshold, m_mmap_threshold = -1, -3
        libc.mallopt(m_mmap_threshold, 1 << 30)
        libc.mallopt(m_trim_threshold, 2**31 - 1)
