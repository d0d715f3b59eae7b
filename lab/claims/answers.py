"""The answer of the records to every claim."""

from collections.abc import Sequence
from dataclasses import dataclass

from lab.claims.answer import Answer
from lab.claims.architectures import ARCHITECTURES
from lab.claims.claim import Claim
from lab.claims.controls import CONTROL_CLAIMS
from lab.claims.groups import by_seed, main_group
from lab.claims.guidance import GUIDANCE
from lab.claims.later import LATER
from lab.claims.paper import PAPER
from lab.claims.range_tests import BOUNDS, BoundsClaim
from lab.records.record import Record

CLAIMS = (*PAPER, *CONTROL_CLAIMS, *ARCHITECTURES, *GUIDANCE, *LATER)  # the paper's, its advice, what came after
JUDGED: tuple[Claim | BoundsClaim, ...] = (*CLAIMS, BOUNDS)


def answers(records: Sequence[Record], only: str = "") -> list[Answer]:
    """The answer to every claim, or to the claims of the notebook with a number, from the largest group of records."""
    group = main_group(records)
    return [claim.answer(group) for claim in JUDGED if claim.notebook.startswith(only)]


@dataclass
class Family:
    """Claims of one notebook and kind of images that nobody has measured yet: how many, the rows that they need.

    rows: without a record; waiting: those among them whose rates are not chosen yet.
    """

    notebook: str
    data: str
    claims: int
    rows: list[str]
    waiting: list[str]


def not_run(records: Sequence[Record], only: str = "") -> list[Family]:
    """The claims without a measurement in the largest group of records, by family."""
    group = main_group(records)
    known, families = by_seed(group), dict[tuple[str, str], Family]()
    for claim in sorted(JUDGED, key=lambda claim: claim.notebook):
        if claim.notebook.startswith(only) and claim.answer(group).ours == "-":
            kind = claim.notebook, claim.row.data
            family = families.setdefault(kind, Family(*kind, 0, [], []))
            family.claims += 1
            both = [row for row in (claim.row, claim.rival) if row is not None]
            for row in [row for row in both if row.name not in known] or both:
                names = family.waiting if row.waits_for else family.rows
                names += [row.name] * (row.name not in names)
    return [*families.values()]


def sentence(claim: Claim | BoundsClaim, records: Sequence[Record]) -> str:
    """One sentence from the largest group of records on a claim, with its verdict."""
    return claim.answer(main_group(records)).sentence()
