"""`make check` where something is missing: the line that says what to fix, and the exit code."""

import io
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from refusals import Lab

from lab import files, paths
from lab.cli.__main__ import main
from lab.data import cifar_archive
from lab.nets import kernels
from lab.nets.kernels.library import Library
from lab.sweep import sweep

GIB = 2**30


@pytest.fixture
def here(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A machine where all is well but that it has no data; no network is asked."""
    monkeypatch.setattr(paths, "BUILD", lab.root / "build")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("the network was asked"))
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=100 * GIB))
    memory(lab, 64 * GIB)
    return lab


def memory(lab: Lab, free: int) -> None:
    for module in ("cli.check", "training.device"):
        lab.patch.setattr(f"lab.{module}.psutil.virtual_memory", lambda: SimpleNamespace(available=free))


def said(lab: Lab, code: int = 0) -> list[str]:
    """The lines of the command, which leaves every file as it was."""
    before = lab.files()
    assert main(["check"]) == code
    assert lab.files() == before
    out, err = lab.capture.readouterr()
    assert err == ("error: 1 of the above must be fixed before anything can be trained\n" if code else "")
    assert all(line.startswith(("ok: ", "fix: ", "optional: ")) for line in out.splitlines())
    return list(out.splitlines())


def test_what_is_missing_is_data_and_stops_nothing(here: Lab) -> None:
    lines = said(here)
    assert [line.split(":")[0] for line in lines] == ["ok"] * 10 + ["fix"] + ["optional"] * 3
    about = (
        "python 3.",
        "environment of this folder",
        "clrlib ",
        "CPU: ",
        "trainings run on cpu, in float32",
        "memory: 64.0 GiB free, ",
    )
    about += ("build/ can be written to", "GPU: ", "disk: ", "CPU kernels: torch's own")
    assert all(line.startswith(f"ok: {start}") for line, start in zip(lines, about, strict=False))
    assert lines[5].endswith("enough for trainings at a time: 32")
    assert f"torch {torch.__version__.split('+')[0]}" in lines[2]
    for line, name, fix in zip(
        lines[10:],
        ("CIFAR-10", "Imagenette", "CIFAR-100", "ImageNet"),
        ("`make data` downloads it", "`make data` downloads it", "Put cifar-100-python.tar.gz", "Put it there as a"),
        strict=True,
    ):
        assert line.partition(": ")[2].startswith(f"{name} is not at data/") and fix in line


def test_data_that_is_there_is_named_by_its_place(here: Lab) -> None:
    cifar, imagenette = paths.DATA / cifar_archive.FOLDER, paths.DATA / "imagenette2-160"
    for place in (cifar, imagenette, here.user / "imagenet"):
        (place / "train").mkdir(parents=True)
        (place / "val").mkdir()
    (paths.DATA / "cifar-100-python.tar.gz").touch()
    here.data(here.user / "imagenet")
    assert said(here)[10:] == [
        f"ok: CIFAR-10: {cifar}",
        f"ok: Imagenette: {imagenette}",
        f"ok: CIFAR-100: {paths.DATA}",
        f"ok: ImageNet: {here.user / 'imagenet'}",
    ]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("digits", "ok: CIFAR-10: scikit-learn's digits stand in for it, as CLRLIB_DATA says"),
        ("{user}/mine.npz", "ok: CIFAR-10 or images of one's own: {user}/mine.npz"),
    ],
)
def test_data_that_are_named_are_taken(name: str, line: str, here: Lab) -> None:
    (here.user / "mine.npz").touch()
    here.data(name.format(user=here.user))
    assert line.format(user=here.user) in said(here)


def no_place(*_: Any, **__: Any) -> None:
    raise PermissionError(13, "Permission denied")


def not_installed(name: str) -> str:
    if name == "torchvision":
        raise ImportError(f"{name} is not installed")
    return "1.0"


def no_compiler(lab: Lab) -> None:
    lab.patch.setattr(kernels, "obstacle", lambda: "no g++")
    lab.patch.setenv("CLRLIB_KERNELS", "fused")


def another_lab(lab: Lab, says: str) -> None:
    """A Python that finds the lab elsewhere, or not at all."""
    python = lab.root / "python"
    python.write_text(f"#!/bin/sh\n{says}\n")
    python.chmod(0o755)
    lab.patch.setattr(sys, "executable", str(python))


MOVED = "as after a clone was moved or copied; call `rm -rf .venv; make setup`"
BROKEN: dict[str, tuple[Callable[[Lab], object], str]] = {
    "python": (
        lambda lab: lab.patch.setattr("lab.cli.check.OLDEST_PYTHON", (4, 0)),
        "clrlib needs 4.0 or later; delete .venv and call `make setup PYTHON=python3.12`",
    ),
    "environment elsewhere": (
        lambda lab: another_lab(lab, "echo /old/clone/lab/__init__.py"),
        f"in other folders Python takes the lab from /old/clone, {MOVED}",
    ),
    "environment without the lab": (
        lambda lab: another_lab(lab, "exit 1"),
        f"in other folders Python does not find the lab, {MOVED}",
    ),
    "package": (
        lambda lab: lab.patch.setattr("lab.records.provenance.version", not_installed),
        "torchvision is not installed; call `make setup`",
    ),
    "device": (
        lambda lab: lab.patch.setenv("CLRLIB_DEVICE", "cuda"),
        "CLRLIB_DEVICE is 'cuda', but torch finds no CUDA here; fix the driver, or set it to cpu",
    ),
    "memory": (
        lambda lab: memory(lab, sweep.BYTES_A_RUN // 4),
        "512 MiB of memory are free, a training needs 1,024 MiB; close other programs and call again",
    ),
    "folder": (
        lambda lab: lab.patch.setattr("lab.files.tempfile.TemporaryFile", no_place),
        "/build cannot be written to (Permission denied); make it a folder that you may write to and call again",
    ),
    "data": (lambda lab: lab.data(lab.user), "/user', where there is no CIFAR-10;"),
    "kernels unknown": (lambda lab: lab.patch.setenv("CLRLIB_KERNELS", "foo"), "CLRLIB_KERNELS is 'foo'; set it to "),
    "kernels not to be had": (no_compiler, "no g++; fix that or unset CLRLIB_KERNELS"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_keeps_all_trainings_from_beginning_is_exit_code_1(here: Lab, what: str) -> None:
    make_it_so, fix = BROKEN[what]
    make_it_so(here)
    fixes = [line for line in said(here, code=1) if fix in line]
    assert len(fixes) == 1 and fixes[0].startswith("fix: ")


def test_a_gpu_is_shown_with_its_memory(here: Lab) -> None:
    here.patch.setattr(torch.cuda, "is_available", lambda: True)
    here.patch.setattr(torch.cuda, "mem_get_info", lambda: (60 * GIB, 80 * GIB))
    here.patch.setattr(torch.cuda, "get_device_name", lambda: "Abacus 9000")
    shown = "ok: GPU: Abacus 9000, 60.0 GiB of 80.0 GiB free"
    lines = said(here)
    assert shown in lines and "ok: trainings run on cpu, in float32" in lines, "as CLRLIB_DEVICE says"
    here.patch.delenv("CLRLIB_DEVICE")
    lines = said(here)
    assert shown in lines and "ok: trainings run on cuda, in float32" in lines


def test_a_driver_that_torch_cannot_use_is_reported(here: Lab) -> None:
    here.patch.setattr(torch.cuda, "is_available", lambda: False)
    here.patch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    driver = "fix: an NVIDIA driver is here, but torch finds no CUDA; update the driver, or go on without"
    assert driver in said(here)


def test_a_full_disk_is_told(here: Lab) -> None:
    here.patch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=GIB))
    fix = "fix: 1.0 GiB of disk are free at build/, trainings take up to 2.0 GiB; free some space"
    assert fix in said(here)


def test_kernels_are_not_compiled_by_looking(here: Lab) -> None:
    here.patch.delenv("CLRLIB_KERNELS")
    here.patch.setattr(kernels, "obstacle", lambda: None)
    here.patch.setattr(Library, "_compile", lambda self, file: pytest.fail("compiled"))
    assert "ok: CPU kernels: the first training compiles them (15 s)" in said(here)
    for library in kernels.LIBRARIES:
        files.write_atomically(library.file(), files.sealed(io.BytesIO(b"no library")))
    assert any(line.startswith("fix: the CPU kernels could not be loaded (") for line in said(here))
    here.patch.setattr(Library, "get", lambda self: None)
    assert "ok: CPU kernels: compiled" in said(here)
    here.patch.setattr(kernels, "obstacle", lambda: "no C++ compiler 'g++' for the CPU kernels (install g++)")
    assert any(line.startswith("fix: no C++ compiler 'g++' for the CPU kernels (install g++); ") for line in said(here))


TORCHLESS = "torch cannot be imported from .venv (see above); call `rm -rf .venv; make setup`"


@pytest.mark.parametrize(
    ("missing", "said"),
    [("torch", TORCHLESS), ("environment", "there is no environment in .venv yet; call `make setup`")],
)
def test_make_check_without_torch_is_one_sentence(missing: str, said: str, tmp_path: Path) -> None:
    """Nothing of clrlib can be imported then, so that make itself looks."""
    (tmp_path / "torch.py").write_text("raise ImportError('libcudart.so.12 is not there')")
    python = sys.executable if missing == "torch" else str(tmp_path / "python")
    done = subprocess.run(
        ["make", "--no-print-directory", "check", f"PY={python}"],
        cwd=paths.ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert done.stdout == f"fix: {said}\n"
    assert ("libcudart.so.12 is not there" in done.stderr) == (missing == "torch")
