"""Records, figures with alt text, tables and a footer of provenance for the notebooks."""

from collections.abc import Mapping

import pandas as pd
from IPython.display import Image, Markdown, display
from matplotlib import pyplot
from matplotlib.figure import Figure

from lab import experiments, paths
from lab.data import cifar100, image_sets, imagenet, imagenette
from lab.experiments import Experiment
from lab.experiments.run import Run
from lab.lines import duration
from lab.records import store
from lab.records.record import Record
from lab.show import plots, tables
from lab.sweep import processes
from lab.sweep.progress import Progress
from lab.training import device

PROFILES = ("published", "smoke", "quick", "laptop", "paper")


def collect(profile: str, *rows: Experiment, train_missing: bool = True) -> list[Record]:
    """The records of some rows: "published" reads results/ and never trains; other profiles train what is missing.

    train_missing=False leaves out what is missing instead: `make reproduce` has trained before.
    Raises ValueError for an unknown profile.
    """
    if profile not in PROFILES:
        raise ValueError(f"profile is {profile!r}; give one of {', '.join(PROFILES)}")
    folder = paths.records(profile)
    known = {row.name: row for row in rows}
    if profile == "published":
        return [r for r in store.load_all(folder) if r.run.experiment in known]
    names = data_for(profile)
    precision = device.pick_precision()
    if train_missing:
        for run in experiments.runs(profile, names, precision, catalogue=rows):
            store.load_or_train(run, folder, report=Progress)
    records = [r for r in store.load_all(folder) if r.run.experiment in known]  # more seeds too, where they were run
    return [r for r in records if r.run == _as_now(r.run, known[r.run.experiment], names, precision)]


def _as_now(run: Run, row: Experiment, names: Mapping[str, str], precision: str) -> Run | None:
    """The row's run as it would be started now, with the same seed; None where its images are not at hand."""
    return (
        row.run(run.profile, run.seed, names[row.data], precision) if row.data in names and not row.waits_for else None
    )


def short() -> list[Record]:
    """The published short runs, those of profile quick."""
    return store.load_all(paths.records("published quick"))


def or_short(records: list[Record], *rows: Experiment, say_so: bool = True) -> list[Record]:
    """The records of some rows; where there are none, the published short runs, and a sentence that says so.

    say_so: False leaves the sentence to say_if_short, for where another one comes first.
    """
    names = [row.name for row in rows]
    shown = [r for r in records if r.run.experiment in names]
    if not shown:
        shown = [r for r in short() if r.run.experiment in names]
    if say_so:
        say_if_short(shown, records)
    return shown


def say_if_short(shown: list[Record], records: list[Record]) -> None:
    """Say that short trainings stand in where what is shown is not of the records."""
    if not any(r in records for r in shown):
        say("*Nothing of the paper's size has been trained yet: these are the short trainings of profile `quick`.*")


def images_for(profile: str, download: bool = False) -> image_sets.Images:
    """The image set of a profile: digits for smoke; CIFAR-10 for quick, or digits where it cannot be had; CIFAR-10."""
    if profile == "smoke":
        return image_sets.load("digits")
    return image_sets.load("cifar10", download=download, fallback=profile == "quick")


def data_for(profile: str, download: bool = False) -> dict[str, str]:
    """The name of the image set for each kind that is at hand; "cifar10" always is, digits stand in for it in smoke."""
    with processes.here().first_on_each_machine():
        return _data_for(profile, download)


def _data_for(profile: str, download: bool) -> dict[str, str]:
    names = {"cifar10": images_for(profile, download).name}
    if names["cifar10"] == "digits":
        return {**names, "imagenette": "digits-64"} if profile == "smoke" else names
    if download and imagenette.find() is None:
        imagenette.download()
    if place := imagenette.find():
        names["imagenette"] = place[0]
    if cifar100.find():
        names["cifar100"] = "cifar100"
    if imagenet.find():
        names["imagenet"] = "imagenet"
    return names


def show(figure: Figure, alt: str) -> None:
    """Display a figure with its alt text, once: pyplot would display its own again at the end of the cell."""
    pyplot.close(figure)
    display(Image(plots.encoded(figure, "png"), alt=alt))  # type: ignore[no-untyped-call]


def say(markdown: str) -> None:
    """Display Markdown whose numbers were filled in by code."""
    display(Markdown(markdown))  # type: ignore[no-untyped-call]


def table(frame: pd.DataFrame) -> None:
    """Display a DataFrame as Markdown, without its index."""
    say(tables.of(frame))


def solution(text: str) -> None:
    """Display the solution of an exercise, folded, whose numbers were filled in by code."""
    say(f"<details><summary>Solution</summary>\n\n{text}\n\n</details>")


def claims(records: list[Record], only: str = "") -> None:
    """Display the measured claims, or one notebook's, the published short runs beside; then what was not run."""
    text = tables.claims_table(records, short(), notebooks="", only=only)
    say(_folded(text, "Every claim, one by one", longest=60))
    missing = tables.not_run(records, notebooks="", only=only)
    if missing and all(r.run.profile == "paper" for r in records):
        say(f"<details><summary>Not run yet</summary>\n\n{missing}\n\n</details>")


def provenance(records: list[Record]) -> None:
    """Display where each record comes from, once each, and how long it trained; many of them folded."""
    if not records:
        say("Nothing was trained yet, so there is no record.")
        return
    own = {r.run.name: r for r in records}.values()
    rows = [
        (
            r.run.name,
            r.data["label"],
            r.run.precision,
            f"{r.machine['name']}, {r.machine['threads']}",
            r.iterations_per_second,
            r.versions["torch"],
            (r.commits[-1]["commit"] or "none")[:10],
        )
        for r in own
    ]
    head = ["record", "data", "precision", "device, threads", "iterations/s", "torch", "commit"]
    say(_folded(tables.markdown(head, rows), f"{len(own)} records", longest=12))
    say(f"They trained for {duration(sum(r.seconds for r in own))} in all, added up one after the other.")


def _folded(table: str, summary: str, longest: int) -> str:
    """A table; one of more rows than the longest that is shown at once is folded under its summary."""
    count = len(table.splitlines()) - 2
    return f"<details><summary>{summary}</summary>\n\n{table}\n\n</details>" if count > longest else table
