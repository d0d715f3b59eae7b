"""The machine that trains: device, precision, threads, memory."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch


def pick_device() -> torch.device:
    """What CLRLIB_DEVICE names, "cpu" or "cuda"; where it is not set CUDA if it is there, else the CPU.

    Raises ValueError for another name, RuntimeError for CUDA where there is none.
    """
    wanted, has_cuda = os.environ.get("CLRLIB_DEVICE", ""), torch.cuda.is_available()
    if wanted not in ("cpu", "cuda", ""):
        raise ValueError(f'CLRLIB_DEVICE is {wanted!r}; set it to "cpu" or "cuda", or leave it out')
    if wanted == "cuda" and not has_cuda:
        raise RuntimeError("CLRLIB_DEVICE is 'cuda', but torch finds no CUDA here; mend the driver, or set it to cpu")
    return torch.device(wanted or ("cuda" if has_cuda else "cpu"))


def check_memory(need: int) -> None:
    """Refuse to begin where fewer bytes than a training needs are free: the system would kill it on the way."""
    free = psutil.virtual_memory().available
    if free < need:
        have = f"{free / 2**20:,.0f} MiB of memory are free, a training needs {need / 2**20:,.0f} MiB"
        raise RuntimeError(f"{have}; close other programs and call again")


def pick_precision(device: torch.device) -> str:
    """What CLRLIB_PRECISION names; else "bfloat16" where the hardware multiplies it fast, "float32" elsewhere."""
    return named_precision() or ("bfloat16" if multiplies_bfloat16_fast(device) else "float32")


def named_precision() -> str:
    """What CLRLIB_PRECISION names, or nothing. Raises ValueError for another name than "float32" and "bfloat16"."""
    wanted = os.environ.get("CLRLIB_PRECISION", "")
    if wanted not in ("float32", "bfloat16", ""):
        raise ValueError(f'CLRLIB_PRECISION is {wanted!r}; set it to "float32" or "bfloat16", or leave it out')
    return wanted


def multiplies_bfloat16_fast(device: torch.device) -> bool:
    """Whether it has AMX, AMD's AVX512-BF16, or is a recent CUDA GPU.

    On an Intel Xeon with AVX512-BF16 whose AMX was hidden everything took longer in bfloat16 (torch 2.15.0).
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    found = torch.cpu.get_capabilities()
    return bool(found.get("amx_bf16") or (found.get("avx512_bf16") and "AMD" in str(found.get("cpu_name"))))


def pick_machine() -> tuple[torch.device, str]:
    """Device and precision."""
    where = pick_device()
    return where, pick_precision(where)


@contextmanager
def threads_put_back() -> Iterator[None]:
    """Within it torch's number of threads may change: a training that is taken up goes on with as many as it had."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_freed_memory() -> None:
    """Tell glibc to keep freed memory for the next iteration instead of giving it back to the system each time.

    Fresh pages must be zeroed by the kernel at every use: on two cores that was a fifth of an iteration.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc; musl has none
        m_trim_threshold, m_mmap_threshold = -1, -3
        libc.mallopt(m_mmap_threshold, 1 << 30)
        libc.mallopt(m_trim_threshold, 2**31 - 1)
