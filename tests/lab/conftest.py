"""Fixtures of the lab: a small image set that can be learned in seconds, and records made without training."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from refusals import Lab

from lab import paths
from lab.data.image_sets import ImageSet
from lab.experiments.run import Run
from lab.records import store
from lab.records.record import Record


@pytest.fixture(autouse=True)
def always(one_thread: None) -> None:
    """Run every test of the lab on one thread."""


@pytest.fixture(scope="session")
def images() -> ImageSet:
    """200 train and 62 test images of four classes: red, green, blue or white stripes, and noise."""
    random = np.random.default_rng(0)
    train, test = _striped(random, 200), _striped(random, 62)
    sha256 = hashlib.sha256(b"".join(part.numpy().tobytes() for part in (*train, *test))).hexdigest()
    return ImageSet("made", "made for the tests", tuple("abcd"), *train, *test, sha256, "tests/lab/conftest.py")


@pytest.fixture(scope="session")
def few(images: ImageSet) -> ImageSet:
    """The first 50 train and 21 test images, for what need not learn much."""
    train, test = images.train_images[:50], images.test_images[:21]
    labels = {"train_labels": images.train_labels[:50], "test_labels": images.test_labels[:21]}
    return replace(images, train_images=train, test_images=test, **labels)


def _striped(random: np.random.Generator, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    labels = np.arange(count) % 4
    pixels = random.normal(128, 25, (count, 3, 32, 32))
    stripes = np.arange(32) // 4 % 2 * 60
    for image, label in zip(pixels, labels, strict=True):
        image[label if label < 3 else slice(None)] += stripes
    return torch.from_numpy(pixels.clip(0, 255).astype(np.uint8)), torch.from_numpy(labels.astype(np.int64))


@pytest.fixture
def record_of() -> Callable[[Run], Record]:
    """A record as a finished training of the run would give it, in no time."""

    def make(run: Run) -> Record:
        curves = {"iteration": [run.iterations - 1, run.iterations], "lr": [0.1, 0.01], "test_accuracy": [0.25, 1 / 3]}
        curves |= {"test_loss": [1.5, 0.1 + 0.2], "train_loss": [2.0, 1e-9]}
        return Record(
            run=run,
            data={"name": run.data, "label": "made for the tests", "sha256": "0" * 64},
            curves=curves,
            diverged_at=None,
            seconds=1.5,
            iterations_per_second=1.33,
            peak_memory={"process": 2**28},
            machine={"device": "cpu", "name": "abacus", "threads": 1, "kernels": "torch", "system": "Linux"},
            versions={"python": "3.11"},
            commits=[{"commit": "a" * 40, "dirty": False}],
        )

    return make


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lab:
    """An empty project, on the CPU, without a network and with nothing set in the environment."""
    for name in ("MAKELEVEL", "CLRLIB_DATA", "CLRLIB_PRECISION", "CLRLIB_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLRLIB_DEVICE", "cpu")
    monkeypatch.setenv("CLRLIB_KERNELS", "torch")  # nothing is compiled
    for name in ("DATA", "RESULTS", "FIGURES", "NOTEBOOKS", "BUILD"):
        folder = tmp_path / name.lower()
        monkeypatch.setattr(paths, name, folder)
        folder.mkdir()
    (tmp_path / "figures" / "old.png").write_bytes(b"drawn before")
    (tmp_path / "user").mkdir()
    store._images.cache_clear()
    return Lab(tmp_path, monkeypatch, capsys)
