"""The random order of `pytest --shuffle=SEED`: every order comes, files stay whole, a seed says which."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from shuffle import shuffled

ITEMS = [SimpleNamespace(nodeid=f"tests/test_{file}.py::test[{k}]") for file in "ab" for k in range(4)]


def test_every_order_of_ids_that_differ_in_one_digit_comes_as_often() -> None:
    rounds = 4800
    orders = Counter(tuple(item.nodeid for item in shuffled(ITEMS[:4], seed)) for seed in range(rounds))
    mean, deviation = rounds / 24, (rounds / 24 * 23 / 24) ** 0.5
    assert len(orders) == 24 and max(abs(count - mean) for count in orders.values()) < 4 * deviation


def test_files_stay_whole_and_change_places() -> None:
    first = Counter[str]()
    for seed in range(100):
        order = [item.nodeid for item in shuffled(ITEMS, seed)]
        assert sorted(order) == [item.nodeid for item in ITEMS]
        assert len({nodeid.split("::")[0] for nodeid in order[:4]}) == 1
        first[order[0][:12]] += 1
    assert len(first) == 2 and min(first.values()) > 25


@pytest.mark.parametrize("number", range(4))
def test_one_of_four(number: int) -> None:
    """Shuffled by the test below."""
    assert number in range(4)


@pytest.mark.slow
def test_pytest_takes_the_seed_and_prints_it() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "--shuffle=3", "-k", "one_of_four", __file__]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    assert "shuffled: --shuffle=3\n" in done.stdout
    written = [f"tests/test_shuffle.py::test_one_of_four[{k}]" for k in range(4)]
    order = [line for line in done.stdout.splitlines() if line in written]
    assert sorted(order) == written != order
