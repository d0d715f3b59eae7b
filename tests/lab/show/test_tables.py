"""The tables are well-formed Markdown, and every number in them is made from the records given."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from records import record, seeds

from lab import paths
from lab.claims import CLAIMS, CONTROL_CLAIMS, GUIDANCE, LATER
from lab.experiments import (
    AS_FOUND,
    BASE_TENTH,
    CLR_TABLE_2,
    CLR_TRIANGULAR,
    DECAY_4000,
    EQUAL,
    EVERY_ROW,
    EXP,
    EXP_RANGE,
    FAMILIES,
    FIXED,
    RANGE_TEST,
    SEARCH,
    TABLE_4,
    TUNING,
    WELCH,
)
from lab.records.record import Record
from lab.show import headlines, tables, tuning_tables

FIXED_CLAIM, CLR_CLAIM, AS_GOOD = (claim.text for claim in CLAIMS[:3])
BOUNDS = "The LR range test gives these bounds"
NOT_RUN = r"not run(: `make publish ROWS=[\w,.-]+( SEEDS=2)?`|: waits for `make choose`)?$"


def some() -> list[Record]:
    return [
        *seeds(FIXED, 81.0, 81.4),
        *seeds(CLR_TABLE_2, 81.5, 82.1),
        *seeds(CLR_TRIANGULAR, 70.0),
        *seeds(DECAY_4000, 78.5, 79.3),
        *seeds(RANGE_TEST, 50.0, 50.0, 50.0),
    ]


def rows(table: str) -> dict[str, list[str]]:
    """The cells of each row by its first cell; every line must have as many cells as the head."""
    lines = [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in table.splitlines()]
    head, rule, *body = table.splitlines()
    assert re.fullmatch(r"\|(---\|)+", rule) and rule.count("---") == head.count(" | ") + 1
    assert all(line.startswith("| ") and line.endswith(" |") for line in (head, *body))
    assert {len(line) for line in (lines[0], *lines[2:])} == {rule.count("---")}
    return {line[0]: line[1:] for line in lines[2:]}


@pytest.mark.parametrize("records", [[], some()], ids=["no records", "records"])
def test_tables_are_well_formed(records: list[Record]) -> None:
    counts = {"": len(CLAIMS) + 1, "02": 1, "03": 5 + len(CONTROL_CLAIMS), "04": 3, "07": 4, "10": len(GUIDANCE)}
    for only, expected in counts.items():
        assert len(rows(tables.claims_table(records, only=only))) == expected
    assert len(rows(tables.comparison_table(records, records))) == len(CLAIMS) + 1


def test_the_claims_table_by_hand() -> None:
    """Differences of the seeds: 0.5 and 0.7. t with one degree of freedom is 12.7062 (printed tables)."""
    found = rows(tables.claims_table(some(), seeds(FIXED, 73.0, profile="quick")))
    link = "[03](notebooks/03_fixed_vs_cyclical.ipynb)"
    assert found[FIXED_CLAIM] == ["81.4", "81.2 ± 0.3 (n = 2)", "78.7 to 83.7", "reproduced", "73.0 (n = 1)", link]
    assert found[CLR_CLAIM] == ["81.4", "81.8 ± 0.4 (n = 2)", "78.0 to 85.6", "reproduced", "-", link]
    assert found[AS_GOOD] == ["+0.0", "+0.6 ± 0.1 (n = 2)", "-0.7 to 1.9", "reproduced", "-", link]
    assert found["Triangular 0.001-0.006 (section 3.1, 25,000) is as good as the fixed schedule"][1:4] == [
        "-11.0 (n = 1)",
        "-",
        "no verdict: one run",
    ]
    assert found["Falling alone is 2.9 points worse than CLR"][:2] == ["-2.9", "-2.9 ± 0.1 (n = 2)"]
    not_run = "not run: `make publish ROWS=clr-triangular2`"
    assert found["Triangular2 0.001-0.006 (in neither section 3.1 nor 4.1.1)"][:4] == ["-", "-", "-", not_run]
    assert found[BOUNDS][:2] == ["0.001 to 0.006", "≤ 0.002 to 0.01 (n = 3)"]


def test_another_record_makes_another_table() -> None:
    before, after = rows(tables.claims_table(some())), rows(tables.claims_table([*some()[1:], record(FIXED, 60.0)]))
    changed = {claim for claim in before if before[claim] != after[claim]}
    assert changed == {
        FIXED_CLAIM,
        AS_GOOD,
        "Triangular 0.001-0.006 (section 3.1, 25,000) is as good as the fixed schedule",
    }
    assert after[FIXED_CLAIM][1:4:2] == ["70.7 ± 15.1 (n = 2)", "not reproduced"]


def test_without_records_nothing_is_claimed() -> None:
    for cells in rows(tables.claims_table([])).values():
        assert cells[1:3] == ["-", "-"] and re.match(NOT_RUN, cells[3])
        assert cells[4] == "-"
    for cells in rows(tables.comparison_table([], [])).values():
        assert cells[1:3] == ["-", "-"] and cells[3].startswith("not run")


def test_a_diverged_run_is_said_and_never_reproduced() -> None:
    records = [*seeds(FIXED, 81.4, None), *seeds(CLR_TABLE_2, 81.4, 81.4)]
    table = tables.claims_table(records)
    for claim in (FIXED_CLAIM, AS_GOOD):
        assert rows(table)[claim][1:4] == ["(1 of 2 diverged)", "-", "not reproduced"]
    assert "nan" not in table
    assert "nan" not in headlines.fixed_vs_cyclical(
        records
    ) and "the fixed schedule: (1 of 2 diverged) after" in headlines.fixed_vs_cyclical(records)


def test_the_number_of_range_tests_is_that_of_those_that_were_read() -> None:
    found = rows(tables.claims_table(seeds(RANGE_TEST, 50.0, None, 50.0)))[BOUNDS]
    assert found[1] == "≤ 0.002 to 0.01 (n = 3, 1 diverged)"


def test_range_tests_that_all_diverged_are_said() -> None:
    records = [replace(r, curves={k: v[:3] for k, v in r.curves.items()}) for r in seeds(RANGE_TEST, None, None)]
    assert rows(tables.claims_table(records))[BOUNDS][1:4] == ["no clear answer, 2 diverged", "-", "not reproduced"]
    assert rows(tables.comparison_table(records, records))[BOUNDS][1:3] == ["no clear answer, 2 diverged"] * 2
    headline = headlines.range_test(records)
    assert headline.startswith("the LR range test says: no clear answer: 3 points are too few; measure at")
    assert "factor of two: **not reproduced**" in headline


@pytest.mark.parametrize(
    "other", [{"profile": "quick"}, {"data": "digits", "label": "scikit-learn digits, 32x32"}], ids=["size", "data"]
)
def test_what_is_not_the_papers_experiment_gets_no_verdict(other: dict[str, str]) -> None:
    ends = ((FIXED, 81.4), (CLR_TABLE_2, 81.4), (DECAY_4000, 78.5), (RANGE_TEST, 50.0))
    records = [made for row, end in ends for made in seeds(row, end, **other)]
    found = rows(tables.claims_table(records))
    for claim in CLAIMS:
        verdict = found[claim.text][3]
        if claim.measured(records) is not None:
            assert verdict == tables.NO_VERDICT
        elif "profile" in other:
            assert verdict == "not run"
        else:
            assert verdict.startswith(("not run: `make publish ", "not run: waits for `make choose`"))
    told = tables.count_of_verdicts(records)
    assert ": 0 reproduced, 0 direction only, 0 not reproduced, " in told
    measured = sum(claim.measured(records) is not None for claim in CLAIMS)
    assert measured > 2
    end = f"{len(CLAIMS) - measured} not run, 0 measured without a number to meet, {measured} {tables.UNJUDGED}."
    assert told.endswith(end)
    for sentence in (headlines.fixed_vs_cyclical, headlines.decay_only, headlines.range_test):
        assert tables.NO_VERDICT in sentence(records)
        assert "reproduced" not in sentence(records)
    yours = rows(tables.comparison_table(some(), records))
    assert not any("reproduced" in cell for cells in yours.values() for cell in cells)
    assert yours[FIXED_CLAIM] == ["81.4", "81.2 ± 0.3 (n = 2)", "81.4 (n = 1)", tables.NO_VERDICT]


def test_published_and_yours_stand_side_by_side() -> None:
    yours = [*seeds(FIXED, 70.0), *seeds(RANGE_TEST, 50.0)]
    found = rows(tables.comparison_table(some(), yours))
    assert found[FIXED_CLAIM] == ["81.4", "81.2 ± 0.3 (n = 2)", "70.0 (n = 1)", "no verdict: one run"]
    assert found[CLR_CLAIM] == ["81.4", "81.8 ± 0.4 (n = 2)", "-", "not run: `make publish ROWS=clr-table2`"]
    told = ["0.001 to 0.006", "≤ 0.002 to 0.01 (n = 3)", "≤ 0.002 to 0.01 (n = 1)"]
    assert found[BOUNDS] == [*told, "max_lr reproduced, base_lr not resolved"]


def test_only_one_group_is_in_a_table() -> None:
    """Two more seeds from another device change nothing: they are fewer."""
    records = some()
    assert tables.claims_table([*seeds(FIXED, 10.0, 10.0, device="cuda"), *records]) == tables.claims_table(records)


def test_links_lead_to_notebooks() -> None:
    assert all((paths.NOTEBOOKS / f"{name}.ipynb").is_file() for name in tables.NOTEBOOKS.values())
    assert {claim.notebook for claim in CLAIMS} <= tables.NOTEBOOKS.keys()
    for prefix, folder in (("notebooks/", paths.ROOT), ("../notebooks/", paths.RESULTS), ("", paths.NOTEBOOKS)):
        links = re.findall(r"\[(\d\d)\]\((.*?)\)", tables.claims_table(some(), notebooks=prefix))
        assert len(links) == len(CLAIMS) + 1
        for number, link in links:
            assert (folder / link).resolve().is_file() and f"/{number}_" in f"/{link}"


def test_headlines_by_hand() -> None:
    assert headlines.fixed_vs_cyclical(some()) == (
        "the fixed schedule: 81.2 ± 0.3 % (n = 2) after 70,000 iterations; CLR by table 2: "
        "81.8 ± 0.4 % (n = 2) after 25,000 iterations. The second less the first, same "
        "seeds, in points: +0.6 ± 0.1 (n = 2). The paper: 81.4 and 81.4. Verdict: **reproduced**."
    )
    assert headlines.decay_only([*seeds(CLR_TABLE_2, 81.4), *seeds(DECAY_4000, 80.0)]) == (
        "CLR by table 2: 81.4 % (n = 1) after 25,000 iterations; falling alone: 80.0 % (n = 1) "
        "after 25,000 iterations. The second less the first, same seeds, in points: -1.4 (n = 1). "
        "The paper: 81.4 and 78.5. Verdict: **no verdict: one run**."
    )
    assert headlines.range_test(some()).startswith("the LR range test says: base_lr at or below 0.002, max_lr 0.01: ")
    assert "The paper reads 0.001 to 0.006 from its figure 3." in headlines.range_test(some())


@pytest.mark.parametrize("records", [[], seeds(CLR_TABLE_2, 81.4)], ids=["none", "one side"])
def test_headlines_say_what_was_not_run(records: Sequence[Record]) -> None:
    assert "the fixed schedule: not run;" in headlines.fixed_vs_cyclical(records)
    assert "falling alone: not run." in headlines.decay_only(records)
    assert headlines.fixed_vs_cyclical(records).endswith("**not run: `make publish ROWS=clr-table2,fixed`**.")
    assert "not run" in headlines.range_test(records)


def test_headlines_with_many_claims() -> None:
    exponential = headlines.exponential([*seeds(EXP, 79.0), *seeds(EXP_RANGE, 90.0, 90.0)])
    assert exponential.startswith("exp_range after 42,000 iterations against exp after 70,000, in points: ")
    assert (
        " That is after 10.5 cycles, where exp_range stands at the top of one. Accuracies: exp: 79.0 % (n"
        in exponential
    )
    assert "; exp_range, only the amplitude falling: not run. The paper: 79.1, 82.2, 82.2. " in exponential
    assert exponential.endswith("Verdicts: **1 with one run, which gets no verdict, 1 not reproduced, 1 not run**.")
    advice = headlines.choosing_the_cycle([*seeds(AS_FOUND, 80.0), *seeds(BASE_TENTH, 80.0)])
    assert " 1 without a number to meet" in advice


def test_iterations_in_a_headline_are_those_that_were_run() -> None:
    assert "after 7,000 iterations" in headlines.fixed_vs_cyclical(seeds(FIXED, 70.0, profile="quick"))
    exponential = headlines.exponential([r for row in (EXP, EXP_RANGE) for r in seeds(row, 60.0, profile="quick")])
    assert exponential.startswith("exp_range after 2,100 iterations against exp after 3,500, in points: ")
    exponential = headlines.exponential(seeds(EXP_RANGE, 60.0, profile="quick"))
    assert exponential.startswith("exp_range after 2,100 iterations against exp after 3,500, in points: not run")


def test_a_headline_answers_whether_the_fall_alone_helps() -> None:
    for ends, answer in (((78.0, 78.1), "falling alone ends below"), ((81.4, 81.5), "that falling alone ends below")):
        told = headlines.decay_only([*seeds(CLR_TABLE_2, 81.0, 81.1), *seeds(DECAY_4000, *ends)])
        assert told.startswith(answer)


def test_what_it_was_measured_on() -> None:
    records = seeds(FIXED, 80.0, data="cifar10-jpeg", label="CIFAR-10, JPEG copy", precision="bfloat16")
    assert tables.measured_on(records) == (
        "Measured on CIFAR-10, JPEG copy (SHA-256 1234567890ab…), profile `paper`, on abacus (cpu), bfloat16, "
        "torch 2.15.0."
    )
    assert tables.measured_on([]) == "No training of this size is recorded yet."


def test_what_several_machines_measured_is_said_of_each() -> None:
    other = {"device": "cuda", "precision": "bfloat16"}
    told = tables.measured_on([*seeds(FIXED, 80.0), *seeds(TABLE_4[0], 90.0, **other)])
    assert told.count("Measured on") == 1
    first, second = told.split("; and on ")
    assert "(cpu), float32" in first and "(cuda), bfloat16" in second


def test_the_words_of_a_claim_without_a_number() -> None:
    """ "Equivalent" is a difference of 0 within the tolerance; "better" asks for a sign beyond doubt."""
    found = rows(tables.claims_table([*seeds(CLR_TRIANGULAR, 80.0, 80.0), *seeds(WELCH, 70.0, 71.0)]))
    equivalent = found["Welch window does as well as triangular (8,000)"]
    assert equivalent[0] == "equivalent" and equivalent[3] == "not reproduced"
    assert found["Four cycles are better than three"][0] == "better"
    assert found["Three cycles are better than two"][0] == "better (our reading)"
    (ensemble,) = (claim for claim in LATER if "ensemble" in claim.text and "warm" in claim.text)
    assert found[ensemble.text][0] == "better" and found[ensemble.text][3].startswith("not run")


def test_verdicts_are_counted_and_one_run_gets_none() -> None:
    """Two seeds of the two headline rows, one of the triangular, whose claim fails."""
    assert tables.count_of_verdicts(some()) == (
        f"Of {len(CLAIMS)} claims about accuracy: 5 reproduced, 0 direction only, 0 not "
        f"reproduced, {len(CLAIMS) - 6} not run, 0 measured without a number to meet, 1 with one run, which gets no "
        "verdict."
    )


@pytest.mark.parametrize(
    "sentence",
    [headlines.sigmoid_batchnorm, headlines.choosing_the_cycle, headlines.beyond, headlines.adaptive_methods],
)
def test_every_headline_is_a_sentence_with_and_without_records(sentence: Callable[[Sequence[Record]], str]) -> None:
    everything = [r for row in EVERY_ROW if "paper" in row.shorter for r in seeds(row, 80.0, 81.0)]
    for records in ([], everything):
        text = sentence(records)
        assert text.endswith(".") and "**" in text and "nan" not in text
    assert "not run" in sentence([]) and "not run" not in sentence(everything)


def test_the_best_rate_of_each_schedule_is_bold() -> None:
    low, middle, high = (row for row in TUNING if row.name.startswith("tune-cosine-"))
    records = [*seeds(low, None), *seeds(middle, 62.0, 62.4), *seeds(high, 60.0), *seeds(FIXED, 99.0, 99.0, 99.0)]
    found = rows(tuning_tables.tuning_table(records))
    assert found["cosine to zero"] == ["(1 of 1 diverged)", "**62.2 ± 0.3 (n = 2)**", "60.0 (n = 1)"]
    assert found["linear to zero"] == ["not run"] * 3
    assert "schedule-free SGD (ten times these rates)" in found
    assert len(found) == 6 and len(rows(tuning_tables.tuning_table([]))) == 6


def test_the_search_for_the_fewest_is_shown_with_its_target_first() -> None:
    target, shortest, *_ = SEARCH
    found = rows(tuning_tables.fewest_table([*seeds(target, 79.0), *seeds(shortest, 78.5), *seeds(FIXED, 81.0, 81.0)]))
    assert list(found) == [row.title for row in SEARCH]
    assert found[target.title] == ["70,000", "79.0 (n = 1)"], "on the validation split, not on the test images"
    assert found[shortest.title] == ["10,000", "78.5 (n = 1)"]
    assert {cells[1] for title, cells in found.items() if title not in (target.title, shortest.title)} == {"not run"}


def test_the_bounds_of_a_headline_have_two_digits() -> None:
    exact = [replace(r, curves={**r.curves, "lr": [0.995 * lr for lr in r.curves["lr"]]}) for r in some()]
    told = headlines.range_test([r for r in exact if r.run.experiment == RANGE_TEST.name])
    rates = re.findall(r"0\.0*(\d+)", told.split(":")[1])
    assert len(rates) == 2 and all(len(digits) <= 2 for digits in rates)


def test_clr_stands_beside_the_fixed_rate_that_flatters_it_least() -> None:
    clr, low, middle, high = FAMILIES[0].rows()
    records = [*seeds(clr, 90.0, 91.0), *seeds(low, 88.0, 88.0), *seeds(middle, 92.0, 92.0), *seeds(high, None, None)]
    told = headlines.residual_nets(records)
    assert "ResNet, CLR 0.1-0.3 +2.5 ± 0.7 (n = 2); Stochastic depth, CLR 0.1-0.3 not run" in told
    assert "ResNet (fixed 0.2) -1.5 ± 0.7 (n = 2); Stochastic depth not run" in told


def test_the_places_at_an_equal_budget() -> None:
    ends = {"equal-triangular2": 60.0, "equal-schedule-free": None, "equal-cosine": 70.0}
    told = headlines.beyond([r for row in EQUAL if row.name in ends for r in seeds(row, ends[row.name])])
    assert "2,000 iterations, triangular2: 60.0 % (n = 1), place 2 of 3; schedule-free SGD: (1 of 1 diverged), " in told
