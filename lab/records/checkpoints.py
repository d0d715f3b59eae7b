"""Checkpoints: a training saved to a file and resumed, bit for bit on the same CPU with its threads and kernels."""

import io
import pickle
import re
from functools import partial
from pathlib import Path
from typing import Any

import torch

from lab.errors import out_of_memory
from lab.experiments.run import Run
from lab.files import reason, sealed, set_aside, unsealed, write_atomically
from lab.training.loop import Training

ANEW = "delete it to start this run anew"
BROKEN = (RuntimeError, LookupError, TypeError, ValueError, AttributeError)  # what content of another kind raises


class Damaged(ValueError):
    """A checkpoint that is not what was written."""


def before(path: Path) -> Path:
    """The file of the last checkpoint but one."""
    return path.with_suffix(".before.pt")


def save(path: Path, training: Training) -> None:
    """Write all that the rest of the training depends on, whole or not at all; the one before is kept."""
    write_atomically(path, encoded(training.state_dict()), before(path))


def encoded(content: object) -> bytes:
    """The bytes that torch saves, and their SHA-256: torch's reader does not see a changed byte."""
    file = io.BytesIO()
    torch.save(content, file)
    return sealed(file)


def resume(path: Path, training: Training) -> None:
    """Resume from the last whole checkpoint. A damaged one is set aside with a message, and the one before is taken."""
    for file in (path, before(path)):
        try:
            if training.processes.agree(file.exists()):
                load(file, training)
                run = training.run
                print(f"{run.experiment} seed {run.seed} goes on from iteration {training.done:,}", flush=True)
                return
        except Damaged as error:
            damaged = error
            training.processes.by_the_first(partial(set_aside, file, damaged))


def delete(path: Path) -> None:
    """Delete it and the one before."""
    for file in (path, before(path)):
        file.unlink(missing_ok=True)


def load(path: Path, training: Training) -> None:
    """Resume from a file; of several processes, from the first one's.

    Raises Damaged, or ValueError for a file that holds code, is of
    another run, other data or other kernels, or does not fit the run; the training is then not to be used.
    """
    content = decoded(path, training.processes.by_the_first(partial(_bytes, path)), training.device)
    try:
        same = Run.from_json(content["run"]) == training.run and content["data"] == training.images.sha256
    except BROKEN:  # settings that this clrlib does not know
        same = False
    if not same:
        raise ValueError(f"checkpoint {path} is of another run or other data; {ANEW}")
    had, has = content.get("kernels"), training.kernels
    if training.device.type == "cpu" and had not in (None, has):  # their sums differ in the last bits
        advice = f"set CLRLIB_KERNELS={had}, or {ANEW}"
        raise ValueError(f"checkpoint {path} was trained with the CPU kernels {had!r}, not {has!r}; {advice}")
    try:
        training.load_state_dict(content)
    except BROKEN as error:
        if out_of_memory(error):
            raise
        raise ValueError(f"checkpoint {path} does not fit its run ({reason(error)}); {ANEW}") from error


def read(path: Path, device: torch.device) -> Any:
    """The content of a file. Raises Damaged, or ValueError for one that cannot be read or holds code."""
    return decoded(path, _bytes(path), device)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"checkpoint {path} cannot be read ({reason(error)}); fix that, or {ANEW}") from error


def decoded(path: Path, written: bytes, device: torch.device) -> Any:
    """The content of a file's bytes; nothing but tensors and plain values is ever loaded."""
    content = unsealed(written)
    if content is None:
        raise Damaged(f"checkpoint {path} is cut off or changed")
    try:
        return torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except (*BROKEN, EOFError, pickle.UnpicklingError) as error:
        if out_of_memory(error):
            raise
        if name := re.search(r"GLOBAL (\S+)", str(error)):
            raise ValueError(f"checkpoint {path} holds code ({name[1]}); do not trust it, {ANEW}") from error
        raise ValueError(f"{path} is no checkpoint ({reason(error)}); {ANEW}") from error
