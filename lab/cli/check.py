"""`make check`: report what a training needs, and what to fix first. Uses no network and leaves no file behind."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import joblib
import psutil
import torch

from lab import files, paths
from lab.data import cifar100, image_sets, imagenet, imagenette
from lab.data.image_sets import DataError
from lab.data.npz import is_npz
from lab.errors import as_typed, sentence
from lab.nets import kernels
from lab.records import provenance
from lab.sweep import sweep
from lab.training import device

OLDEST_PYTHON = (3, 11)
DISK = 2 * 2**30  # bytes: three checkpoints of AlexNet, the largest, and all else
Look = Callable[[], str]  # what was found; raises an error whose sentence says what to fix


def report() -> None:
    """Print a line for each check: `ok: ...`, `fix: ...`, or `optional: ...` for data that only some rows need.

    Raises RuntimeError at the end if something has to be fixed before any training can begin.
    """
    asked = {"CLRLIB_KERNELS": compiled, "CLRLIB_DATA": cifar10}  # what is asked for must be had
    essential = {*ESSENTIAL, *(look for name, look in asked.items() if os.environ.get(name))}
    broken = [look for look in (*ESSENTIAL, *OTHER, *SOME_ROWS) if not _is_well(look) and look in essential]
    if broken:
        raise RuntimeError(f"{len(broken)} of the above must be fixed before anything can be trained")


def _is_well(look: Look) -> bool:
    try:
        print(f"ok: {as_typed(look())}", flush=True)
    except (DataError, ImportError, OSError, RuntimeError, ValueError) as error:
        print(f"{'optional' if look in SOME_ROWS else 'fix'}: {sentence(error)}", flush=True)
        return False
    return True


def python() -> str:
    """The version of Python."""
    oldest = ".".join(map(str, OLDEST_PYTHON))
    if sys.version_info < OLDEST_PYTHON:
        fix = "delete .venv and call `make setup PYTHON=python3.12`"
        raise RuntimeError(f"python is {platform.python_version()}, clrlib needs {oldest} or later; {fix}")
    return f"python {platform.python_version()}"


def environment() -> str:
    """The folder that Python imports the lab from, wherever it runs: notebooks and tests run in others than this."""
    command = [sys.executable, "-P", "-c", "import lab; print(lab.__file__)"]
    done = subprocess.run(command, cwd=tempfile.gettempdir(), capture_output=True, text=True, check=False)
    if done.returncode:
        found = "in other folders Python does not find the lab"
    elif Path(done.stdout.strip()).resolve().parents[1] != paths.ROOT:
        found = f"in other folders Python takes the lab from {Path(done.stdout.strip()).parents[1]}"
    else:
        return f"environment of this folder: {paths.shown(Path(sys.prefix))}"
    raise RuntimeError(f"{found}, as after a clone was moved or copied; call `rm -rf .venv; make setup`")


def packages() -> str:
    """The versions of the packages that compute."""
    try:
        versions = provenance.versions()
    except ImportError as error:
        raise ImportError(f"{error}; call `make setup`") from error
    return ", ".join(f"{name} {version}" for name, version in versions.items() if name != "python")


def processor() -> str:
    """The CPU and its cores."""
    return f"CPU: {provenance.cpu_name()}, cores: {joblib.cpu_count(only_physical_cores=True)}"


def gpu() -> str:
    """The GPU and its memory."""
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        return f"GPU: {torch.cuda.get_device_name()}, {_gib(free)} of {_gib(total)} free"
    if shutil.which("nvidia-smi"):
        raise RuntimeError("an NVIDIA driver is here, but torch finds no CUDA; update the driver, or go on without")
    return "GPU: none that torch can use"


def trainer() -> str:
    """The device and the precision of a training."""
    return f"trainings run on {device.pick_device().type}, in {device.pick_precision()}"


def memory() -> str:
    """The free memory, and the number of trainings that it is enough for."""
    device.check_memory(sweep.BYTES_A_RUN // 2)
    free = int(psutil.virtual_memory().available)
    return f"memory: {_gib(free)} free, enough for trainings at a time: {max(1, free // sweep.BYTES_A_RUN)}"


def folder() -> str:
    """Check that build/ can be written to."""
    files.check_writable(paths.BUILD)
    return f"{paths.shown(paths.BUILD)}/ can be written to"


def disk() -> str:
    """The free disk space at build/."""
    free = shutil.disk_usage(files.nearest(paths.BUILD)).free
    place = f"{paths.shown(paths.BUILD)}/"
    if free < DISK:
        raise OSError(f"{_gib(free)} of disk are free at {place}, trainings take up to {_gib(DISK)}; free some space")
    return f"disk: {_gib(free)} free at {place}"


def compiled() -> str:
    """The CPU's compiled kernels, which are compiled here if they are not yet."""
    if kernels.wanted() == "torch":
        return "CPU kernels: torch's own, as CLRLIB_KERNELS says"
    if not kernels.obstacle() and not kernels.are_compiled():
        return "CPU kernels: the first training compiles them (15 s)"
    if problem := kernels.problem():
        asked = kernels.wanted()
        fix = "fix that or unset CLRLIB_KERNELS" if asked else "torch's own layers do the same, more slowly"
        raise RuntimeError(f"{problem}; {fix}")
    return "CPU kernels: compiled"


def cifar10() -> str:
    """The path of CIFAR-10, which is not read."""
    if os.environ.get("CLRLIB_DATA") == "digits":
        return "CIFAR-10: scikit-learn's digits stand in for it, as CLRLIB_DATA says"
    source = image_sets.find()
    if source is None:
        missing = f"CIFAR-10 is not at {paths.shown(paths.DATA)}/; `make data` downloads it (170 MB)"
        raise DataError(f"{missing}. {image_sets.REMEDY}")
    what = "CIFAR-10 or images of one's own" if is_npz(source[1]) else "CIFAR-10"
    return f"{what}: {source[1]}"


def images(name: str, find: Callable[[], Path | None], remedy: str) -> str:
    """The path of an image set that only some rows need."""
    place = find()
    if place is None:
        raise DataError(f"{name} is not at {paths.shown(paths.DATA)}/, its trainings are left out. {remedy}")
    return f"{name}: {place}"


def _imagenette() -> Path | None:
    source = imagenette.find()
    return source and source[1]


def _gib(count: int) -> str:
    """Bytes in GiB.

    >>> _gib(3 * 2**29)
    '1.5 GiB'
    """
    return f"{count / 2**30:.1f} GiB"


ESSENTIAL: tuple[Look, ...] = (python, environment, packages, processor, trainer, memory, folder)
OTHER: tuple[Look, ...] = (gpu, disk, compiled, cifar10)
SOME_ROWS: tuple[Look, ...] = (
    partial(images, "Imagenette", _imagenette, f"`make data` downloads it (99 MB). {imagenette.REMEDY}"),
    partial(images, "CIFAR-100", cifar100.find, cifar100.REMEDY),
    partial(images, "ImageNet", imagenet.find, imagenet.REMEDY),
)
