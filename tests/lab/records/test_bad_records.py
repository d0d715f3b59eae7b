"""Bad records and checkpoints, as one who calls a command meets them."""

import errno
import io
import json
import os
import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from refusals import RUN, TRAIN, Act, Lab

from lab import files, paths
from lab.data import image_sets
from lab.experiments.run import Run
from lab.records import checkpoints, store, trainer
from lab.records.record import Record
from lab.training import loop

MOVE = "move it out of this folder, or delete it and train the run again"
ANEW = "delete it to start this run anew"
Edit = Callable[[dict[str, Any]], Any]


def put(change: Edit | str, name: str = RUN.name) -> Callable[[Path, str], None]:
    """A record as it was trained but for a change, or a text, under a name."""

    def write(folder: Path, whole: str) -> None:
        content = json.loads(whole)
        if not isinstance(change, str):
            change(content)
        (folder / f"{name}.json").write_text(change if isinstance(change, str) else json.dumps(content))

    return write


def cut(share: float) -> Callable[[Path, str], None]:
    return lambda folder, whole: put(whole[: int(share * len(whole))])(folder, whole)


def instead(old: str, new: str) -> Callable[[Path, str], None]:
    def write(folder: Path, whole: str) -> None:
        assert old in whole
        put(whole.replace(old, new, 1))(folder, whole)

    return write


def curve(name: str, values: Any) -> Callable[[Path, str], None]:
    return put(lambda content: content["curves"].update({name: values}))


NAME = re.escape(RUN.name)
RECORDS: dict[str, tuple[Callable[[Path, str], None], str, str]] = {  # what lies there; what is said; the mend
    "edited seed": (put(lambda c: c["run"].update(seed=7)), rf"{NAME}\.json holds the run .*seed7", "delete it"),
    "edited rate": (instead('"lr": 0.001', '"lr": 0.002'), rf"{NAME}\.json holds the run", "delete it"),
    "seed below 0": (put(lambda c: c["run"].update(seed=-1)), r"seed is -1; give a whole number, 0 or more", MOVE),
    "setting of another kind": (put(lambda c: c["run"].update(batch="25")), r"batch is '25'; give a whole", MOVE),
    "unknown setting": (put(lambda c: c["run"].update(warmup=5)), r"unexpected keyword argument 'warmup'", MOVE),
    "policy with code": (put(lambda c: c["run"]["policy"].update(name="eval")), "policy 'eval' is not one of", MOVE),
    "renamed": (put(lambda c: None, name="fixed-fixed-seed0-00000000"), f"00000000.json holds the run {NAME}", "del"),
    "NaN": (instead("0.25", "NaN"), r"it holds the number NaN", MOVE),
    "infinite": (instead("1.5", "-Infinity"), r"it holds the number -Infinity", MOVE),
    "too large": (instead("1e-09", "1e999"), r"it holds the number 1e999", MOVE),
    "newer": (put(lambda c: c.update(format=3)), r"record format is 3, this clrlib reads 2", "update clrlib"),
    "older": (put(lambda c: c.update(format=1)), r"record format is 1, this clrlib reads 2", "delete it and train"),
    "foreign": (put('{"type": "FeatureCollection"}', name="map"), r"map\.json .* \(it has no format number\)", MOVE),
    "foreign format": (put('{"format": "a4"}', name="page"), r"page\.json .* \(it has no format number\)", MOVE),
    "list": (put("[1, 2]", name="list"), r"list\.json is not a whole record \(it has no format number\)", MOVE),
    "deep": (put("[" * 100_000, name="deep"), r"deep\.json is not a whole record \(maximum recursion", MOVE),
    "no data": (put(lambda c: c.pop("data")), r"its 'data' does not hold label, name, sha256", MOVE),
    "name that is a list": (put(lambda c: c["data"].update(name=[])), r"its data's name is \[\], no text", MOVE),
    "checksum that is null": (put(lambda c: c["data"].update(sha256=None)), "its data's sha256 is None, no text", MOVE),
    "no device": (
        put(lambda c: c["machine"].pop("device")),
        "'machine' does not hold device, kernels, name, threads",
        MOVE,
    ),
    "device that is a number": (put(lambda c: c["machine"].update(device=0)), "machine's device is 0, no text", MOVE),
    "threads of text": (put(lambda c: c["machine"].update(threads="2")), "machine's threads are '2', no number", MOVE),
    "no memory": (put(lambda c: c.pop("peak_memory")), "peak memory is None, not bytes of the process", MOVE),
    "memory of text": (put(lambda c: c.update(peak_memory={"process": "1"})), "peak memory is .*'1'}, not bytes", MOVE),
    "no versions": (put(lambda c: c.update(versions=None)), "it has no versions", MOVE),
    "version that is a number": (put(lambda c: c["versions"].update(torch=2.1)), "of torch is 2.1, no text", MOVE),
    "no commits": (put(lambda c: c.update(commits=None)), "its commits are None, no list of commits", MOVE),
    "commit of text": (put(lambda c: c.update(commits=["abc"])), r"its commits are \['abc'\], no list", MOVE),
    "half a commit": (put(lambda c: c["commits"][0].pop("dirty")), r"its commits are \[.*\], no list", MOVE),
    "not trained to its end": (
        curve("iteration", [1, RUN.iterations - 1]),
        rf"it ends after {RUN.iterations - 1} of {RUN.iterations} iterations",
        MOVE,
    ),
    "never evaluated": (
        put(lambda c: c["curves"].update({name: [] for name in c["curves"]})),
        rf"it ends after 0 of {RUN.iterations} iterations",
        MOVE,
    ),
    "iterations that fall": (curve("iteration", [RUN.iterations, 1]), "'iteration' does not rise in whole", MOVE),
    "half an iteration": (curve("iteration", [0.5, RUN.iterations]), "'iteration' does not rise in whole", MOVE),
    "diverged by word": (put(lambda c: c.update(diverged_at="late")), "diverged_at is 'late', no iteration", MOVE),
    "diverged after its end": (put(lambda c: c.update(diverged_at=10**6)), "diverged_at is 1000000, no iter", MOVE),
    "no snapshots": (
        put(lambda c: c["run"].update(snapshots=[1])),
        "its curve 'snapshot_iteration' has 0 values for 1 snapshots",
        MOVE,
    ),
    "no curve": (put(lambda c: c["curves"].pop("lr")), "it has no curve 'lr'", MOVE),
    "no curves": (put(lambda c: c.update(curves=None)), "it has no curves", MOVE),
    "text for a number": (curve("test_loss", ["low", "lower"]), "its curve 'test_loss' is no list of numbers", MOVE),
    "short curve": (curve("train_loss", [1.0]), "curve 'train_loss' has 1 values for 2 evaluations", MOVE),
    "accuracy in percent": (curve("test_accuracy", [25, 81.4]), "'test_accuracy' is no share of the images", MOVE),
    "folder": (
        lambda folder, _: (folder / "kept.json").mkdir(),
        r"kept\.json cannot be read as a record \(Is a directory\)",
        "mend or move it",
    ),
}
PUBLISHED = RECORDS | {
    "empty": (put(""), rf"{NAME}\.json is not a whole record \(Expecting value", MOVE),
    "no text": (lambda folder, _: (folder / "a.json").write_bytes(b"\xff\xfe"), r"a\.json is not a whole record", MOVE),
    **{f"cut at {share:.0%}": (cut(share), rf"{NAME}\.json is not a whole record", MOVE) for share in (0.1, 0.5, 0.99)},
}


@pytest.fixture
def whole(record_of: Callable[[Run], Record]) -> str:
    """A record of smoke's first run, as it is saved."""
    return store.to_json(record_of(RUN).to_json()).decode()


@pytest.mark.parametrize("case", RECORDS)
def test_a_bad_record_stops_a_training_before_it_begins(
    case: str, lab: Lab, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "train", None)
    lab.records.mkdir(parents=True)
    there, says, does = RECORDS[case]
    there(lab.records, whole)
    lab.refuses(TRAIN, says, does, error=ValueError)


@pytest.mark.parametrize("case", PUBLISHED)
def test_a_bad_record_is_not_drawn(case: str, lab: Lab, whole: str) -> None:
    there, says, does = PUBLISHED[case]
    there(lab.root / "results", whole)
    lab.refuses("figures", says, does, error=ValueError)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A checkpoint of smoke's first run, one iteration before its end."""
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        patch.setenv("CLRLIB_KERNELS", "torch")
        path = tmp_path_factory.mktemp("saved") / "run.pt"
        begun = loop.Training(RUN, image_sets.load("digits"))
        begun.advance(1)
        begun.done = RUN.iterations - 1
        begun.schedule.load_state_dict({"last_epoch": begun.done})
        checkpoints.save(path, begun)
    return path.read_bytes()


class Payload:
    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("owned",)  # in the current folder, the test's own


def signed(content: bytes) -> bytes:
    return files.sealed(io.BytesIO(content))


def changed(change: Edit) -> Callable[[Lab, bytes], None]:
    def write(lab: Lab, whole: bytes) -> None:
        content = torch.load(io.BytesIO(whole[: -files.DIGEST]), weights_only=True)
        change(content)
        lab.checkpoint().write_bytes(checkpoints.encoded(content))

    return write


def first(content: dict[str, Any], what: str, shape: tuple[int, ...]) -> None:
    """Another shape for the first weights, or for what the optimizer keeps of them."""
    part = content["net"] if what == "net" else content["optimizer"]["state"][0]
    part[next(iter(part))] = torch.zeros(shape)


CHECKPOINTS: dict[str, tuple[Callable[[Lab, bytes], Any], str, str]] = {
    "code": (changed(lambda c: c.update(run=Payload())), rf"{NAME}\.pt holds code \(posix\.mkdir\)", "do not trust it"),
    "code alone": (
        lambda lab, _: lab.checkpoint().write_bytes(signed(pickle.dumps(Payload(), protocol=2))),
        rf"{NAME}\.pt holds code \(posix\.mkdir\)",
        "do not trust it",
    ),
    "another run": (
        changed(lambda c: c.update(run=replace(RUN, seed=1).to_json())),
        rf"{NAME}\.pt is of another run or other data",
        ANEW,
    ),
    "other data": (changed(lambda c: c.update(data="0" * 64)), "is of another run or other data", ANEW),
    "a newer run": (changed(lambda c: c["run"].update(warmup=5)), "is of another run or other data", ANEW),
    "no run": (changed(lambda c: c.pop("run")), "is of another run or other data", ANEW),
    "something else": (
        lambda lab, _: lab.checkpoint().write_bytes(checkpoints.encoded([1, 2])),
        "is of another run or other",
        ANEW,
    ),
    **{
        f"no {key}": (changed(lambda c, key=key: c.pop(key)), rf"does not fit its run \(it has no '{key}'\)", ANEW)  # type: ignore[misc]
        for key in ("net", "optimizer", "random", "threads", "done", "curves", "seconds", "commits")
    },
    "weights of another shape": (changed(lambda c: first(c, "net", (2, 2))), "does not fit .* size mismatch", ANEW),
    "weights missing": (changed(lambda c: c["net"].popitem()), "does not fit .* Missing key", ANEW),
    "weights that are text": (changed(lambda c: c.update(net="weights")), "does not fit its run", ANEW),
    "momentum of another shape": (
        changed(lambda c: first(c, "optimizer", (2, 2))),
        r"does not fit its run \(velocity has shape \(2, 2\) for weights",
        ANEW,
    ),
    "other kernels": (
        changed(lambda c: c.update(kernels="fused")),
        rf"{NAME}\.pt was trained with the CPU kernels 'fused', not 'torch'",
        f"set CLRLIB_KERNELS=fused, or {ANEW}",
    ),
    "no threads at all": (changed(lambda c: c.update(threads=0)), "does not fit its run .threads is 0", ANEW),
    "no checkpoint": (lambda lab, _: lab.checkpoint().write_bytes(signed(b"text")), rf"{NAME}\.pt is none \(", ANEW),
    "after the end": (changed(lambda c: c.update(done=10**6)), "does not fit its run .done is 1000000", ANEW),
    "before the start": (changed(lambda c: c.update(done=-1)), "does not fit its run .done is -1", ANEW),
    "losses of a batch": (changed(lambda c: c.update(losses=[torch.zeros(3)])), "losses are not single", ANEW),
    "curves of text": (changed(lambda c: c["curves"].update(lr=["low"])), "curve 'lr' is no list of numbers", ANEW),
}


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_a_bad_checkpoint_is_refused_before_training(
    case: str, lab: Lab, saved: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lab.root)
    monkeypatch.setattr(loop.Training, "advance", None)
    lab.checkpoint().parent.mkdir(parents=True)
    there, says, does = CHECKPOINTS[case]
    there(lab, saved)
    lab.refuses(TRAIN, says, does, error=ValueError)


def full(lab: Lab) -> None:
    """No space left from now on, but for the small file that tries whether anything can be written."""
    fsync = os.fsync

    def fail(handle: int) -> None:
        if os.fstat(handle).st_size != 2**20:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    lab.patch.setattr(os, "fsync", fail)


def stops_now_and_then(lab: Lab) -> None:
    lab.patch.setattr(trainer, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    lab.patch.setattr(loop.Training, "advance", lambda self, iterations, between: between(self))


FULL = r"cannot be written to \(No space left on device\)"


@pytest.mark.parametrize(
    ("before", "folder"),
    [(stops_now_and_then, "build/smoke/checkpoints"), (lambda lab: None, "build/smoke/results")],
    ids=["at a checkpoint", "at the record"],
)
def test_a_full_disk_leaves_the_last_checkpoint(before: Act, folder: str, lab: Lab, saved: bytes) -> None:
    lab.checkpoint().parent.mkdir(parents=True)
    lab.checkpoint().write_bytes(saved)
    before(lab)
    full(lab)
    made = "build/smoke/results"  # the folder, empty
    lab.refuses(TRAIN, f"{folder} {FULL}", "free some space there and call again", error=OSError, made=made)


def test_a_full_disk_leaves_the_figures(lab: Lab) -> None:
    full(lab)
    lab.refuses("figures", f"figures {FULL}", "free some space there and call again", error=OSError)
    assert (paths.FIGURES / "old.png").read_bytes() == b"drawn before"
