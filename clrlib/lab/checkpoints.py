"""A training put down to a file and taken up again, bit for bit on the same CPU and thread count."""

import io
import pickle
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from clrlib.lab import distributed
from clrlib.lab.files import write_atomically
from clrlib.lab.runs import Run

if TYPE_CHECKING:
    from clrlib.lab.training import Training


def save(path: Path, training: "Training") -> None:
    """Write all that the rest of the training depends on, whole or not at all."""
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
    write_atomically(path, buffer.getvalue())


def load(path: Path, training: "Training") -> None:
    """Take up where the file was saved. Raises ValueError for a file of another run or other data."""
    try:
        content = torch.load(distributed.firsts_file(path), map_location=training.device, weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"checkpoint {path} is damaged; delete it to start this run anew") from error
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
    training.losses = content.get("losses", [])  # older files were all written after an evaluation
    if content["commits"][-1] != training.commits[0]:
        training.commits = content["commits"] + training.commits
    else:
        training.commits = content["commits"]
