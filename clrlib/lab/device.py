"""The machine that trains: device, precision, threads, memory."""

import ctypes
import sys

import torch


def pick_device() -> torch.device:
    """CUDA where it is, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def pick_precision(device: torch.device) -> str:
    """ "bfloat16" where the hardware multiplies it fast (AVX512-BF16, AMX, recent CUDA GPUs), else "float32"."""
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    abilities = torch.cpu.get_capabilities()
    return "bfloat16" if abilities.get("avx512_bf16") or abilities.get("amx_bf16") else "float32"


def pick_machine() -> tuple[torch.device, str]:
    """Device and precision."""
    where = pick_device()
    return where, pick_precision(where)


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
