"""The tables are well-formed Markdown, and every number in them is made from the records given."""

import csv
import io
import re
from dataclasses import replace

import pytest
from records import record, seeds

from lab import claims, paths
from lab.claims import CLAIMS, CONTROL_CLAIMS, GUIDANCE, LATER, OTHER_SIZE
from lab.experiments import (
    CATALOGUE,
    CLR_TABLE_2,
    CLR_TRIANGULAR,
    DECAY_4000,
    FIXED,
    RANGE_TEST,
    SEARCH,
    TABLE_4,
    TUNING,
    WAITING,
    WELCH,
)
from lab.records.record import Record
from lab.show import tables

FIXED_CLAIM, CLR_CLAIM, AS_GOOD = (claim.text for claim in CLAIMS[:3])
BOUNDS = claims.BOUNDS.text
ONE_RUN = "no verdict: one run"

COMMANDS = r"(?:`make publish ROWS=[\w,.-]+`)?(?:; )?(?:`make choose` first, for \d+ rows)?"
LINE = rf"^- \[(\d\d [\w ]+)\]\((.*?)\)(?: on [\w-]+)?, \d+ claims?: {COMMANDS}$"


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


def compared(published: list[Record], yours: list[Record]) -> dict[str, list[str]]:
    return rows(tables.of(tables.comparison(published, yours)))


@pytest.mark.parametrize("records", [[], some()], ids=["no records", "records"])
def test_tables_are_well_formed(records: list[Record]) -> None:
    counts = {"": len(CLAIMS) + 1, "03": 1, "05": 5 + len(CONTROL_CLAIMS), "06": 3, "09": 4, "12": len(GUIDANCE)}
    for only, expected in counts.items():
        every = tables.answers(records, only)
        measured = [*every.claim[every.ours != "-"]]
        table = tables.claims_table(records, only=only)
        assert len(every) == expected and [*(rows(table) if measured else [])] == measured
        lines = tables.not_run(records, only=only).splitlines()
        assert sum(int(re.findall(r", (\d+) claim", line)[0]) for line in lines) == expected - len(measured)
    assert len(compared(records, records)) == len(CLAIMS) + 1
    found = tables.verdicts(records)
    assert found.set_index("notebook").to_numpy().sum() == len(CLAIMS) + 1
    assert ("reproduced" in found) == bool(records) and sorted(found.notebook) == sorted(tables.NOTEBOOKS)


def test_the_claims_table_by_hand() -> None:
    """Differences of the seeds: 0.5 and 0.7. t with one degree of freedom is 12.7062 (printed tables)."""
    found = rows(tables.claims_table(some(), seeds(FIXED, 73.0, profile="quick")))
    link = "[05](notebooks/05_fixed_vs_cyclical.ipynb)"
    assert found[FIXED_CLAIM] == [
        "81.4",
        "81.2 ± 0.3 (n\xa0=\xa02)",
        "78.7 to 83.7",
        "reproduced",
        "73.0 (n\xa0=\xa01)",
        link,
    ]
    assert found[CLR_CLAIM] == ["81.4", "81.8 ± 0.4 (n\xa0=\xa02)", "78.0 to 85.6", "reproduced", "-", link]
    assert found[AS_GOOD] == ["+0.0", "+0.6 ± 0.1 (n\xa0=\xa02)", "-0.7 to 1.9", "reproduced", "-", link]
    triangular = "Triangular 0.001-0.006 (section 3.1, 25,000) is as good as the fixed schedule"
    assert found[triangular][1:4] == ["-11.0 (n\xa0=\xa01)", "-", ONE_RUN]
    assert found["Falling alone is 2.9 points worse than CLR"][:2] == ["-2.9", "-2.9 ± 0.1 (n\xa0=\xa02)"]
    assert "Triangular2 0.001-0.006 (in neither section 3.1 nor 4.1.1)" not in found
    assert found[BOUNDS][:4] == ["0.001 to 0.006", "≤ 0.002 to 0.01 (n\xa0=\xa03)", "-", claims.NOT_RESOLVED]


def test_p_stands_beside_the_interval_of_six_pairs() -> None:
    six = [80.0, 80.1, 80.2, 80.3, 80.4, 80.5]
    records = [*seeds(FIXED, *six), *seeds(CLR_TABLE_2, *(a + 0.5 for a in six))]
    found = rows(tables.claims_table(records))
    assert found[AS_GOOD][2] == "0.5 to 0.5, p = 0.031" and "p =" not in found[FIXED_CLAIM][2]


def test_another_record_makes_another_table() -> None:
    before, after = rows(tables.claims_table(some())), rows(tables.claims_table([*some()[1:], record(FIXED, 60.0)]))
    changed = {claim for claim in before if before[claim] != after[claim]}
    triangular = "Triangular 0.001-0.006 (section 3.1, 25,000) is as good as the fixed schedule"
    assert changed == {FIXED_CLAIM, AS_GOOD, triangular}
    assert after[FIXED_CLAIM][1:4:2] == ["70.7 ± 15.1 (n\xa0=\xa02)", "not reproduced"]


def test_without_records_nothing_is_claimed() -> None:
    assert tables.claims_table([]) == "Nothing of this was run yet." and len(tables.claims_csv([]).splitlines()) == 1
    assert tables.tally(claims.answers([])) == "No claim is judged yet"
    for cells in compared([], []).values():
        assert cells[1:3] == ["-", "-"] and cells[3].startswith("not run")
    assert all("not run" in claims.sentence(claim, []) for claim in (*CLAIMS, claims.BOUNDS))


def test_a_diverged_run_is_said_and_never_reproduced() -> None:
    records = [*seeds(FIXED, 81.4, None), *seeds(CLR_TABLE_2, 81.4, 81.4)]
    table = tables.claims_table(records)
    for claim in (FIXED_CLAIM, AS_GOOD):
        assert rows(table)[claim][1:4] == ["(1 of 2 diverged)", "-", "not reproduced"]
    sentence = claims.sentence(claims.AS_GOOD, records)
    assert "nan" not in table + sentence and "(70,000): (1 of 2 diverged); the paper: +0.0. **Not" in sentence


def test_range_tests_that_diverged_are_counted() -> None:
    found = rows(tables.claims_table(seeds(RANGE_TEST, 50.0, None, 50.0)))[BOUNDS]
    assert found[1] == "≤ 0.002 to 0.01 (n\xa0=\xa03, 1 diverged)"
    records = [replace(r, curves={k: v[:3] for k, v in r.curves.items()}) for r in seeds(RANGE_TEST, None, None)]
    assert rows(tables.claims_table(records))[BOUNDS][1:4] == ["no clear answer, 2 diverged", "-", "not reproduced"]
    assert compared(records, records)[BOUNDS][1:3] == ["no clear answer, 2 diverged"] * 2


@pytest.mark.parametrize(
    "other",
    [
        {"profile": "quick"},
        {"data": "digits", "label": "scikit-learn digits, 32x32"},
        {"data": "cifar10-jpeg", "label": "CIFAR-10, JPEG copy"},
    ],
    ids=["size", "data", "JPEG"],
)
def test_what_is_not_the_papers_experiment_gets_no_verdict(other: dict[str, str]) -> None:
    ends = ((FIXED, 81.4), (CLR_TABLE_2, 81.4), (DECAY_4000, 78.5), (RANGE_TEST, 50.0))
    records = [made for row, end in ends for made in seeds(row, end, end, **other)]
    found = rows(tables.claims_table(records))
    for claim in CLAIMS:
        assert (claim.text in found) == (claim.measured(records) is not None)
        if claim.text in found:
            assert found[claim.text][3] == OTHER_SIZE and OTHER_SIZE[3:] in claims.sentence(claim, records)
    assert found[BOUNDS][3] == OTHER_SIZE
    assert sum(claim.measured(records) is not None for claim in CLAIMS) > 2
    yours = compared(some(), records)
    assert not any("reproduced" in cell for cells in yours.values() for cell in cells)
    assert yours[FIXED_CLAIM] == ["81.4", "81.2 ± 0.3 (n\xa0=\xa02)", "81.4 ± 0.0 (n\xa0=\xa02)", OTHER_SIZE]


def test_published_and_yours_stand_side_by_side() -> None:
    yours = [*seeds(FIXED, 70.0), *seeds(RANGE_TEST, 50.0)]
    found = compared(some(), yours)
    assert found[FIXED_CLAIM] == ["81.4", "81.2 ± 0.3 (n\xa0=\xa02)", "70.0 (n\xa0=\xa01)", ONE_RUN]
    assert found[CLR_CLAIM] == ["81.4", "81.8 ± 0.4 (n\xa0=\xa02)", "-", "not run: `make publish ROWS=clr-table2`"]
    assert found[BOUNDS] == [
        "0.001 to 0.006",
        "≤ 0.002 to 0.01 (n\xa0=\xa03)",
        "≤ 0.002 to 0.01 (n\xa0=\xa01)",
        ONE_RUN,
    ]


def test_only_one_group_is_in_a_table() -> None:
    """Two more seeds from another device change nothing: they are fewer."""
    records = some()
    assert tables.claims_table([*seeds(FIXED, 10.0, 10.0, device="cuda"), *records]) == tables.claims_table(records)


def test_links_lead_to_notebooks() -> None:
    assert all((paths.NOTEBOOKS / f"{name}.ipynb").is_file() for name in tables.NOTEBOOKS.values())
    assert {claim.notebook for claim in CLAIMS} <= tables.NOTEBOOKS.keys()
    for prefix, folder in (("notebooks/", paths.ROOT), ("../notebooks/", paths.RESULTS), ("", paths.NOTEBOOKS)):
        links = re.findall(r"\[(\d\d)\]\((.*?)\)", tables.claims_table(some(), notebooks=prefix))
        assert len(links) == len(rows(tables.claims_table(some()))) > 5
        links += [(name[:2], link) for name, link in re.findall(LINE, tables.not_run(some(), notebooks=prefix), re.M)]
        assert {number for number, _ in links} == {*tables.NOTEBOOKS}
        for number, link in links:
            assert (folder / link).resolve().is_file() and f"/{number}_" in f"/{link}"


def test_sentences_by_hand() -> None:
    told = [claims.sentence(claim, some()) for claim in (*claims.HEADLINE, claims.BOUNDS)]
    assert told == [
        f"{FIXED_CLAIM}: 81.2 ± 0.3 % (n\xa0=\xa02), 95 % interval 78.7 to 83.7; the paper: 81.4. **Reproduced.**",
        f"{CLR_CLAIM}: 81.8 ± 0.4 % (n\xa0=\xa02), 95 % interval 78.0 to 85.6; the paper: 81.4. **Reproduced.**",
        f"{AS_GOOD}: +0.6 ± 0.1 points (n\xa0=\xa02), 95 % interval -0.7 to 1.9; the paper: +0.0. **Reproduced.**",
        f"{BOUNDS}: ≤ 0.002 to 0.01 (n\xa0=\xa03); the paper: 0.001 to 0.006. **No verdict: base_lr not resolved.**",
    ]
    one = claims.sentence(claims.ONLY_THE_FALL, [*seeds(CLR_TABLE_2, 81.4), *seeds(DECAY_4000, 80.0)])
    assert one.endswith("CLR: -1.4 points (n\xa0=\xa01); the paper: -2.9. **No verdict: one run.**")
    variant = claims.sentence(next(c for c in CLAIMS if c.paper is None and not c.better), [])
    assert variant.endswith(".") and "**" not in variant


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
    first, second = told.split(", and profile")
    assert "(cpu), float32" in first and "(cuda), bfloat16" in second and told.count("SHA-256") == 1


def test_the_words_of_a_claim_without_a_number() -> None:
    """ "Equivalent" is a difference of 0 within the tolerance; "better" asks for a sign beyond doubt."""
    found = rows(tables.claims_table([*seeds(CLR_TRIANGULAR, 80.0, 80.0), *seeds(WELCH, 70.0, 71.0)]))
    equivalent = found["Welch window does as well as triangular (8,000)"]
    assert equivalent[0] == "equivalent" and equivalent[3] == "not reproduced"
    assert found["Four cycles are better than three"][0] == "better"
    assert found["Three cycles are better than two"][0] == "better (our reading)"
    (ensemble,) = (claim for claim in LATER if "ensemble" in claim.text and "warm" in claim.text)
    assert ensemble.answer([]).paper == "better" and ensemble.text not in found


def test_the_ends_of_rows_are_those_of_the_group_given() -> None:
    low, middle, _ = (row for row in TUNING if row.name.startswith("tune-cosine-"))
    target, shortest, *_ = SEARCH
    records = [*seeds(low, None), *seeds(middle, 62.0, 62.4), *seeds(target, 79.0), *seeds(FIXED, 99.0, 99.0, 99.0)]
    validation = claims.main_group(records, "validation")
    found = rows(tables.of(tables.ends(validation, (low, middle, target, shortest, FIXED))))
    assert [cells[1] for cells in found.values()] == [
        "(1 of 1 diverged)",
        "62.2 ± 0.3 (n\xa0=\xa02)",
        "79.0 (n\xa0=\xa01)",
        "-",
        "-",
    ]
    assert found[target.title][0] == "70,000"


def test_runs_are_listed_with_where_they_diverged() -> None:
    records = seeds(FIXED, 80.12, None)
    first, second = tables.runs(records).to_numpy().tolist()
    assert first == ["fixed", 0, 70_000, 80.12, "-"] and second[-1] == records[1].diverged_at


def test_what_was_not_run_is_a_line_a_family_with_its_rows() -> None:
    """Rows that have records are not named again; those that wait for a choice are counted."""
    lines = tables.not_run(some()).splitlines()
    assert all(re.match(LINE, line) for line in lines) and len(lines) == len({line.split(",")[0] for line in lines})
    (falls,) = (line for line in lines if line.startswith("- [06"))
    assert falls.endswith("1 claim: `make publish ROWS=decay-2000`")
    assert any(
        line.startswith("- [10 residual nets](notebooks/10_residual_nets.ipynb) on CIFAR-100, 17") for line in lines
    )
    families = claims.not_run([])
    assert sum(family.claims for family in families) == len(CLAIMS) + 1
    assert {name for family in families for name in family.rows} <= {row.name for row in CATALOGUE}
    assert {name for family in families for name in family.waiting} <= {row.name for row in WAITING}


def test_the_file_of_claims_by_hand() -> None:
    """The same differences 0.5 and 0.7 as above."""
    head, *lines = csv.reader(io.StringIO(tables.claims_csv(some())))
    found = {line[0]: dict(zip(head, line, strict=True)) for line in lines}
    assert found[AS_GOOD] | {"source": "", "claim": ""} == {
        **{"claim": "", "source": "", "notebook": "05", "paper": "+0.0", "ours": "0.600", "sd": "0.141", "n": "2"},
        **{"95% low": "-0.671", "95% high": "1.871", "p": "", "verdict": "reproduced"},
        **{"data": "CIFAR-10", "precision": "float32", "profile": "paper"},
    }
    assert found[FIXED_CLAIM]["source"] == "Table 1, fixed"
    assert found[BOUNDS]["ours"] == "≤ 0.002 to 0.01 (n\xa0=\xa03)" and found[BOUNDS]["n"] == "3"
    assert [*found] == [*rows(tables.claims_table(some()))]
    six = [*seeds(FIXED, *range(1, 7)), *seeds(CLR_TABLE_2, *range(2, 8))]
    both = {line[0]: line[head.index("p")] for line in csv.reader(io.StringIO(tables.claims_csv(six)))}
    assert both[AS_GOOD] == "0.031" and both[FIXED_CLAIM] == "", "of differences alone"


def test_the_tally_counts_verdicts_alone() -> None:
    """One run of triangular has none, nor have the bounds, which are not resolved."""
    every = claims.answers(some())
    judged = [a for a in every if a.verdict in claims.VERDICTS]
    told = tables.tally(every)
    counts = [int(count) for count in re.findall(r"(\d+) [rdno]", told)]
    assert told.startswith(f"{len(judged)} claims judged: ") and sum(counts) == len(judged) > 1
