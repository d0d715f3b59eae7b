"""A record is trained once, kept whole, and refused where anything about it was changed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clrlib import Fixed, Triangular
from lab.data.image_sets import ImageSet
from lab.experiments.run import Run
from lab.records import store
from lab.records.record import Record

RUN = Run("made", Triangular(0.001, 0.003, step_size=2), 4, data="made", batch=8, evaluate_every=2)


@pytest.fixture
def folder(tmp_path: Path, images: ImageSet, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty records folder; the store's image set is the one made for the tests."""
    monkeypatch.setattr(store, "_images", lambda name: images)
    return tmp_path / "results"


def refuse_to_train(*_: Any) -> Record:
    raise AssertionError("trained again")


def checkpoint_of(run: Run, folder: Path) -> Path:
    return folder.parent / "checkpoints" / f"{run.name}.pt"


def test_a_run_is_trained_once_and_then_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.load(RUN, folder) is None and store.load_all(folder) == []
    record = store.load_or_train(RUN, folder)
    assert record.run == RUN and len(record.curves["lr"]) == 2
    assert [path.name for path in folder.iterdir()] == [f"{RUN.name}.json"]
    written = (folder / f"{RUN.name}.json").read_bytes()

    monkeypatch.setattr(store, "train", refuse_to_train)
    assert store.load_or_train(RUN, folder) == record == store.load(RUN, folder)
    assert (folder / f"{RUN.name}.json").read_bytes() == written
    with pytest.raises(AssertionError, match="trained again"):
        store.load_or_train(replace(RUN, seed=1), folder)


def test_a_run_that_diverged_is_finished_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = replace(RUN, policy=Fixed(1e30))
    record = store.load_or_train(run, folder)
    assert record.diverged_at == 1
    monkeypatch.setattr(store, "train", refuse_to_train)
    assert store.load_or_train(run, folder) == record


def test_the_checkpoint_goes_only_when_the_record_is_on_the_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch, record_of: Callable[[Run], Record]
) -> None:
    checkpoint = checkpoint_of(RUN, folder)

    def train(run: Run, images: ImageSet, path: Path, report: object, until: float | None, *_: object) -> Record:
        assert path == checkpoint and until is None
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"all that was trained so far")
        return record_of(run)

    def disk_full(path: Path, content: bytes) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(store, "train", train)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
        patch.setattr(store, "write_atomically", disk_full)
        store.load_or_train(RUN, folder)
    assert checkpoint.exists() and store.load(RUN, folder) is None

    unlink = Path.unlink
    monkeypatch.setattr(
        Path,
        "unlink",
        lambda self, missing_ok=False: (store.read(folder / f"{RUN.name}.json"), unlink(self, missing_ok)),
    )
    store.load_or_train(RUN, folder)
    assert not checkpoint.exists()


def test_a_checkpoint_that_a_kill_left_beside_its_record_is_cleared_away(folder: Path) -> None:
    store.load_or_train(RUN, folder)
    left, begun = checkpoint_of(RUN, folder), checkpoint_of(replace(RUN, seed=1), folder)
    for path in (left, left.with_suffix(".before.pt"), begun):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"made")
    store.check(folder)
    assert [*left.parent.iterdir()] == [begun], "that of a run in work stays"


@pytest.fixture
def saved(folder: Path, record_of: Callable[[Run], Record]) -> Path:
    return store.save(record_of(RUN), folder)


@pytest.mark.parametrize("content", [b"null", b'{"format": 2}', b'{"format": NaN}'])
def test_what_is_no_record_is_refused_by_name(saved: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "train", refuse_to_train)
    saved.write_bytes(content)
    for read in (store.load, store.is_finished, store.load_or_train, lambda _, folder: store.load_all(folder)):
        with pytest.raises(ValueError, match=rf"{saved.name} is not a whole record .*delete it and train"):
            read(RUN, saved.parent)
    assert saved.read_bytes() == content


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("rest", ["", "\0"], ids=["cut", "zeros"])
def test_a_record_cut_short_is_never_read_but_set_aside_and_trained_again(
    saved: Path, share: float, rest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = saved.read_bytes()
    damaged = whole[: int(share * len(whole))] + rest.encode() * 9
    saved.write_bytes(damaged)
    for read in (lambda: store.load(RUN, saved.parent), lambda: store.load_all(saved.parent)):
        with pytest.raises(store.Damaged, match=rf"{saved.name} is not a whole record .*delete it and train"):
            read()
    assert not store.is_finished(RUN, saved.parent) and saved.read_bytes() == damaged, "looking changes nothing"
    record = store.load_or_train(RUN, saved.parent)
    assert store.load_all(saved.parent) == [record]
    assert saved.with_name(f"{saved.name}.damaged").read_bytes() == damaged
    assert f"set aside as {saved.name}.damaged" in capsys.readouterr().out


def test_all_records_come_by_experiment_and_seed(folder: Path, record_of: Callable[[Run], Record]) -> None:
    runs = [replace(RUN, experiment=experiment, seed=seed) for experiment in ("b", "a") for seed in (10, 2, 0)]
    for run in runs:
        store.save(record_of(run), folder)
    (folder / ".a-triangular.json.x1.tmp").write_text("what a killed process left")
    (folder / "notes.txt").write_text("not a record")
    order = [(record.run.experiment, record.run.seed) for record in store.load_all(folder)]
    assert order == [("a", 0), ("a", 2), ("a", 10), ("b", 0), ("b", 2), ("b", 10)]
