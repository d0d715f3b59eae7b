"""Bad parameters and a bad environment, as one who calls a command meets them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pytest
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError
from refusals import TRAIN, Act, Lab

from lab import paths
from lab.cli import reproduce
from lab.cli.__main__ import main
from lab.records import store
from lab.show import notebook
from lab.sweep import sweep
from lab.training import device

LINES = {  # the command, what was wrong, what to do
    "train --profile huge": ("--profile: invalid choice: 'huge'", r"choose from .*auto.*smoke.*quick.*laptop.*paper"),
    "": ("the following arguments are required: command", "see `python -m lab.cli --help`"),
    "check --sedes 3": ("unrecognized arguments: --sedes 3", "see `python -m lab.cli --help`"),
    "train --seeds": ("--seeds: expected one argument", "see `python -m lab.cli train --help`"),
    **{
        f"train --seeds={count}": (f"--seeds: '{count}' is not a number of seeds", "give a count from 1 to 1,000")
        for count in ("0", "-1", "1.5", "0,0", "three", "1000000000")
    },
    "train --seeds=1 --seeds=1": ("--seeds is given twice", "give it once"),
    "train --jobs -1": ("--jobs: '-1' is not a number of runs", "give 1 or more, or auto"),
    "train --jobs many": ("--jobs: 'many' is not a number of runs", "give 1 or more, or auto"),
    **{
        f"publish --budget={time}": (f"--budget: '{time}' is not a time", "give one such as 90s, 25m or 3h")
        for time in ("25", "m", "0s", "-1h", "1d", "nanm", "infh", "")
    },
    "data --rows fixd": (
        "row 'fixd' is not in the catalogue",
        r"did you mean .*\bfixed\b.*\? docs/rows.md lists every row",
    ),
    "train --rows fixed,": ("row '' is not in the catalogue", "docs/rows.md lists every row"),
    "publish --rows fixed,exp,fixed": ("row 'fixed' is given twice", "give each row once"),
}


@pytest.mark.parametrize("line", LINES, ids=lambda line: line or "no command")
def test_a_wrong_argument(line: str, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("train", "reproduce", "publish"):
        monkeypatch.setattr(reproduce, name, None)
    monkeypatch.setattr(notebook, "data_for", None)
    lab.refuses(line, *LINES[line], error=ValueError)


def test_help_is_still_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["train", "--help"])
    out, err = capsys.readouterr()
    assert out.startswith("usage: python -m lab.cli train") and "--budget" in out and err == ""


def free(mebibytes: int) -> Act:
    found = SimpleNamespace(available=mebibytes * 2**20)
    return lambda lab: lab.patch.setattr(device.psutil, "virtual_memory", lambda: found)


def in_training(does: Callable[..., Any]) -> Act:
    """Put this in the place of a training."""
    return lambda lab: lab.patch.setattr(sweep, "_train", does)


def raises(error: Exception) -> Act:
    def fail(*_: object) -> None:
        raise error

    return in_training(fail)


def a_file_for_build(lab: Lab) -> None:
    shutil.rmtree(lab.root / "build")
    (lab.root / "build").write_text("not a folder")


def setting(name: str, value: str) -> Act:
    return lambda lab: lab.patch.setenv(name, value)


LESS = r"train one run at a time \(JOBS=1\) or less"
WRITABLE = "make it a folder that you may write to and call again"
CUDA_FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has\n a total capacity")
LITTLE = "close other programs"
KILLED = TerminatedWorkerError("A worker process was unexpectedly terminated.\n\nThe exit codes are {SIGKILL(-9)}")
ENVIRONMENTS: dict[str, tuple[str, Act, str, str, type[Exception]]] = {
    "kernels": (TRAIN, setting("CLRLIB_KERNELS", "fast"), "CLRLIB_KERNELS is 'fast'", 'set it to "wino', ValueError),
    "device": (TRAIN, setting("CLRLIB_DEVICE", "gpu"), "CLRLIB_DEVICE is 'gpu'", 'set it to "cpu"', ValueError),
    "precision": (TRAIN, setting("CLRLIB_PRECISION", "half"), "is 'half'", 'set it to "float32"', ValueError),
    "no CUDA": (TRAIN, setting("CLRLIB_DEVICE", "cuda"), "CLRLIB_DEVICE is 'cuda', but", "set it to cpu", RuntimeError),
    "little memory for smoke": (TRAIN, free(200), "200 MiB of memory are free, a .* 256 MiB", LITTLE, RuntimeError),
    "little memory": ("train --profile paper", free(900), "900 MiB .* 1,024 MiB", LITTLE, RuntimeError),
    "no memory": (TRAIN, in_training(lambda *_: torch.empty(2**50)), r"used up \(.* 45\d+ bytes\)", LESS, RuntimeError),
    "no memory for numpy": (TRAIN, raises(MemoryError("Unable to")), r"used up \(Unable to\)", LESS, MemoryError),
    "no memory at all": (TRAIN, raises(MemoryError()), "the memory is used up", LESS, MemoryError),
    "no memory on the GPU": (TRAIN, raises(CUDA_FULL), r"used up \(tried to allocate 20.00 mib\)", LESS, RuntimeError),
    "worker killed": (TRAIN, raises(KILLED), "process was killed, most often for want of memory", LESS, RuntimeError),
    "build is a file": (TRAIN, a_file_for_build, r"results cannot be .*\(Not a directory\)", WRITABLE, OSError),
}


@pytest.mark.parametrize("case", ENVIRONMENTS)
def test_a_bad_environment(case: str, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(store, "train", None)
    line, there, says, does, error = ENVIRONMENTS[case]
    there(lab)
    lab.refuses(line, says, does, error=error)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ('profil: str = "published"', "05_made.ipynb has no parameter 'profile'; it has profil"),
        ("profile: int = 3", "05_made.ipynb: parameter profile is 'smoke', a str; give a int"),
        (None, "notebook 05_made failed: "),
    ],
    ids=["misspelt", "of another type", "no notebook"],
)
def test_a_bad_notebook(parameters: str | None, says: str, lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    cell = nbformat.v4.new_code_cell(parameters or "", id="first", metadata={"tags": ["parameters"]})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    book = nbformat.writes(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": kernel}))
    (paths.NOTEBOOKS / "05_made.ipynb").write_text(book if parameters else book[:100])
    assert main(["notebooks", "--profile", "smoke"]) == 1
    assert says in capsys.readouterr().out
    lab.refuses("notebooks --profile smoke", "1 of 1 notebooks failed: 05_made", "see above why", error=RuntimeError)


@pytest.mark.parametrize("profile", ["papr", "", None, 3])
def test_a_notebook_with_another_profile(profile: Any) -> None:
    with pytest.raises(
        ValueError, match=rf"^profile is {profile!r}; give one of published, smoke, quick, laptop, paper$"
    ):
        notebook.collect(profile)


@pytest.mark.slow
def test_from_outside() -> None:
    """The same in a process of its own, where nothing stands between it and the user."""
    command = [sys.executable, "-m", "lab.cli", "train", "--seeds=-1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=paths.ROOT, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: argument --seeds: '-1' is not") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"CLRLIB_DATA": "gone"}, "CLRLIB_DATA is"),  # no make
        ({"CLRLIB_DATA": "gone", "MAKELEVEL": "1"}, "CLRLIB_DATA is"),  # make, but the variable was set
        ({"CLRLIB_DATA": "gone", "MAKELEVEL": "1", "DATA": "gone"}, "DATA is"),
    ],
)
def test_a_setting_is_named_as_it_was_typed(
    environment: dict[str, str], says: str, lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in environment.items():
        lab.patch.setenv(name, value)
    assert main(["data", "--profile", "quick"]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"error: {says} ") and "there is no CIFAR-10; name its folder" in err


@pytest.mark.skipif(shutil.which("make") is None or os.name == "nt", reason="needs make")
def test_python_too_old(tmp_path: Path) -> None:
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(paths.ROOT / name, tmp_path)
    old = tmp_path / "python3.9"
    code = "import sys; sys.version_info = (3, 9, 2); $2"
    old.write_text(f'#!/bin/sh\ncode="{code}"\nshift 2\nexec "{sys.executable}" -c "$code" "$@"\n')
    old.chmod(0o755)
    before = sorted(tmp_path.iterdir())
    command = ["make", f"PYTHON={old}", "data"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=clean, check=False)
    first, *others = done.stderr.splitlines()
    assert done.returncode != 0
    assert first == "error: Python 3.9 is too old; give 3.11 or later, make PYTHON=python3.12"
    assert all(line.startswith("make: ***") for line in others), "make's own word, no traceback"
    assert sorted(tmp_path.iterdir()) == before
