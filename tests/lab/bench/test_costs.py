"""The cost of the nets: operations against a count by hand, and the arithmetic of the whole paper."""

import pytest
import torch

from lab import experiments
from lab.bench import costs, limits

# milliseconds an iteration, all different
MADE_UP = {name: {"milliseconds": 100.0 + k, "memory": 1000.0, "operations": 1e9} for k, name in enumerate(costs.NETS)}


def test_operations_of_the_caffe_net_are_those_counted_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward twice the products of each layer; backward twice that, but for the images' own gradient."""
    monkeypatch.setenv("CLRLIB_KERNELS", "torch")
    forward = [32**2 * 32 * 3 * 25, 16**2 * 32 * 32 * 25, 8**2 * 64 * 32 * 25, 1024 * 10]
    by_hand = 2 * 4 * (3 * sum(forward) - forward[0])
    assert limits.operations(costs.iterations_of("fixed", "paper", "float32", batch=4)) == by_hand


def test_a_line_says_what_was_measured() -> None:
    cost = {"milliseconds": 250.0, "memory": 1500.0, "operations": 50e9}
    text = costs.table({"ResNet-56": cost}, matrix_rate=400e9)
    assert "| ResNet-56, batch 128 | 4.00 | 512 | 1.5 | 50.0 | 50 % | 64,000 | 4.4 |" in text


def test_the_whole_paper_is_the_sum_of_its_rows() -> None:
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in costs.whole_paper(MADE_UP).splitlines()[2:]]
    hours = {part: [float(cell.replace(",", "")) for cell in cells] for part, *cells in lines}
    table_4 = sum(5 * 20 * f.step_size * MADE_UP[name]["milliseconds"] * 4 for f, name in FAMILIES_NETS)  # four rows
    table_4 += sum(3_200 * MADE_UP[name]["milliseconds"] for _, name in FAMILIES_NETS)  # the range tests
    assert hours["table 4, CIFAR-10, five seeds"][0] == pytest.approx(table_4 / 1000 / 3600, rel=0.01)
    assert hours["in all"][0] == pytest.approx(
        sum(one for part, (one, *_) in hours.items() if part != "in all"), rel=0.01
    )
    assert hours["in all"][1] == pytest.approx(hours["in all"][0] / 8, rel=0.02), "many trainings fill eight machines"
    assert all(one / 64 <= more + 0.06 and more <= eight <= one for one, eight, more in hours.values())


def test_no_number_of_machines_is_quicker_than_the_longest_training() -> None:
    assert costs.spread([5.0, 3.0, 2.0], machines=1) == 10.0
    assert costs.spread([5.0, 3.0, 2.0], machines=2) == costs.spread([5.0, 3.0, 2.0], machines=64) == 5.0
    longest = costs.on_machines(MADE_UP, 10**4)
    assert longest == costs.on_machines(MADE_UP, 10**5) > costs.on_machines(MADE_UP, 1) / 10**4


FAMILIES_NETS = tuple(
    zip(experiments.FAMILIES, ("ResNet-56", "ResNet-110, stochastic depth", "DenseNet-40"), strict=True)
)


def test_every_part_of_the_catalogue_is_counted_once() -> None:
    counted = [row.name for part in costs.PARTS.values() for row in part]
    in_full = [row.name for row in experiments.CATALOGUE if "paper" in row.shorter]
    assert sorted(counted) == sorted(in_full)


def test_seeds_are_the_papers_and_a_larger_batch_takes_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {row.name: row for row in experiments.CAFFE_NET}
    some = [rows[name] for name in ("fixed", "range-test", "1cycle-smith")]  # three seeds of ours; a batch of 128
    monkeypatch.setattr(costs, "PARTS", {"some": some})
    iterations = 70_000 + 4_000 + 9_765 * 1.28
    hours = iterations * MADE_UP["Caffe's cifar10_full"]["milliseconds"] / 1000 / 3600
    longest = 70_000 / iterations * hours
    assert f"| in all | {hours:.1f} | {longest:.1f} | {longest:.1f} |" in costs.whole_paper(MADE_UP)


def test_a_net_that_draws_its_depth_is_counted_and_timed_over_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "pick_device", lambda: torch.device("cpu"))
    rows = [costs.contender(name, "float32", 1) for name in costs.NETS]
    assert {row.name for row in rows if row.chunk > 1} == {n for n in costs.NETS if "stochastic" in n or "Caffe" in n}
    assert {row.name for row in rows if row.warm_up == 1} == {n for n in costs.NETS if "Image" in n}
    monkeypatch.setattr(costs, "pick_device", lambda: torch.device("cuda"))
    assert all(costs.contender(name, "float32", 1).chunk > 1 for name in costs.NETS)
    monkeypatch.undo()
    deep, shallow = (costs.counted(f"ResNet-20{more}", "float32") for more in ("", ", stochastic depth"))
    assert 0.5 * deep < shallow < 0.95 * deep, "about seven of nine blocks are kept"


@pytest.mark.slow
def test_a_net_is_measured_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(costs.NETS, "a small one", ("resnet-clr", "smoke"))
    monkeypatch.setattr(costs, "CHUNKS", 1)
    cost = costs.measure(["a small one"], "float32", threads=1)["a small one"]
    assert cost["milliseconds"] > 0 and cost["memory"] > 0
    assert cost["operations"] == limits.operations(costs.iterations_of("resnet-clr", "smoke", "float32"))
