"""The compiled kernels: where they are used, how they are made, and what happens where they cannot be."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from clrlib.lab import kernels


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is compiled yet, and nothing that is compiled here stays."""
    monkeypatch.setattr(kernels, "BUILD", tmp_path)
    return tmp_path / "kernels"


def channels_last(*shape: int) -> torch.Tensor:
    return torch.zeros(*shape).to(memory_format=torch.channels_last)


@pytest.mark.skipif(not kernels.load(), reason="no C++ compiler: only torch's operations are here")
def test_they_take_what_they_were_written_for_and_nothing_else() -> None:
    assert kernels.fit(channels_last(2, 32, 8, 8)) and kernels.fit(channels_last(2, 32, 8, 8).bfloat16())
    assert not kernels.fit(channels_last(2, 32, 8, 8).double())
    assert not kernels.fit(torch.zeros(2, 32, 8, 8))
    assert not kernels.fit(channels_last(2, 24, 8, 8))
    assert not kernels.fit(channels_last(2, 32, 7, 8)) and not kernels.fit(channels_last(2, 32, 8, 7))
    assert not kernels.fit(channels_last(2, 32, 8, 8).to("meta"))


def test_the_choice_is_named_and_a_wrong_one_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLRLIB_KERNELS", "torch")
    assert kernels.name() == "torch" and not kernels.fit(channels_last(2, 32, 8, 8))
    monkeypatch.setenv("CLRLIB_KERNELS", "fast")
    with pytest.raises(ValueError, match="CLRLIB_KERNELS is 'fast'; set it to"):
        kernels.name()


def test_without_a_compiler_it_says_so_and_goes_on_with_torch(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.warns(UserWarning, match="no C\\+\\+ compiler 'no-such-compiler': training goes on"):
        assert not kernels.load.__wrapped__()
    assert not list(elsewhere.iterdir())


def test_a_compiler_that_fails_is_quoted_and_leaves_nothing(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = elsewhere.parent / "broken"
    compiler.write_text("#!/bin/sh\necho 'error: out of luck' >&2\nexit 1\n")
    compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.warns(UserWarning, match=r"could not compile caffe.cpp \(error: out of luck\)"):
        assert not kernels.load.__wrapped__()
    assert not list(elsewhere.iterdir())


def test_another_processor_or_torch_gets_a_library_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    here = kernels._library()
    monkeypatch.setattr(torch, "__version__", "0.0")
    other_torch = kernels._library()
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    assert len({here, other_torch, kernels._library()}) == 3


@pytest.mark.skipif(not kernels.load(), reason="no C++ compiler: only torch's operations are here")
def test_a_second_openmp_is_not_brought_along() -> None:
    code = (
        "from clrlib.lab import kernels; assert kernels.load()\n"
        "maps = open('/proc/self/maps').read().split()\n"
        "print(len({m for m in maps if 'gomp' in m or 'libomp' in m}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=dict(os.environ), capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == "1"
