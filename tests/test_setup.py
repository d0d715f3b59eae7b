"""scripts/setup.py, with a pip that only notes its calls: once, again, for the CPU, and where it fails."""

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab import paths

SETUP = paths.ROOT / "scripts" / "setup.py"
LOCK = (paths.ROOT / "requirements.lock").read_text()
PYTHON = """#!/bin/sh
# python -m venv makes this same program its python; python -m pip notes what it is called with
case "$2" in
    venv) mkdir -p .venv/bin .venv/lib/python3.11/site-packages && cp "$0" .venv/bin/python ;;
    pip) shift 5; echo "$@" >> calls; touch .venv/lib/python3.11/site-packages/__editable__.clrlib-0.pth
         exit ${FAILS:-0} ;;
esac
"""


def test_torch_and_cuda_alone_are_left_out_for_the_cpu() -> None:
    rest, builds = runpy.run_path(str(SETUP))["split"](LOCK)
    assert [build.partition("==")[0] for build in builds] == ["torch", "torchvision"]
    assert all(build.endswith("+cpu") and build.removesuffix("+cpu") in LOCK for build in builds)
    lost = {line.split("==")[0] for line in set(LOCK.splitlines()) - set(rest.splitlines()) if line[:1].isalpha()}
    assert lost - {"torch", "torchvision", "triton"} == {n for n in lost if n.startswith(("nvidia-", "cuda-"))}
    assert "\nnumpy==" in rest and "\ntorchmetrics==" in rest and "cublas" not in rest


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("requirements.lock", "requirements-bench.lock", "pyproject.toml"):
        shutil.copy(paths.ROOT / name, tmp_path)
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    return tmp_path


def setup(clone: Path, *extra: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """The script in the clone, as if it were run by the clone's python."""
    code = f"import runpy, sys; sys.executable = './python'; runpy.run_path({str(SETUP)!r}, run_name='__main__')"
    clean = {name: value for name, value in os.environ.items() if name != "TORCH"}
    command = [sys.executable, "-c", code, *extra]
    return subprocess.run(command, cwd=clone, env=clean | variables, capture_output=True, text=True, check=False)


def calls(clone: Path) -> list[str]:
    return (clone / "calls").read_text().splitlines()


def test_it_says_what_it_takes_and_does_it_once(clone: Path) -> None:
    done = setup(clone)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("making the environment in .venv (some 3 min; 6 GB on Linux")
    assert calls(clone) == [
        "--no-compile --require-hashes -r requirements.lock",
        "--no-deps --no-build-isolation -e .",
    ]
    assert (clone / ".venv/lib/python3.11/site-packages/__editable__.clrlib-0.pth").read_text() == "../../../..\n"
    again = setup(clone)
    assert (again.returncode, again.stdout, len(calls(clone))) == (0, "", 2)
    later = (clone / ".venv/done").stat().st_mtime + 60
    os.utime(clone / "requirements.lock", (later, later))
    assert setup(clone).returncode == 0 and len(calls(clone)) == 4, "for another lock"


def test_an_extra_is_added_once(clone: Path) -> None:
    setup(clone)
    for _ in range(2):
        assert setup(clone, "bench").returncode == 0
    assert calls(clone)[2:] == ["--require-hashes -r requirements-bench.lock"]


def test_for_the_cpu_torchs_builds_come_first(clone: Path) -> None:
    done = setup(clone, TORCH="cpu")
    assert done.returncode == 0 and "1 GB, torch without CUDA" in done.stdout
    builds, rest, _ = calls(clone)
    assert builds.startswith("--no-compile --no-deps torch==") and builds.count("+cpu") == 2
    assert rest == "--no-compile --no-deps --require-hashes -r .venv/requirements-cpu.lock"


def test_an_environment_for_the_cpu_stays_one(clone: Path) -> None:
    setup(clone, TORCH="cpu")
    assert setup(clone, "bench").returncode == 0
    builds, rest = calls(clone)[3:]
    assert builds.count("+cpu") == 2 and rest == "--no-deps --require-hashes -r .venv/requirements-bench-cpu.lock"
    later = (clone / ".venv/done").stat().st_mtime + 60
    os.utime(clone / "requirements.lock", (later, later))
    assert "torch without CUDA" in setup(clone).stdout


def test_a_pip_that_fails_ends_it_and_nothing_is_done(clone: Path) -> None:
    done = setup(clone, FAILS="3")
    assert done.returncode == 3 and "Traceback" not in done.stderr and not (clone / ".venv/done").exists()
    assert len(calls(clone)) == 1
