"""Load a record or train it. One JSON file a run, named by its content."""

import json
from functools import cache
from pathlib import Path

from clrlib.lab import data, device, distributed
from clrlib.lab.files import to_json, write_atomically
from clrlib.lab.paths import BUILD, RESULTS
from clrlib.lab.progress import Progress
from clrlib.lab.runs import NewerFormat, Record, Run
from clrlib.lab.training import train


def folder(profile: str) -> Path:
    """Where the records of a profile lie: build/<profile>/results/.

    Those that were published: results/ for "published" (the paper's size), results/quick/ for "published quick".
    """
    published = {"published": RESULTS, "published quick": RESULTS / "quick"}
    return published.get(profile, BUILD / profile / "results")


def save(record: Record, folder: Path) -> Path:
    """Write a record, whole or not at all."""
    path = folder / f"{record.run.name}.json"
    write_atomically(path, to_json(record.to_json()))
    return path


def read(path: Path) -> Record:
    """Read a record. Raises ValueError for a file that is no record, a newer clrlib's, or not what its name says."""
    try:
        record = Record.from_json(json.loads(path.read_text()))
    except NewerFormat as error:
        raise ValueError(f"{path}: {error}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} is not a whole record ({error}); delete it and train the run again") from error
    if record.run.name != path.stem:
        raise ValueError(f"{path} holds the run {record.run.name}; its name or content was edited, delete it")
    return record


def load(run: Run, folder: Path) -> Record | None:
    """The run's record where it was finished, else None."""
    path = folder / f"{run.name}.json"
    return read(path) if path.exists() else None


def load_all(folder: Path) -> list[Record]:
    """All records of a folder, by experiment and seed."""
    records = [read(path) for path in folder.glob("*.json")]
    return sorted(records, key=lambda record: (record.run.experiment, record.run.seed, record.run.name))


def load_or_train(run: Run, folder: Path, until: float | None = None) -> Record:
    """The run's record: read where it was finished, else trained, from its last checkpoint where it was begun.

    until: as for train, which raises OutOfTime when stopped before its end.
    """
    if (record := distributed.agree(load(run, folder))) is not None:
        return record
    checkpoint = folder.parent / "checkpoints" / f"{run.name}.pt"
    images = _images(run.data)
    record = train(run, images, checkpoint, Progress(images.loader_rate(run.batch)), until)
    if distributed.rank() == 0:
        save(record, folder)
        checkpoint.unlink(missing_ok=True)  # only now: the record is on the disk
    return record


@cache
def _images(name: str) -> data.Images:
    """The run's images on the device, once a process."""
    wanted = name if name.startswith("digits") else name.split("-")[0]
    return data.load(wanted).to(device.pick_device())
