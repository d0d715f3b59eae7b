"""The origin of a record: machine, versions, commit."""

import platform
import subprocess
import sys
from importlib.metadata import version
from typing import Any

import torch

from lab.paths import ROOT

TRAINING_CODE = (
    "clrlib",
    "lab",
    "pyproject.toml",
    "requirements.lock",
)  # not the notebooks


def machine(device: torch.device, kernels: str, processes: int = 1) -> dict[str, str | int]:
    """The device's kind and name, the CPU threads of a process, the kernels; processes, if many."""
    on_cuda = device.type == "cuda"
    return {
        "device": device.type,
        "name": torch.cuda.get_device_name(device) if on_cuda else cpu_name(),
        "threads": torch.get_num_threads(),
        "kernels": kernels,
        "system": platform.system(),
        **({"processes": processes} if processes > 1 else {}),
    }


def cpu_name() -> str:
    """The CPU's own name."""
    return str(torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or platform.machine())


def peak_memory(device: torch.device) -> dict[str, int | None]:
    """The most that this process has held so far, in bytes; on a GPU also the most that its tensors took there."""
    on_cuda = {"cuda": torch.cuda.max_memory_allocated(device)} if device.type == "cuda" else {}
    return {"process": _peak_of_process(), **on_cuda}


def _peak_of_process() -> int | None:
    try:
        import resource
    except ModuleNotFoundError:  # Windows has none
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def versions() -> dict[str, str]:
    """Versions of what computes."""
    packages = ("clrlib", "torch", "torchvision", "numpy")
    return {"python": platform.python_version(), **{p: version(p) for p in packages}}


def git() -> dict[str, str | bool | None]:
    """The commit, and whether the code that trains differs from it; None outside a checkout."""
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--", *TRAINING_CODE)
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def fault(commit: dict[str, Any]) -> str | None:
    """Why nobody could get the code of this commit from the branch that is checked out, or None."""
    name = commit.get("commit")
    if name is None:
        return "was made outside a checkout, by code that nobody can name"
    if commit.get("dirty") is not False:
        return f"was made by code that differs from its commit {name[:10]}"
    if _git("merge-base", "--is-ancestor", name, "HEAD") is None:
        return f"was made by commit {name[:10]}, which is not in the history of this branch"
    return None


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None  # no git here, or no checkout: recorded as None
    return done.stdout.strip()
