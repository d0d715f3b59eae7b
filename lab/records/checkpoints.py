"""A training put down to a file and taken up again, bit for bit on the same CPU: with its threads and kernels."""

import io
import pickle
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lab.errors import out_of_memory
from lab.experiments.run import Run
from lab.files import reason, sealed, set_aside, unsealed, write_atomically
from lab.records.record import check_curves
from lab.sweep import processes

if TYPE_CHECKING:
    from lab.training.loop import Training

ANEW = "delete it to start this run anew"
KEYS = ("net", "optimizer", "random", "random_cuda", "threads", "done", "losses", "curves", "seconds", "commits")
BROKEN = (RuntimeError, LookupError, TypeError, ValueError, AttributeError)  # what content of another kind raises


class Damaged(ValueError):
    """A checkpoint that is not what was written."""


def before(path: Path) -> Path:
    """Where the checkpoint before the last one is kept."""
    return path.with_suffix(".before.pt")


def save(path: Path, training: "Training") -> None:
    """Write all that the rest of the training depends on, whole or not at all; the one before is kept."""
    content = {
        "run": training.run.to_json(),
        "data": training.images.sha256,
        "net": training.net.state_dict(),
        "optimizer": training.optimizer.state_dict(),
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state(training.device) if training.device.type == "cuda" else None,
        "threads": torch.get_num_threads(),
        "kernels": _kernels(training),
        "snapshots": training.snapshots.state_dict() if training.snapshots is not None else None,
        "done": training.done,
        "losses": training.losses,
        "curves": training.curves,
        "seconds": training.seconds,
        "commits": training.commits,
    }
    write_atomically(path, encoded(content), before(path))


def encoded(content: object) -> bytes:
    """As torch saves it, and the SHA-256 of that: torch's own reader does not see a changed byte."""
    file = io.BytesIO()
    torch.save(content, file)
    return sealed(file)


def resume(path: Path, training: "Training") -> None:
    """Take up where the last whole checkpoint was saved; a damaged one is set aside, aloud, for the one before."""
    for file in (path, before(path)):
        try:
            if processes.agree(file.exists()):
                load(file, training)
                run = training.run
                print(f"{run.experiment} seed {run.seed} goes on from iteration {training.done:,}", flush=True)
                return
        except Damaged as error:
            damaged = error
            processes.by_the_first(partial(set_aside, file, damaged))


def delete(path: Path) -> None:
    """Delete it and the one before."""
    for file in (path, before(path)):
        file.unlink(missing_ok=True)


def load(path: Path, training: "Training") -> None:
    """Take up where the file was saved.

    Of several processes the first one's file is taken. Raises Damaged, or ValueError for a file that holds code, is of
    another run, other data or other kernels, or does not fit the run; the training is then not to be used.
    """
    content = read(path, training.device)
    try:
        same = Run.from_json(content["run"]) == training.run and content["data"] == training.images.sha256
    except BROKEN:  # settings that this clrlib does not know
        same = False
    if not same:
        raise ValueError(f"checkpoint {path} is of another run or other data; {ANEW}")
    had, has = content.get("kernels"), _kernels(training)
    if None not in (had, has) and had != has:  # their sums differ in the last bits
        mend = f"set CLRLIB_KERNELS={had}, or {ANEW}"
        raise ValueError(f"checkpoint {path} was trained with the CPU kernels {had!r}, not {has!r}; {mend}")
    try:
        _take_up(content, training)
    except BROKEN as error:
        if out_of_memory(error):
            raise
        raise ValueError(f"checkpoint {path} does not fit its run ({reason(error)}); {ANEW}") from error


def read(path: Path, device: torch.device) -> Any:
    """What a file holds. Raises Damaged, or ValueError for one that cannot be read or holds code."""
    try:
        written = processes.by_the_first(path.read_bytes)
    except OSError as error:
        raise ValueError(f"checkpoint {path} cannot be read ({reason(error)}); mend that, or {ANEW}") from error
    content = unsealed(written)
    if content is None:
        raise Damaged(f"checkpoint {path} is cut off or changed")
    try:
        return torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except (*BROKEN, EOFError, pickle.UnpicklingError) as error:
        if out_of_memory(error):
            raise
        if name := re.search(r"GLOBAL (\S+)", str(error)):  # nothing but tensors and plain values is ever loaded
            raise ValueError(f"checkpoint {path} holds code ({name[1]}); do not trust it, {ANEW}") from error
        raise ValueError(f"checkpoint {path} is none ({reason(error)}); {ANEW}") from error


def _kernels(training: "Training") -> str | None:
    """What a CPU trains with, None on a GPU: either may take up what the other began."""
    return training.kernels if training.device.type == "cpu" else None


def _take_up(content: Any, training: "Training") -> None:
    if missing := [key for key in KEYS if key not in content]:
        raise ValueError(f"it has no {missing[0]!r}")
    done, losses, threads = content["done"], content["losses"], content["threads"]
    if type(threads) is not int or threads < 1:
        raise ValueError(f"threads is {threads!r}")
    if type(done) is not int or not 0 <= done <= training.run.iterations:
        raise ValueError(f"done is {done!r}")
    if any(loss.shape for loss in losses):
        raise ValueError("losses are not single numbers")
    check_curves(content["curves"])
    training.net.load_state_dict(content["net"])
    training.optimizer.load_state_dict(content["optimizer"])
    for weights, state in training.optimizer.state.items():  # which torch takes as it is
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape not in ((), weights.shape):
                raise ValueError(f"{name} has shape {tuple(value.shape)} for weights {tuple(weights.shape)}")
    if training.snapshots is not None:
        training.snapshots.load_state_dict(content["snapshots"])
    training.schedule.load_state_dict({"last_epoch": done})
    torch.set_rng_state(content["random"].cpu())
    if content["random_cuda"] is not None:
        torch.cuda.set_rng_state(content["random_cuda"].cpu(), training.device)
    torch.set_num_threads(threads)  # sums are taken in another order by another number
    training.done, training.losses = done, losses
    training.curves, training.seconds = content["curves"], float(content["seconds"])
    if content["commits"][-1] != training.commits[0]:
        training.commits = content["commits"] + training.commits
    else:
        training.commits = content["commits"]
