"""The bench's page says what its numbers say."""

from typing import Any

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


def test_ratios_are_to_the_faster_of_the_usual_loops() -> None:
    table = page.trainers_table(BENCH)
    assert "| ours | 25.0 | 40.0 | 4.0 | 1,000 |" in table
    assert "| ours, 2 side by side | 40.0 | 50.0 | 5.0 | 1,000 |" in table
    assert "| ours, one thread, batch 25 | 10.0 | 100.0 | - | 1,000 |" in table


def test_the_limit_is_the_matrix_rate_over_the_work() -> None:
    table = page.limits_table(BENCH)
    assert "| 60.0, 6.0 x the usual |" in table
    assert "| our share of that, one run | 67 % |" in table
    assert "| our share of that, the best number of runs | 83 % |" in table
    assert "| left to gain where torch's convolutions stay, one thread | 1.3 x |" in table  # 20 ms over 15


def test_the_readmes_line_for_a_machine() -> None:
    line = "| Abacus, 2 cores | 10.0 | 20.0 (2.0 x) | 40.0 (4.0 x) | 50.0 (5.0 x), 2 runs | 60.0 (6.0 x) | "
    line += "3.0 x, 1.0 x | 1.0 GB |"
    assert line in page.speed_block([BENCH])
    alone = {**BENCH, "range_tests": {"clrlib": 4.0, "clrlib, the usual net and loader": 12.0}}
    assert "60.0 (6.0 x) | - | 1.0 GB |" in page.speed_block([alone])


def test_the_page_has_every_table_and_says_what_was_not_measured() -> None:
    text = page.page([BENCH])
    for part in (
        "| LRN | 5.00 | 25 % |",
        "| fastai | 12.0 | 3.0 |",
        "ScheduleLR 5.0 µs / CyclicLR 7.0 µs",
        "60.0 ± 10.0",
    ):
        assert part in text
    assert "On a GPU: not measured." in text
    on_gpu = {**BENCH, "machine": {**BENCH["machine"], "device": "cuda"}}
    assert "not measured" not in page.page([BENCH, on_gpu])


NET = {"milliseconds": 250.0, "memory": 1500.0, "operations": 50e9}
COSTS = {**{key: BENCH[key] for key in ("machine", "versions", "commit", "precision")}, "matrix_rate": 400e9}
COSTS["nets"] = dict.fromkeys(costs.NETS, NET)


def test_costs_stand_beside_the_rest_and_a_machine_without_them_is_named() -> None:
    other = {**BENCH, "machine": {**BENCH["machine"], "name": "Slide rule"}}
    text = page.page([{**BENCH, "costs": COSTS}, other])
    assert "| AlexNet, ImageNet, batch 256 | 4.00 | 1,024 | 1.5 | 50.0 | 50 % | 400,000 | 28 |" in text
    assert "by arithmetic from the table above, not measured" in text
    assert "What each net takes on Slide rule, 2 cores: not measured." in text
    assert "on Abacus, 2 cores: not measured" not in text


def test_a_machine_of_which_only_the_costs_were_measured() -> None:
    alone = {**{key: COSTS[key] for key in ("machine", "versions", "commit", "precision")}, "costs": COSTS}
    text = page.page([alone])
    assert "The trainer beside the usual loop: not measured." in text and "| in all |" in text
    assert "| Abacus, 2 cores | not measured | not measured |" in page.speed_block([alone])


def test_the_readme_says_what_the_whole_paper_costs() -> None:
    nets = {name: {"milliseconds": 1000.0, "memory": 1.0, "operations": 1.0} for name in costs.NETS}
    told = page.speed_block([{**BENCH, "costs": {"nets": nets}}])
    caffe, *others = (seconds / 3600 for seconds in costs.seconds_of_parts(nets).values())
    assert f"{caffe:,.0f} hours for the Caffe net and {sum(others):,.0f} for all the others on one Abacus" in told
    assert told.endswith("On one GPU and on eight: not measured.")


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


def test_where_the_compiled_net_stands_beside_direct_convolution_and_the_fused_kernels() -> None:
    table = page.limits_table(COMPILED)
    for row in (
        "| matrix rate, float32 | 280 G a second |",
        "| matrix rate, bfloat16 | 560 G a second |",
        "| 80.0, 8.0 x the usual |",
        "| past the matrix rate of direct convolution, one run | 1.1 times |",
        "| past the matrix rate of direct convolution, the best number of runs | 1.5 times |",
        "| ours over fused, float32 | 3.60 x |",
        "| ours over fused, float32, 2 side by side | 4.00 x |",
        "| ours over fused, bfloat16 | 2.50 x |",
        "| ours over fused, bfloat16, 2 side by side | 2.50 x |",
        "| the faster, one run | ours |",
    ):
        assert row in table
    assert "torch's convolutions stay" not in table
    quick = {**COMPILED["trainers"], "fused, bfloat16": timing(100)}
    assert "| the faster, one run | fused, bfloat16 |" in page.limits_table({**COMPILED, "trainers": quick})


def test_the_page_of_the_compiled_net() -> None:
    text = page.page([COMPILED])
    assert "| forward alone | 6.00 ms |" in text and "iteration of the fused kernels goes" in text
    assert "| float32, kernels: winograd | 51.00, 60.00, 69.00 |" in text


def test_whether_accuracies_differ_is_judged_by_the_differences_of_the_same_seeds() -> None:
    assert "points, 95 % interval -2.48 to +2.48: within noise" in page.page([BENCH])
    better = {**BENCH["accuracy"], "fast": [0.55, 0.651, 0.749]}
    assert "+5.00 points, 95 % interval +4.75 to +5.25: more than noise" in page.page([{**BENCH, "accuracy": better}])
