"""The compiled kernels: where they are used, how they are made, and what happens where they cannot be."""

import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from lab import paths
from lab.files import sealed, unsealed
from lab.nets import kernels
from lab.nets.kernels import library
from lab.nets.kernels.library import Library


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is compiled yet, and nothing that is compiled here stays."""
    monkeypatch.setattr(paths, "BUILD", tmp_path)
    return tmp_path / "kernels"


compiled = pytest.mark.skipif(
    shutil.which(library.compiler()[0]) is None, reason="no C++ compiler: only torch's operations are here"
)


def channels_last(*shape: int) -> torch.Tensor:
    return torch.zeros(*shape).to(memory_format=torch.channels_last)


@compiled
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


def compiler(folder: Path, script: str) -> str:
    """A compiler that does what the script says."""
    path = folder / "compiler"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "no C++ compiler 'no-such-compiler' for the CPU kernels (install g++, or name one with CXX)"),
        ("echo 'error: out of luck' >&2; exit 1", "could not compile the CPU kernels (error: out of luck)"),
        ("exit 1", "could not compile the CPU kernels (it gave no reason)"),
        ('echo "error: $1" >&2; exit 1', "could not compile the CPU kernels (error: -an-option)"),
        ('for last; do :; done; echo "no library" > "$last"', "the CPU kernels could not be loaded ("),
    ],
)
def test_where_they_cannot_be_had_it_says_so_and_goes_on_with_torch(
    script: str | None,
    said: str,
    elsewhere: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler" if script is None else f"{compiler(tmp_path, script)} -an-option")
    assert not kernels.load.__wrapped__()
    last = capfd.readouterr().err.splitlines()[-1]
    assert said in last and last.endswith("; torch's own layers do the same, more slowly")
    assert not elsewhere.exists() or not list(elsewhere.iterdir()), "nothing half made stays"


WHOLE = sealed(io.BytesIO(bytes(range(256)) * 40))


@pytest.mark.parametrize("left", [WHOLE[: int(share * len(WHOLE))] for share in (0, 0.3, 0.999)], ids=len)
@pytest.mark.parametrize("damaged", [0, 1])
def test_what_a_power_cut_left_of_a_library_is_compiled_again_and_not_loaded(
    left: bytes, damaged: int, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Half of a real one ends the process with a bus error."""
    loaded: list[tuple[str, bytes]] = []
    both = [Library(known.sources, lambda f: loaded.append((f.name, f.read_bytes()))) for known in kernels.LIBRARIES]
    files = [library.file() for library in both]
    monkeypatch.setattr(kernels, "LIBRARIES", tuple(both))
    monkeypatch.setattr(kernels, "obstacle", lambda: None)
    monkeypatch.setattr(library, "run", lambda *command: Path(command[-1]).write_bytes(b"compiled"))
    elsewhere.mkdir()
    files[1 - damaged].write_bytes(sealed(io.BytesIO(b"whole")))
    files[damaged].write_bytes(left)
    assert kernels.problem() is None
    expected = {files[damaged].name: b"compiled", files[1 - damaged].name: sealed(io.BytesIO(b"whole"))}
    assert dict(loaded) == expected and len(loaded) == 2, "the whole one is loaded as it is"
    compiling, damage = capfd.readouterr().err.splitlines()
    assert damage.endswith(f"{files[damaged].name} are cut off or changed") and compiling.startswith("compiling")
    assert unsealed(files[damaged].read_bytes()) == b"compiled"
    assert kernels.problem() is None and sorted(loaded[2:]) == sorted((file.name, file.read_bytes()) for file in files)
    assert not capfd.readouterr().err, "nothing is compiled a second time"


def test_who_asks_for_them_by_name_is_not_given_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "load", lambda: False)
    assert kernels.name() == "torch"
    monkeypatch.setenv("CLRLIB_KERNELS", "fused")
    with pytest.raises(RuntimeError, match="CLRLIB_KERNELS is 'fused', but the kernels cannot be had here"):
        kernels.name()


@pytest.mark.parametrize("made", kernels.LIBRARIES, ids=lambda made: made.sources[0])
def test_another_processor_torch_compiler_or_source_gets_a_library_of_its_own(
    made: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {made.file()}
    for source in made.sources:
        shutil.copy(library.HERE / source, tmp_path)
    monkeypatch.setattr(library, "HERE", tmp_path)
    changes: list[Callable[[], object]] = [
        *(partial((tmp_path / source).write_text, "changed") for source in made.sources),
        lambda: monkeypatch.setattr(torch, "__version__", "0.0"),
        lambda: monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True}),
        lambda: monkeypatch.setenv("CXX", "clang++"),
        lambda: monkeypatch.setattr(library, "OPTIONS", [*library.OPTIONS, "-g"]),
    ]
    for change in changes:
        change()
        assert made.file() not in names
        names.add(made.file())


def test_every_file_that_is_included_is_named() -> None:
    """Else a change in it would leave the library of before in use."""
    for made in kernels.LIBRARIES:
        texts = [(library.HERE / source).read_text() for source in made.sources]
        included = {name for text in texts for name in re.findall(r'#include "(.*)"', text)}
        assert {made.sources[0], *included} == set(made.sources)


@pytest.mark.slow
@compiled
def test_a_second_openmp_is_not_brought_along() -> None:
    code = (
        "from lab.nets import kernels; assert kernels.load() and kernels.name() == 'winograd'\n"
        "maps = open('/proc/self/maps').read().split()\n"
        "print(len({m for m in maps if 'gomp' in m or 'libomp' in m}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=paths.ROOT, env=dict(os.environ), capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == "1"
