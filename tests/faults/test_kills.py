"""A sweep is killed anywhere, its newest file cut off as by a power cut, and goes on as if nothing had been.

scripts/soak.sh kills 20 times; docs/faults.md has the results.
"""

import os
import random
import signal
import time
from pathlib import Path

import psutil
import pytest
from sweeps import RUNS, STAGES, records, run, start, start_with_workers

from lab.records.record import Record

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("KILLS", "3"))
CALLS = {  # which of a stage's calls, from and to; of 106 files and folders that are flushed the last 8 are the end's
    "training": (1, 40),
    "evaluation": (1, 8),
    "checkpoint": (1, 40),
    "half a file": (1, 98),
    "half a figure or report": (99, 106),
    "record": (1, 4),
    "after the record": (1, 4),
}
LONGEST = {"training": 0.05, "evaluation": 0.05, "checkpoint": 0.02, "record": 0.01, "notebook": 0.8, "figure": 0.1}


def moments(seed: int) -> list[tuple[str, int, float]]:
    """Stage, call and seconds into it of each kill: all stages before one comes again."""
    drawn = random.Random(seed)
    stages = [stage for _ in range(-(-KILLS // len(STAGES))) for stage in drawn.sample(list(STAGES), len(STAGES))]
    return [
        (stage, drawn.randint(*CALLS.get(stage, (1, 1))), drawn.uniform(0, LONGEST.get(stage, 0.0)))
        for stage in stages[:KILLS]
    ]


def finished(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Each record's bytes and time of writing."""
    paths = (folder / "build" / "smoke" / "results").glob("*.json")
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def cut_the_newest_file(folder: Path, share: float) -> str:
    """Leave only a part of it, as a power cut does."""
    files = [path for kind in ("*.pt", "*.json", "*.png", "*.ipynb") for path in (folder / "build").rglob(kind)]
    newest = max(files, key=lambda path: path.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[: int(share * newest.stat().st_size)])
    return newest.name


def assert_ends_as(folder: Path, undisturbed: Path) -> None:
    """It goes on to the very end of the undisturbed sweep, bit for bit, and leaves no remains."""
    code, printed = run(folder)
    assert code == 0, printed
    assert records(folder) == records(undisturbed)
    ours, theirs = (place / "build" / "smoke" for place in (folder, undisturbed))
    for figure in (theirs / "figures").iterdir():
        assert (ours / "figures" / figure.name).read_bytes() == figure.read_bytes()
    assert (ours / "notebooks" / "00_made.ipynb").exists()
    assert printed.splitlines()[-1] == f"All of it on one page: {(ours / 'report.html').as_uri()}"
    assert (ours / "report.html").read_text().endswith("</html>\n")
    remains = {path.name for path in folder.rglob("*") if path.suffix == ".tmp" or path.name.endswith(".failed.ipynb")}
    assert not remains
    assert not any((ours / "checkpoints").iterdir()) or "damaged" in printed


def kill_and_go_on(moment: tuple[str, int, float], undisturbed: Path, folder: Path, cut: bool) -> None:
    code, printed = run(folder, *moment)
    assert code == -signal.SIGKILL, printed
    if not cut:
        whole: list[Record] = records(folder)  # raises for a half one
        assert {r.run.name for r in whole} <= {r.name for r in RUNS}
    lost = cut_the_newest_file(folder, share=random.Random(str(moment)).random()) if cut else ""
    before = {name: content for name, content in finished(folder).items() if name != lost}
    assert_ends_as(folder, undisturbed)
    assert before.items() <= finished(folder).items(), "finished runs are untouched"


@pytest.mark.parametrize("moment", moments(seed=0), ids=lambda moment: f"{moment[0]}-{moment[1]}")
def test_killed_anywhere_it_goes_on_to_the_same_end(
    moment: tuple[str, int, float], undisturbed: Path, folder: Path
) -> None:
    kill_and_go_on(moment, undisturbed, folder, cut=False)


@pytest.mark.promise
@pytest.mark.parametrize("moment", moments(seed=1)[: max(1, KILLS // 4)], ids=lambda moment: f"{moment[0]}-{moment[1]}")
def test_after_a_power_cut_it_goes_on_to_the_same_end(
    moment: tuple[str, int, float], undisturbed: Path, folder: Path
) -> None:
    kill_and_go_on(moment, undisturbed, folder, cut=True)


def test_a_clock_set_back_changes_nothing(undisturbed: Path, folder: Path) -> None:
    """All that was written before is from the future then."""
    code, printed = run(folder, "record", 3, 0.0)
    assert code == -signal.SIGKILL, printed
    for path in folder.rglob("*"):
        os.utime(path, (4e9, 4e9))
    before = finished(folder)
    assert len(before) == 2
    assert_ends_as(folder, undisturbed)
    assert before.items() <= finished(folder).items()


def test_stopped_by_ctrl_z_it_goes_on_to_the_same_end(undisturbed: Path, folder: Path) -> None:
    log = folder / "log.txt"
    process = start(folder, log)
    while not finished(folder):
        assert process.is_alive(), log.read_text()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGSTOP)  # SIGTSTP is for a group that has a shell
    while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:  # as soon as the kernel gets to it
        assert process.is_alive(), log.read_text()
    os.killpg(process.pid, signal.SIGCONT)
    process.join()
    assert process.exitcode == 0, log.read_text()
    assert records(folder) == records(undisturbed)


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGHUP], ids=lambda by: by.name)
def test_killed_alone_its_workers_end_by_themselves(by: signal.Signals, undisturbed: Path, folder: Path) -> None:
    """Else they would go on, with the locks and the cores, beside those of the next call. HUP: a closed terminal."""
    process = start_with_workers(folder)
    locks = folder / "build" / "smoke" / "locks"
    while len([*locks.glob("*.lock")]) < 2:
        assert process.is_alive(), (folder / "log.txt").read_text()
        time.sleep(0.05)
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) >= 2
    os.kill(process.pid, by)
    process.join()
    assert process.exitcode == -by
    _, left = psutil.wait_procs(workers, timeout=120)
    for worker in left:
        worker.kill()
    assert not left
    assert_ends_as(folder, undisturbed)
