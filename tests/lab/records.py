"""Records as trainings would have left them, made up in no time."""

from dataclasses import replace

import numpy as np

from lab.experiments import EVERY_ROW, Experiment
from lab.records.record import Record

IMAGES = {
    "cifar10": ("cifar10", "CIFAR-10"),
    "cifar100": ("cifar100", "CIFAR-100"),
    "imagenette": ("imagenette-128", "Imagenette, 128 px"),
    "imagenet": ("imagenet", "ImageNet"),
}


def record(
    row: Experiment,
    accuracy: float | None = 80.0,
    seed: int = 0,
    *,
    profile: str = "paper",
    data: str = "",
    label: str = "",
    sha256: str = "1234567890ab" + 52 * "0",
    device: str = "cpu",
    precision: str = "float32",
    test_on: str = "test",
) -> Record:
    """A record that ends at an accuracy in percent; None: diverged at three quarters of its iterations."""
    usual_data, usual_label = IMAGES[row.data]
    data, label = data or usual_data, label or usual_label
    run = replace(row, waits_for="").run(profile, seed, data, precision)
    if test_on != "test":
        run = replace(run, test_on=test_on)
    is_range_test = "range-test" in row.name
    every = run.iterations // 20 if is_range_test else run.evaluate_every
    iteration = np.append(np.arange(every, run.iterations, every), run.iterations)  # always at the end too
    evaluations = len(iteration)
    lr = np.array([run.policy(int(t) - 1) for t in iteration])
    height = np.linspace(0, 1, evaluations) ** 0.5
    if is_range_test:  # up to half of its rates in a straight line, then level
        height = np.minimum(np.linspace(0, 2, evaluations), 1)
    test_accuracy = 0.1 + ((accuracy or 70) / 100 - 0.1) * height
    test_accuracy[-1] = (accuracy or 70) / 100
    done = evaluations if accuracy is not None else 3 * evaluations // 4
    curves = {"iteration": iteration, "lr": lr, "test_accuracy": test_accuracy}
    curves |= {"test_loss": 2 - test_accuracy, "train_loss": 2 - test_accuracy}
    if run.snapshots:
        kept = np.array(run.snapshots)
        curves |= {
            "snapshot_iteration": kept,
            "ensemble_accuracy": kept / kept[-1],
            "average_accuracy": kept / kept[-1],
        }
    return Record(
        run=run,
        data={"name": data, "label": label, "sha256": sha256},
        curves={name: values[:done].tolist() for name, values in curves.items()},
        diverged_at=None if accuracy is not None else int(iteration[done - 1]) + 1,
        seconds=60.0,
        iterations_per_second=run.iterations / 60.0,
        peak_memory={"process": 2**28},
        machine={"device": device, "name": "abacus", "threads": 1, "kernels": "torch", "system": "Linux"},
        versions={"python": "3.11", "torch": "2.15.0"},
        commits=[{"commit": "a" * 40, "dirty": False}],
    )


def seeds(row: Experiment, *accuracies: float | None, **settings: str) -> list[Record]:
    """One record for each accuracy, seeds 0, 1, 2 ..."""
    return [record(row, accuracy, seed, **settings) for seed, accuracy in enumerate(accuracies)]  # type: ignore[arg-type]


def all_rows(*accuracies: float | None, profile: str = "paper", **settings: str) -> list[Record]:
    """The same accuracies for each row, those that wait for a choice too, that a profile has."""
    rows = [row for row in EVERY_ROW if profile in row.shorter]
    return [r for row in rows for r in seeds(row, *accuracies, profile=profile, **settings)]
