"""A record's JSON: pinned to the byte, and read back as it was."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from records import record

from lab import paths
from lab.experiments import FIXED
from lab.experiments.run import Run
from lab.files import to_json
from lab.records import provenance, store
from lab.records.record import Record

PUBLISHED = {  # more may be added, none renamed
    "published": {"fixed-multistep-seed0-d55cf46d", "clr-table2-stages-seed0-27c4d7b7"},
    "published jpeg": {
        *("fixed-multistep-seed0-45d2a48e", "fixed-multistep-seed1-7f7a1d95", "fixed-multistep-seed2-3fc6380b"),
        *("fixed-multistep-seed3-9fefc6a7", "fixed-multistep-seed4-940eff89"),
        *("clr-table2-stages-seed0-35996b37", "clr-table2-stages-seed1-c349ce50", "clr-table2-stages-seed2-67e3e2c6"),
        *("clr-table2-stages-seed3-f94c2126", "clr-table2-stages-seed4-192a30ff"),
    },
    "published quick": set(),
    "published laptop": set(),
}


@pytest.mark.parametrize("place", PUBLISHED)
def test_every_published_record_is_written_back_to_the_byte(place: str, tmp_path: Path) -> None:
    folder = paths.records(place)
    records = store.load_all(folder)
    assert {record.run.name for record in records} >= PUBLISHED[place]
    for one in records:
        assert store.save(one, tmp_path).read_bytes() == paths.record(one.run.name, folder).read_bytes()


def test_a_records_parts_are_settled() -> None:
    """Pinned: format 2. Another part is another format."""
    content = record(FIXED).to_json()
    assert content["format"] == 2
    assert [*content] == [
        *("run", "data", "curves", "diverged_at", "seconds", "iterations_per_second", "peak_memory"),
        *("machine", "versions", "commits", "format"),
    ]
    assert [*content["run"]] == [
        *("experiment", "policy", "iterations", "seed", "profile", "data", "net", "optimizer", "momentum"),
        *("weight_decay", "batch", "order", "precision", "evaluate_every", "test_on", "snapshots", "hold_out"),
        *("flip", "shift", "crop"),
    ]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"diverged_at": 3, "iterations_per_second": None, "commits": []},
        {"machine": provenance.machine(torch.device("cpu"), "fused", processes=2)},
        {"peak_memory": {"process": None, "cuda": 2**30}, "commits": [{"commit": None, "dirty": None}]},
    ],
)
def test_a_record_comes_back_from_strict_json_as_it_was(change: dict[str, object]) -> None:
    made = replace(record(FIXED), **change)
    written = to_json(made.to_json())
    again = Record.from_json(json.loads(written))
    assert again == made and to_json(again.to_json()) == written


def test_accuracy_is_the_last_one_and_nan_where_the_run_diverged(record_of: Callable[[Run], Record]) -> None:
    made = record_of(Run("fixed", FIXED.policy, iterations=70_000))
    assert made.accuracy == 1 / 3
    assert math.isnan(replace(made, diverged_at=1).accuracy)
    assert made.accuracy_at(69_999) == 0.25
    with pytest.raises(ValueError, match=r"was not evaluated after 5 iterations; take one of \[69999, 70000\]"):
        made.accuracy_at(5)
