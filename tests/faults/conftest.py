"""Fixtures for the tests of faults."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sweeps import run


def new_folder() -> Path:
    """In memory where that can be: a checkpoint after each iteration takes a slow disk longer than the iteration."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="clrlib-", dir=memory if memory.is_dir() else None))


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder for a sweep."""
    path = new_folder()
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def undisturbed() -> Iterator[Path]:
    """A sweep that nothing happened to."""
    path = new_folder()
    code, printed = run(path)
    assert code == 0, printed
    yield path
    shutil.rmtree(path)
