"""The cost of deviating is paired by seed, and only the row that names another precision may have one."""

from records import seeds

from lab.experiments import AS_CAFFE, BFLOAT16, CLR_TABLE_2, DEVIATIONS, FIXED
from lab.show.deviation_tables import NOT_YET, deviations_table, jpeg_table


def rows(table: str) -> dict[str, list[str]]:
    """A table's cells after the first, by the first."""
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")][1:]
    return {line[0]: line[1:] for line in lines}


def test_deviations_are_paired_with_the_same_seeds_across_precisions() -> None:
    others = [row for row in DEVIATIONS if row is not BFLOAT16]
    records = [
        *seeds(AS_CAFFE, 60.0, 62.0),
        *seeds(BFLOAT16, 61.0, 63.0, 10.0),  # its own settings make it bfloat16
        *seeds(others[0], 50.0, device="cuda"),  # elsewhere: fewer, left out
    ]
    assert {r.run.precision for r in records} == {"float32", "bfloat16"}
    stray = seeds(AS_CAFFE, 10.0, precision="bfloat16")
    for given in (records, [*stray, *records]):  # another precision of the usual row is not the usual row
        found = rows(deviations_table(given))
        assert found[AS_CAFFE.title] == ["61.0 ± 1.4 (n\xa0=\xa02)", "-", "-"]
    assert found[BFLOAT16.title] == ["44.7 ± 30.0 (n\xa0=\xa03)", "+1.0 ± 0.0 (n\xa0=\xa02)", "1.0 to 1.0"]
    assert all(found[row.title] == [NOT_YET, "-", "-"] for row in others)
    assert all(cells == [NOT_YET, "-", "-"] for cells in rows(deviations_table([])).values())


def test_the_jpeg_copy_is_paired_with_cifar10_itself() -> None:
    copy = {"data": "cifar10-jpeg", "label": "CIFAR-10, JPEG copy", "sha256": "e" * 64, "precision": "bfloat16"}
    on_copy = [*seeds(FIXED, 79.0, 80.0, 81.0, **copy), *seeds(CLR_TABLE_2, 78.0, **copy)]
    found = rows(jpeg_table(on_copy, seeds(FIXED, 81.0, 82.0)))
    change = ["-2.0 ± 0.0 (n\xa0=\xa02)", "-2.0 to -2.0"]
    assert found[FIXED.title] == ["81.5 ± 0.7 (n\xa0=\xa02)", "80.0 ± 1.0 (n\xa0=\xa03)", *change]
    assert found[CLR_TABLE_2.title] == [NOT_YET, "78.0 (n\xa0=\xa01)", "-", "-"]


def test_what_else_differs_on_the_copy_is_said() -> None:
    told = " ".join(jpeg_table([], []).split())
    assert "bfloat16" in told and "one shuffled order a seed" in told and "in the file's order" in told
