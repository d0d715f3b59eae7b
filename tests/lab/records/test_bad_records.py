"""Bad records and checkpoints: refused in one sentence, and left as they are."""

import errno
import io
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
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
NAME = re.escape(RUN.name)
GONE = object()
OTHER = rf"{NAME}\.json holds the run .*; its name or content was edited, delete it"
CURVES = ("iteration", "lr", "test_accuracy", "test_loss", "train_loss")

EDITS = [  # a value of the record, what it becomes, what is said
    ("run.seed", 7, OTHER),
    ("run.profile", "quick", OTHER),
    ("run.policy.lr", 0.002, OTHER),
    ("run.seed", -1, "seed is -1; give a whole number, 0 or more"),
    ("run.batch", "25", r"'25' is not of type int @ \$\.run\.batch"),
    ("run.snapshots", [0.5], r"0.5 is not of type int @ \$\.run\.snapshots\[0\]"),
    ("run.warmup", 5, r"extra fields found \(warmup\) @ \$\.run"),
    ("run.policy.name", "eval", r"policy 'eval' is not one of clrlib; was the record made by a newer clrlib\?"),
    ("run", GONE, r"required field missing @ \$\.run"),
    ("run", [], r"@ \$\.run"),
    ("format", GONE, "it has no format number"),
    *(("format", number, "it has no format number") for number in ("2", None, True, 2.0)),
    ("format", 3, "record format is 3, this clrlib reads 2; update clrlib"),
    ("format", 1, "record format is 1, this clrlib reads 2; delete it and train the run again"),
    ("notes", "fine", r"extra fields found \(notes\)"),
    *((name, GONE, rf"required field missing @ \$\.{name}") for name in ("data", "peak_memory", "versions", "commits")),
    *((name, 5, rf"@ \$\.{name}") for name in ("data", "machine", "peak_memory", "versions", "commits", "curves")),
    ("machine.device", GONE, r"required field missing @ \$\.machine\.device"),
    ("machine.threads", True, r"True is not of type int @ \$\.machine\.threads"),
    ("peak_memory", {}, r"required field missing @ \$\.peak_memory\.process"),
    ("peak_memory.process", 0, r"its peak memory is \{'process': 0\}, not bytes of the process"),
    ("peak_memory.cuda", -1, r"its peak memory is .*, not bytes of the process"),
    ("commits", ["abc"], r"@ \$\.commits\[0\]"),
    ("commits.0.dirty", GONE, r"required field missing @ \$\.commits\[0\]\.dirty"),
    ("diverged_at", 10**6, "diverged_at is 1000000, no iteration of the run"),
    ("run.snapshots", [1], "its curve 'snapshot_iteration' has 0 values for 1 snapshots"),
    ("curves.iteration", [1, RUN.iterations - 1], f"it ends after {RUN.iterations - 1} of {RUN.iterations} iterations"),
    ("curves", {name: [] for name in CURVES}, f"it ends after 0 of {RUN.iterations} iterations"),
    ("curves.iteration", [RUN.iterations, 1], "'iteration' does not rise in whole numbers"),
    ("curves.iteration", [0.5, RUN.iterations], "'iteration' does not rise in whole numbers"),
    ("curves.lr", GONE, "it has no curve 'lr'"),
    ("curves.train_loss", [1.0], "its curve 'train_loss' has 1 values for 2 evaluations"),
    ("curves.test_accuracy", [25, 81.4], "its curve 'test_accuracy' is no share of the images, from 0 to 1"),
]
FILES = {  # the file, what it holds (of the whole record's text), what is said
    "NaN": (RUN.name, lambda whole: whole.replace("0.25", "NaN"), "it holds the number NaN"),
    "infinite": (RUN.name, lambda whole: whole.replace("1.5", "-Infinity", 1), "it holds the number -Infinity"),
    "too large": (RUN.name, lambda whole: whole.replace("1e-09", "1e999"), "it holds the number 1e999"),
    "renamed": ("fixed-fixed-seed0-00000000", lambda whole: whole, f"00000000.json holds the run {NAME}"),
    "foreign": ("map", lambda whole: '{"type": "map"}', r"map\.json is not a whole record \(it has no format number\)"),
    "list": ("list", lambda whole: "[1, 2]", r"list\.json is not a whole record \(it has no format number\)"),
    "deep": ("deep", lambda whole: "[" * 100_000, r"deep\.json is not a whole record \(maximum recursion"),
}


@pytest.fixture
def whole(record_of: Callable[[Run], Record]) -> str:
    """A record of smoke's first run, as it is saved."""
    return files.to_json(record_of(RUN).to_json()).decode()


def edited(whole: str, place: str, value: object) -> str:
    content = json.loads(whole)
    *way, last = (int(part) if part.isdigit() else part for part in place.split("."))
    part = reduce(lambda inner, key: inner[key], way, content)
    if value is GONE:
        del part[last]
    else:
        part[last] = value
    return json.dumps(content)


def refuses(folder: Path, name: str, text: str, says: str) -> None:
    """A bad file in a records folder stops a training before it begins, and nothing there is changed."""
    path = folder / f"{name}.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=says) as error:
        store.check(folder)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert [*folder.iterdir()] == [path] and path.read_text() == text


@pytest.mark.parametrize(("place", "value", "says"), EDITS)
def test_an_edited_record_is_refused(place: str, value: object, says: str, whole: str, tmp_path: Path) -> None:
    refuses(tmp_path, RUN.name, edited(whole, place, value), says)


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_record_of_its_name_is_refused(case: str, whole: str, tmp_path: Path) -> None:
    name, text, says = FILES[case]
    refuses(tmp_path, name, text(whole), says)


KINDS: dict[str, tuple[Callable[[Path, str], Any], str, str]] = {  # what lies there; what is said; what to do
    "edited": (lambda path, whole: path.write_text(edited(whole, "run.seed", 7)), "holds the run", "edited, delete it"),
    "newer": (lambda path, whole: path.write_text(edited(whole, "format", 3)), "record format is 3", "update clrlib"),
    "foreign": (lambda path, whole: path.write_text("{}"), "it has no format number", MOVE),
    "folder": (lambda path, whole: path.mkdir(), r"cannot be read as a record \(Is a directory\)", "fix or move it"),
}
CUT = {
    "no text": (lambda path, whole: path.write_bytes(b"\xff\xfe"), "is not a whole record", MOVE),
    "cut": (lambda path, whole: path.write_text(whole[: len(whole) // 2]), "is not a whole record", MOVE),
}


@pytest.mark.parametrize(
    ("command", "case"), [*((TRAIN, case) for case in KINDS), *(("figures", case) for case in KINDS | CUT)]
)
def test_a_command_refuses_a_bad_record_in_one_sentence(
    command: str, case: str, lab: Lab, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that is cut off does not stop a training: it is set aside."""
    monkeypatch.setattr(store, "train", None)
    folder = lab.records if command == TRAIN else lab.root / "results"
    folder.mkdir(parents=True, exist_ok=True)
    there, says, does = (KINDS | CUT)[case]
    there(folder / f"{RUN.name}.json", whole)
    lab.refuses(command, says, does, error=ValueError)


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
        return os.mkdir, ("made",)  # in the current folder, which is the test's


def signed(content: bytes) -> bytes:
    return files.sealed(io.BytesIO(content))


def changed(change: Callable[[dict[str, Any]], Any]) -> Callable[[Lab, bytes], None]:
    def write(lab: Lab, whole: bytes) -> None:
        content = torch.load(io.BytesIO(whole[: -files.DIGEST]), weights_only=True)
        change(content)
        lab.checkpoint().write_bytes(checkpoints.encoded(content))

    return write


def first(content: dict[str, Any], what: str, shape: tuple[int, ...]) -> None:
    """Another shape for the first weights, or for what the optimizer keeps of them."""
    part = content["net"] if what == "net" else content["optimizer"]["state"][0]
    part[next(iter(part))] = torch.zeros(shape)


OTHER_RUN, UNFIT = "is of another run or other data", "does not fit its run"
CHECKPOINTS: dict[str, tuple[Callable[[Lab, bytes], Any], str, str]] = {  # the fault; the words for it; the remedy
    "code": (changed(lambda c: c.update(run=Payload())), rf"{NAME}\.pt holds code \(posix\.mkdir\)", "do not trust it"),
    "another run": (changed(lambda c: c.update(run=replace(RUN, seed=1).to_json())), rf"{NAME}\.pt {OTHER_RUN}", ANEW),
    "other data": (changed(lambda c: c.update(data="0" * 64)), OTHER_RUN, ANEW),
    "no run": (changed(lambda c: c.pop("run")), OTHER_RUN, ANEW),
    "a list": (lambda lab, _: lab.checkpoint().write_bytes(checkpoints.encoded([1, 2])), OTHER_RUN, ANEW),
    "text": (lambda lab, _: lab.checkpoint().write_bytes(signed(b"text")), rf"{NAME}\.pt is no checkpoint \(", ANEW),
    **{
        f"no {key}": (changed(lambda c, key=key: c.pop(key)), rf"{UNFIT} \(it has no '{key}'\)", ANEW)  # type: ignore[misc]
        for key in ("net", "optimizer", "random", "threads", "done", "curves", "seconds", "commits")
    },
    "weights of another shape": (changed(lambda c: first(c, "net", (2, 2))), "does not fit .* size mismatch", ANEW),
    "weights missing": (changed(lambda c: c["net"].popitem()), "does not fit .* Missing key", ANEW),
    "momentum of another shape": (
        changed(lambda c: first(c, "optimizer", (2, 2))),
        rf"{UNFIT} \(velocity has shape \(2, 2\) for weights",
        ANEW,
    ),
    "other kernels": (
        changed(lambda c: c.update(kernels="fused")),
        rf"{NAME}\.pt was trained with the CPU kernels 'fused', not 'torch'",
        f"set CLRLIB_KERNELS=fused, or {ANEW}",
    ),
    "no threads at all": (changed(lambda c: c.update(threads=0)), f"{UNFIT} .threads is 0", ANEW),
    "after the end": (changed(lambda c: c.update(done=10**6)), f"{UNFIT} .done is 1000000", ANEW),
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
