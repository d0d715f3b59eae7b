"""Groups of records that may be averaged: same profile, data, device and precision, one for each row and seed."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from lab.experiments import EVERY_ROW
from lab.records.record import Record

KINDS = {row.name: (row.data, row.settings.get("net", "")) for row in EVERY_ROW}
PAPERS_IMAGES = ("CIFAR-10", "CIFAR-100", "ImageNet")  # by label

# What may be averaged together: profile, data label, SHA-256, test or validation images, device, precision.
Group = tuple[str, ...]


def by_seed(records: Iterable[Record]) -> dict[str, dict[int, Record]]:
    """Records by row and seed.

    Raises ValueError for two records of one row and seed: their settings differ, and either could be the valid one.
    """
    table: dict[str, dict[int, Record]] = defaultdict(dict)
    names: dict[tuple[str, int], str] = {}
    for record in records:
        run = record.run
        other = names.setdefault((run.experiment, run.seed), run.name)
        if other != run.name:
            raise ValueError(f"{other} and {run.name} are one row and seed with other settings; remove the stale one")
        table[run.experiment][run.seed] = record
    return table


def groups(records: Iterable[Record]) -> dict[Group, list[Record]]:
    """Records that may be averaged together, the group with the most records first."""
    table: dict[Group, list[Record]] = defaultdict(list)
    for record in records:
        run, data = record.run, record.data
        where = record.machine["device"]
        table[run.profile, data["label"], data["sha256"], run.test_on, where, run.precision].append(record)
    return dict(sorted(table.items(), key=lambda item: (-len(item[1]), item[0])))


def main_group(records: Sequence[Record], images: str = "test") -> list[Record]:
    """For each net and kind of images the group with the most records on the test images (or "validation").

    Different kinds are never compared: a row has one net and kind, and a comparison is between rows of the same.
    """
    kinds: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        if record.run.test_on == images:
            kinds[KINDS.get(record.run.experiment, ("cifar10", ""))].append(record)
    return [record for some in kinds.values() for record in next(iter(groups(some).values()))]


def comparable(records: Sequence[Record]) -> bool:
    """True for records of the paper's size and images. Others, such as those on the JPEG copy, get no verdict."""
    return all(r.run.profile == "paper" and r.data["label"] in PAPERS_IMAGES for r in records)


def where(records: Sequence[Record]) -> dict[str, Any]:
    """Data, precision and profile of the records of one group, by these names; nothing without records."""
    if not records:
        return {}
    run = records[0].run
    return {"data": records[0].data["label"], "precision": run.precision, "profile": run.profile}
