"""The origin of a record: machine, memory, versions, commit."""

import platform
import subprocess
import sys
from importlib.metadata import version
from typing import NotRequired, TypedDict

import torch

from lab.paths import ROOT

TRAINING_CODE = ("clrlib", "lab", "pyproject.toml", "requirements.lock")  # not the notebooks


class Machine(TypedDict):
    """The device's kind and name, the CPU threads of a process, the kernels ("torch" on a GPU); processes, if many."""

    device: str
    name: str
    threads: int
    kernels: str
    system: str
    processes: NotRequired[int]


class Memory(TypedDict):
    """Peaks in bytes: of the process, None where the system does not say; on a GPU also of the tensors there."""

    process: int | None
    cuda: NotRequired[int]


class Commit(TypedDict):
    """The commit, and the answer whether the code that trains differs from it; None outside a checkout."""

    commit: str | None
    dirty: bool | None


def machine(device: torch.device, kernels: str, processes: int = 1) -> Machine:
    """The machine that trains on a device."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()
    made = Machine(
        device=device.type, name=name, threads=torch.get_num_threads(), kernels=kernels, system=platform.system()
    )
    return Machine(**made, processes=processes) if processes > 1 else made


def cpu_name() -> str:
    """The name of the CPU's model, or else of its kind."""
    return str(torch.cpu.get_capabilities().get("cpu_name") or platform.processor() or platform.machine())


def peak_memory(device: torch.device) -> Memory:
    """The peaks of this process so far."""
    if device.type == "cuda":
        return {"process": _peak_of_process(), "cuda": torch.cuda.max_memory_allocated(device)}
    return {"process": _peak_of_process()}


def _peak_of_process() -> int | None:
    try:
        import resource
    except ModuleNotFoundError:  # on Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def versions() -> dict[str, str]:
    """Versions of what computes."""
    packages = ("clrlib", "torch", "torchvision", "numpy")
    return {"python": platform.python_version(), **{p: version(p) for p in packages}}


def git() -> Commit:
    """The commit of the code as it lies there."""
    commit = _git("rev-parse", "HEAD")
    changes = _git("status", "--porcelain", "--", *TRAINING_CODE)
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def fault(commit: Commit) -> str | None:
    """The reason that nobody could get the code of this commit from the branch that is checked out, or None."""
    name = commit["commit"]
    if name is None:
        return "was made outside a checkout, by code that nobody can name"
    if commit["dirty"] is not False:
        return f"was made by code that differs from its commit {name[:10]}"
    if _git("merge-base", "--is-ancestor", name, "HEAD") is None:
        return f"was made by commit {name[:10]}, which is not in the history of this branch"
    return None


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None  # no git, or no checkout: recorded as None
    return done.stdout.strip()
