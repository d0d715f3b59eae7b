"""The bench's page says what its numbers say."""

from typing import Any

import pytest

from lab.bench import costs, page


def timing(rate: float, processes: int = 1) -> dict[str, float]:
    return {"milliseconds": 1000 * processes / rate, "rate": rate, "memory": 1000.0}


BENCH: dict[str, Any] = {
    "machine": {"name": "Abacus", "threads": 2, "device": "cpu", "kernels": "fused"},
    "versions": {"torch": "2.15.0"},
    "commit": {"commit": "0123456789", "dirty": False},
    "precision": "bfloat16",
    "trainers": {
        "usual, 0 workers": timing(8),
        "usual, 2 workers": timing(10),
        "ours, float32": timing(20),
        "ours": timing(40),
        "ours, 2 side by side": timing(50, 2),
        "ours, one thread, batch 25": timing(100),
    },
    "operations": 7e9,
    "rates": {"matrix": 420e9, "matrix, float32": 150e9, "copy": 20e9},
    "profile": {"convolution, backward": 15.0, "LRN": 5.0},
    "range_tests": {"clrlib": 4.0, "clrlib, the usual net and loader": 12.0, "fastai": 12.0},
    "import": {"torch": 1.5, "clrlib": 1.52},
    "step": {"1": {"ScheduleLR": 5.0, "CyclicLR": 7.0}},
    "figures": 9.0,
    "accuracy": {"data": "digits", "iterations": 2500, "plain": [0.5, 0.6, 0.7], "fast": [0.51, 0.6, 0.69]},
}


OTHER = {**BENCH, "machine": {**BENCH["machine"], "name": "Slide rule"}}
BETTER = {**BENCH, "accuracy": {**BENCH["accuracy"], "fast": [0.55, 0.651, 0.749]}}


def test_the_readmes_line_for_a_machine() -> None:
    line = "| Abacus, 2 cores | 10.0 | 20.0 (2.0 x) | 40.0 (4.0 x) | 50.0 (5.0 x), 2 runs | 60.0 (6.0 x) | "
    line += "3.0 x, 1.0 x | 1.0 GB |"
    assert line in page.speed_block([BENCH])
    alone = {**BENCH, "range_tests": {"clrlib": 4.0, "clrlib, the usual net and loader": 12.0}}
    assert "60.0 (6.0 x) | - | 1.0 GB |" in page.speed_block([alone])


NET = {"milliseconds": 250.0, "memory": 1500.0, "operations": 50e9}
COSTS = {**{key: BENCH[key] for key in ("machine", "versions", "commit", "precision")}, "matrix_rate": 400e9}
COSTS["nets"] = dict.fromkeys(costs.NETS, NET)
ALONE = {**{key: COSTS[key] for key in ("machine", "versions", "commit", "precision")}, "costs": COSTS}


def test_the_readme_says_what_the_whole_paper_costs() -> None:
    nets = {name: {"milliseconds": 1000.0, "memory": 1.0, "operations": 1.0} for name in costs.NETS}
    block = page.speed_block([{**BENCH, "costs": {"nets": nets}}])
    caffe, *others = (seconds / 3600 for seconds in costs.seconds_of_parts(nets).values())
    assert f"{caffe:,.0f} hours for the Caffe net and {sum(others):,.0f} for all the others on one Abacus" in block
    assert block.endswith("On one GPU and on eight: not measured.")


COMPILED: dict[str, Any] = {
    **BENCH,
    "precision": "float32",
    "machine": {**BENCH["machine"], "kernels": "winograd"},
    "trainers": {
        "usual, 0 workers": timing(10),
        "ours": timing(90),
        "ours, 2 side by side": timing(120, 2),
        "fused, float32": timing(25),
        "fused, float32, 2 side by side": timing(30, 2),
        "fused, bfloat16": timing(36),
        "fused, bfloat16, 2 side by side": timing(48, 2),
    },
    "rates": {"matrix": 560e9, "matrix, float32": 280e9, "matrix, bfloat16": 560e9, "copy": 20e9},
    "kernel": {"an iteration": 20.0, "forward alone": 6.0, "without LRN": 18.0},
}


@pytest.mark.parametrize(
    ("table", "lines"),
    [
        (
            page.trainers_table(BENCH),  # ratios are to the faster of the usual loops
            """| ours | 25.0 | 40.0 | 4.0 | 1,000 |
            | ours, 2 side by side | 40.0 | 50.0 | 5.0 | 1,000 |
            | ours, one thread, batch 25 | 10.0 | 100.0 | - | 1,000 |""",
        ),
        (
            page.limits_table(BENCH),  # the matrix rate over the work; 20 ms over 15 where convolutions stay
            """| 60.0, 6.0 x the usual |
            | our share of that, one run | 67 % |
            | our share of that, the best number of runs | 83 % |
            | left to gain where torch's convolutions stay, one thread | 1.3 x |""",
        ),
        (
            page.limits_table(COMPILED),  # beside direct convolution and the fused kernels
            """| matrix rate, float32 | 280 G a second |
            | matrix rate, bfloat16 | 560 G a second |
            | 80.0, 8.0 x the usual |
            | past the matrix rate of direct convolution, one run | 1.1 times |
            | past the matrix rate of direct convolution, the best number of runs | 1.5 times |
            | ours over fused, float32 | 3.60 x |
            | ours over fused, float32, 2 side by side | 4.00 x |
            | ours over fused, bfloat16 | 2.50 x |
            | ours over fused, bfloat16, 2 side by side | 2.50 x |
            | the faster, one run | ours |""",
        ),
        (
            page.page([BENCH]),
            """| LRN | 5.00 | 25 % |
            | fastai | 12.0 | 3.0 |
            ScheduleLR 5.0 µs / CyclicLR 7.0 µs
            60.0 ± 10.0
            points, 95 % interval -2.48 to +2.48: within noise
            On a GPU: not measured.""",
        ),
        (page.page([BETTER]), "+5.00 points, 95 % interval +4.75 to +5.25: more than noise"),
        (
            page.page([COMPILED]),
            """| forward alone | 6.00 ms |
            iteration of the fused kernels goes
            | float32, kernels: winograd | 51.00, 60.00, 69.00 |""",
        ),
        (
            page.page([{**BENCH, "costs": COSTS}, OTHER]),
            """| AlexNet, ImageNet, batch 256 | 4.00 | 1,024 | 1.5 | 50.0 | 50 % | 400,000 | 28 |
            by arithmetic from the table above, not measured
            What each net takes on Slide rule, 2 cores: not measured.""",
        ),
        (page.page([ALONE]), "The trainer beside the usual loop: not measured.\n| in all |"),
        (page.speed_block([ALONE]), "| Abacus, 2 cores | not measured | not measured |"),
    ],
)
def test_the_page_says_what_the_numbers_say(table: str, lines: str) -> None:
    assert [line.strip() for line in lines.split("\n") if line.strip() not in table] == []


def test_what_was_measured_is_not_called_missing() -> None:
    on_gpu = {**BENCH, "machine": {**BENCH["machine"], "device": "cuda"}}
    assert "not measured" not in page.page([BENCH, on_gpu])
    assert "on Abacus, 2 cores: not measured" not in page.page([{**BENCH, "costs": COSTS}, OTHER])
