"""The answer of the records to every claim."""

from collections.abc import Sequence

from lab.claims.answer import Answer
from lab.claims.architectures import ARCHITECTURES
from lab.claims.claim import Claim
from lab.claims.controls import CONTROL_CLAIMS
from lab.claims.groups import main_group
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


def sentence(claim: Claim | BoundsClaim, records: Sequence[Record]) -> str:
    """One sentence from the largest group of records on a claim, with its verdict."""
    return claim.answer(main_group(records)).sentence()
