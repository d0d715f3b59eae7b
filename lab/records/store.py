"""Load a record or train it. One JSON file a run, named by its content."""

import json
import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import cache, partial
from pathlib import Path

from lab import paths
from lab.data import image_sets
from lab.experiments.run import Run
from lab.files import Busy, alone, check_writable, clear_remains, reason, set_aside, to_json, write_atomically
from lab.records import checkpoints
from lab.records.record import OtherFormat, Record
from lab.records.trainer import NewReport, train
from lab.training import device
from lab.training.alone import ALONE, Alone
from lab.training.loop import Report, nothing

ADVICE = "move it out of this folder, or delete it and train the run again"


class Damaged(ValueError):
    """A record that is cut off: what a power cut leaves."""


def save(record: Record, folder: Path) -> Path:
    """Write a record, whole or not at all."""
    path = paths.record(record.run.name, folder)
    write_atomically(path, to_json(record.to_json()))
    return path


def read(path: Path) -> Record:
    """Read a record.

    Raises Damaged for one that is cut off, ValueError for a file that is no record, another clrlib's, or not what its
    name says.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_float=_finite, parse_constant=_finite)
        record = Record.from_json(content)
    except OtherFormat as error:
        raise ValueError(f"{path}: {error}") from error
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{path} cannot be read as a record ({reason(error)}); fix or move it") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Damaged(f"{path} is not a whole record ({error}); {ADVICE}") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is not a whole record ({error}); {ADVICE}") from error
    if record.run.name != path.stem:
        raise ValueError(f"{path} holds the run {record.run.name}; its name or content was edited, delete it")
    return record


def _finite(number: str) -> float:
    """A number of a record; Python's json also takes NaN and Infinity, which no record holds."""
    if not math.isfinite(value := float(number)):
        raise ValueError(f"it holds the number {number}")
    return value


def check(folder: Path) -> None:
    """Refuse, before anything is trained, what would spoil the end: no place to write to, a file that is no record.

    Records that are cut off, as a power cut leaves them, are set aside; checkpoints of finished runs, as a kill between
    the two leaves them, are deleted.
    """
    check_writable(folder)
    for path in _files(folder):
        try:
            read(path)
        except FileNotFoundError:
            continue  # another process has set it aside meanwhile
        except Damaged:
            with suppress(Busy), _alone(path.stem, folder, seconds=0):  # whoever trains it sets it aside
                _set_aside_if_damaged(path)
        else:
            checkpoints.delete(paths.checkpoint(path.stem, folder))


def load(run: Run, folder: Path) -> Record | None:
    """The run's record where it was finished, else None."""
    try:
        return read(paths.record(run.name, folder))
    except FileNotFoundError:
        return None


def is_finished(run: Run, folder: Path) -> bool:
    """True where the run has a whole record. Raises ValueError as read does, but not for one that is cut off."""
    return _whole(run, folder) is not None


def _whole(run: Run, folder: Path) -> Record | None:
    try:
        return load(run, folder)
    except Damaged:
        return None  # it is set aside when its run is taken up


def load_all(folder: Path) -> list[Record]:
    """All records of a folder, by experiment and seed."""
    records = [read(path) for path in _files(folder)]
    return sorted(records, key=lambda record: (record.run.experiment, record.run.seed, record.run.name))


def _files(folder: Path) -> list[Path]:
    """The files of a folder that should be records; the choices lie beside the published ones."""
    return sorted(path for path in folder.glob("*.json") if path.name != paths.CHOICES.name)


def silent(loader_rate: float | None) -> Report:
    """Make no reports of a training's progress."""
    return nothing


def load_or_train(
    run: Run,
    folder: Path,
    until: float | None = None,
    wait: bool = True,
    report: NewReport = silent,
    processes: Alone = ALONE,
) -> Record:
    """The run's record: read where it was finished, else trained, from its last checkpoint where it was begun.

    A record that is cut off is set aside and trained again. While another process trains the run this one waits for it,
    until the time is up or, with wait=False or where several processes train one run, not at all: then it raises Busy.
    until, processes: as for train, which raises OutOfTime when stopped before its end. report: makes what tells how far
    it is.
    """
    if (record := processes.agree(_whole(run, folder))) is not None:
        return record
    left = -1 if until is None else max(0.0, until - time.monotonic())
    left = left if wait and processes.size == 1 else 0  # the others would lose patience
    with _claimed(run, folder, left, processes):
        return _train(run, folder, until, report, processes)


@contextmanager
def _claimed(run: Run, folder: Path, seconds: float, processes: Alone) -> Iterator[None]:
    """Claim a run against all others that share the folder; of several processes the first claims it for all."""
    with ExitStack() as stack:
        busy = None
        if processes.rank == 0:
            try:
                stack.enter_context(_alone(run.name, folder, seconds))
            except Busy as error:
                busy = error
        if busy := processes.agree(busy):
            raise busy
        yield


def _alone(name: str, folder: Path, seconds: float) -> AbstractContextManager[None]:
    return alone(paths.lock(name, folder), f"training {name}", seconds)


def _train(run: Run, folder: Path, until: float | None, report: NewReport, processes: Alone) -> Record:
    """Train a run that this process, or the first of several, has claimed."""
    path, checkpoint = paths.record(run.name, folder), paths.checkpoint(run.name, folder)
    first = processes.rank == 0
    if first:
        _set_aside_if_damaged(path)
    if (record := processes.agree(load(run, folder) if first else None)) is not None:
        return record  # another process has finished it meanwhile
    if first:
        for place in (folder, checkpoint.parent):
            clear_remains(place, run.name)
    images = images_of(run.data).beside(processes.on_this_machine)
    rate = images.loader_rate(run.batch)
    reports = report(rate and rate * processes.size)
    record = train(run, images, checkpoint, reports, until, processes)
    processes.by_the_first(partial(save, record, folder))
    if first:
        checkpoints.delete(checkpoint)  # only now: the record is on the disk
    return record


def _set_aside_if_damaged(path: Path) -> None:
    """Set a damaged record aside. Claim its run first: else it could be whole again by now."""
    try:
        read(path)
    except FileNotFoundError:
        pass
    except Damaged as error:
        set_aside(path, error)


def images_of(name: str) -> image_sets.Images:
    """A run's images on the device, by the name of their set; read once a process."""
    return _images(name)


@cache
def _images(name: str) -> image_sets.Images:
    wanted = name if name.startswith("digits") else name.split("-")[0]
    return image_sets.load(wanted).to(device.pick_device())
