"""Two processes on one folder: no run is trained twice, no file is spoilt, and the one waits for the other."""

import threading
from pathlib import Path
from queue import Queue

import pytest
from sweeps import RUNS, records, run_two, start

from lab import files
from lab.files import Busy, alone
from lab.records import store
from lab.records.record import Record

pytestmark = pytest.mark.slow


def test_two_reproductions_share_the_work(undisturbed: Path, folder: Path) -> None:
    """Each trains a run while the other does; either could also have been on another machine that shares the folder."""
    codes, printed = zip(*run_two(folder), strict=True)
    assert codes == (0, 0), printed
    done = [line for text in printed for line in text.splitlines() if "done in" in line]
    assert len(done) == len(RUNS), f"each run is trained once: {printed}"
    assert all("done in" in text for text in printed), "at the same time"
    assert records(folder) == records(undisturbed)
    built = folder / "build" / "smoke"
    assert (built / "notebooks" / "00_made.ipynb").exists() and not any((built / "locks").iterdir())
    for path in (undisturbed / "build" / "smoke" / "figures").iterdir():
        assert (built / "figures" / path.name).read_bytes() == path.read_bytes()


def test_a_run_of_another_process_is_left_to_it_or_waited_for(
    tmp_path: Path, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: Queue[str] = Queue()  # not capsys, which may lose what another thread says while it reads
    monkeypatch.setattr(files, "print", lambda line, flush: said.put(line), raising=False)
    monkeypatch.setattr(store, "train", None)
    name = f"{RUNS[0].name}.json"
    with alone(tmp_path / "locks" / f"{RUNS[0].name}.lock", "training"):
        with pytest.raises(Busy, match=RUNS[0].name):
            store.load_or_train(RUNS[0], tmp_path / "results", wait=False)
        loaded: list[Record] = []
        waits = threading.Thread(target=lambda: loaded.append(store.load_or_train(RUNS[0], tmp_path / "results")))
        waits.start()
        assert "waiting for it" in said.get(timeout=60)
        whole = (undisturbed / "build" / "smoke" / "results" / name).read_bytes()
        files.write_atomically(tmp_path / "results" / name, whole)
    waits.join()
    assert loaded == [store.read(tmp_path / "results" / name)]


def test_a_lock_leaves_no_file_and_dies_with_its_process(tmp_path: Path, folder: Path) -> None:
    lock = tmp_path / "a.lock"
    with alone(lock, "working"):
        assert lock.exists()
        with pytest.raises(Busy, match="another process is counting"), alone(lock, "counting", seconds=0.3):
            pass
    assert not lock.exists()
    process = start(folder, folder / "log.txt", "training", 5, 0.0)
    process.join()
    (left,) = (folder / "build" / "smoke" / "locks").iterdir()
    with alone(left, "going on", seconds=0):
        pass
