"""A training put down to a file and taken up again, bit for bit on the same CPU and thread count."""

import hashlib
import io
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from clrlib.lab.files import set_aside, write_atomically
from clrlib.lab.runs import Run

if TYPE_CHECKING:
    from clrlib.lab.training import Training

ZIP = b"PK"  # what a bare file of torch begins with
DIGEST = 32  # bytes of the SHA-256 that a file begins with: torch's own reader does not see a changed byte


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
        "snapshots": training.snapshots.state_dict() if training.snapshots is not None else None,
        "done": training.done,
        "losses": training.losses,
        "curves": training.curves,
        "seconds": training.seconds,
        "commits": training.commits,
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    if path.exists():
        path.replace(before(path))
    write_atomically(path, hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue())


def resume(path: Path, training: "Training") -> None:
    """Take up where the last whole checkpoint was saved; a damaged one is set aside, aloud, for the one before."""
    for file in (path, before(path)):
        try:
            if file.exists():
                load(file, training)
                run = training.run
                print(f"{run.experiment} seed {run.seed} goes on from iteration {training.done:,}", flush=True)
                return
        except Damaged as error:
            set_aside(file, error)


def delete(path: Path) -> None:
    """Delete it and the one before."""
    for file in (path, before(path)):
        file.unlink(missing_ok=True)


def load(path: Path, training: "Training") -> None:
    """Take up where the file was saved. Raises Damaged, or ValueError for a file of another run or other data."""
    content = read(path, training.device)
    if Run.from_json(content["run"]) != training.run or content["data"] != training.images.sha256:
        raise ValueError(f"checkpoint {path} is of another run or other data; delete it to start this run anew")
    training.net.load_state_dict(content["net"])
    training.optimizer.load_state_dict(content["optimizer"])
    if training.snapshots is not None:
        training.snapshots.load_state_dict(content["snapshots"])
    training.schedule.load_state_dict({"last_epoch": content["done"]})
    torch.set_rng_state(content["random"].cpu())
    if content["random_cuda"] is not None:
        torch.cuda.set_rng_state(content["random_cuda"].cpu(), training.device)
    training.done, training.curves, training.seconds = content["done"], content["curves"], content["seconds"]
    training.losses = content["losses"]
    if content["commits"][-1] != training.commits[0]:
        training.commits = content["commits"] + training.commits
    else:
        training.commits = content["commits"]


def read(path: Path, device: torch.device) -> dict[str, Any]:
    """What a file holds. Raises Damaged, or ValueError for one that another program made."""
    written = path.read_bytes()
    if written.startswith(ZIP):
        raise ValueError(f"checkpoint {path} was written by another program or an older clrlib; delete it")
    digest, content = written[:DIGEST], written[DIGEST:]
    if hashlib.sha256(content).digest() != digest:
        raise Damaged(f"checkpoint {path} is cut off or changed")
    try:
        found: dict[str, Any] = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f"checkpoint {path} holds more than numbers; do not trust it, delete it") from error
    return found
