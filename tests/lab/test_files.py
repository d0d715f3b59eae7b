"""A file is whole or not there, a lock is the system's, and JSON is strict."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from lab.files import alone, put_in_place, to_json, write_atomically


def test_writes_in_a_folder_that_it_makes_and_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "record.json"
    for content in (b"a long first content", b"short", b""):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]
    if os.name != "nt":  # Windows has no such permissions
        assert stat.S_IMODE(path.stat().st_mode) == 0o644, "others may read it"


@pytest.mark.parametrize("death", [OSError("disk full"), KeyboardInterrupt()], ids=lambda death: type(death).__name__)
@pytest.mark.parametrize("moment", ["os.fsync", "pathlib.Path.replace"])
@pytest.mark.parametrize("old", [b"old", None], ids=["replacing", "new"])
def test_a_crash_leaves_the_old_file_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bytes | None, moment: str, death: BaseException
) -> None:
    path = tmp_path / "record.json"
    if old is not None:
        path.write_bytes(old)

    def die(*_: object) -> None:
        raise death

    monkeypatch.setattr(moment, die)
    with pytest.raises(type(death)):
        write_atomically(path, b"new content")
    monkeypatch.undo()
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == ([] if old is None else [("record.json", old)])


@pytest.mark.skipif(os.name == "nt", reason="Windows locks otherwise")
@pytest.mark.parametrize("kind", ["file", "folder", "content"])
def test_the_content_is_on_the_disk_before_it_has_the_name_and_then_the_name(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, whole, flushed = tmp_path / "part", tmp_path / "whole", []
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(whole.exists()))
    monkeypatch.setattr(os, "sync", lambda: flushed.append(whole.exists()))
    if kind == "content":
        write_atomically(whole, b"all of it")
    else:
        part.mkdir() if kind == "folder" else part.write_bytes(b"all of it")
        put_in_place(part, whole)
    assert flushed == [False, True] and whole.exists() and not part.exists()


def test_a_file_system_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock made of a mere file would stay for ever where a machine dies."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", no_locks)
    says = "locks lies on a file system without locks; mount it with flock, or work in another folder"
    with pytest.raises(OSError, match=says), alone(tmp_path / "locks" / "run.lock", "training run"):
        raise AssertionError("not alone")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1.0, -float("inf")], {"deep": [float("nan")]}])
def test_json_is_strict(value: object) -> None:
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        to_json({"a": value})


def test_json_has_a_line_for_each_key_and_loses_nothing() -> None:
    content = {"a": [0.1 + 0.2, 1e-300], "b": {"c": None, "d": [True, "é\n"]}, "e": 2**60}
    written = to_json(content)
    assert json.loads(written) == content
    assert written.count(b"\n") == len(content) + 2
    assert written.endswith(b"}\n")
