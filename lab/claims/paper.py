"""Claims of the paper's tables and figures."""

from collections.abc import Sequence

from lab.claims.claim import Claim
from lab.experiments import (
    CLR_TABLE_2,
    CLR_TRIANGULAR,
    CLR_TRIANGULAR2,
    DECAY_2000,
    DECAY_4000,
    EXP,
    EXP_RANGE,
    EXP_RANGE_AMPLITUDE,
    FIXED,
    SIGMOID_CLR,
    SIGMOID_FIXED,
    SIGMOID_FIXED_AT_BASE,
    TABLE_3,
    TABLE_3_CONSTANT,
    Experiment,
)


def _table_3_claims(rows: Sequence[Experiment]) -> list[Claim]:
    """Each row's accuracy; then, for each solver, CLR's minus that of its fixed rate."""
    accuracies = [Claim(f"{row.title}: {row.paper} %", row, "08") for row in rows]
    differences = []
    fixed = rows[0]
    for row in rows:
        if ", fixed," in row.title:
            fixed = row
        else:
            differences.append(Claim(f"{row.title}, against its fixed rate", row, "08", fixed))
    return accuracies + differences


AS_GOOD = Claim("CLR (25,000) is as good as the fixed schedule (70,000)", CLR_TABLE_2, "05", FIXED, at_least=True)
ONLY_THE_FALL = Claim("Falling alone is 2.9 points worse than CLR", DECAY_4000, "06", CLR_TABLE_2)
SIGMOID_GAIN = Claim("Sigmoid net: CLR is 11.4 points better than the fixed rate", SIGMOID_CLR, "09", SIGMOID_FIXED)
EXP_GAIN = Claim("exp_range (42,000) is 3.1 points better than exp (70,000)", EXP_RANGE, "07", EXP, at=42_000)
HEADLINE = (
    Claim("The fixed schedule reaches 81.4 % after 70,000 iterations", FIXED, "05"),
    Claim("CLR by table 2 reaches 81.4 % after 25,000 iterations", CLR_TABLE_2, "05"),
    AS_GOOD,
)
PAPER = (
    *HEADLINE,
    Claim(
        "Triangular 0.001-0.006 (section 3.1, 25,000) is as good as the fixed schedule",
        CLR_TRIANGULAR,
        "05",
        FIXED,
        at_least=True,
    ),
    Claim("Triangular2 0.001-0.006 (in neither section 3.1 nor 4.1.1)", CLR_TRIANGULAR2, "05"),
    Claim("Falling alone (decay over 4,000) reaches only 78.5 %", DECAY_4000, "06"),
    ONLY_THE_FALL,
    Claim("Falling alone over 2,000 (a variant)", DECAY_2000, "06"),
    Claim("exp reaches 79.1 % after 70,000 iterations", EXP, "07"),
    Claim("exp_range, both bounds falling, reaches 82.2 % after 42,000 iterations", EXP_RANGE, "07", at=42_000),
    Claim(
        "exp_range, only the amplitude falling, reaches 82.2 % after 42,000 iterations",
        EXP_RANGE_AMPLITUDE,
        "07",
        at=42_000,
    ),
    EXP_GAIN,
    Claim("Going on to 70,000 does not improve exp_range", EXP_RANGE, "07", EXP_RANGE, rival_at=42_000, at_most=True),
    *_table_3_claims(TABLE_3),
    *_table_3_claims(TABLE_3_CONSTANT),
    Claim("Sigmoid net: the fixed rate reaches 60.8 %", SIGMOID_FIXED, "09"),
    Claim("Sigmoid net: CLR reaches 72.2 %", SIGMOID_CLR, "09"),
    SIGMOID_GAIN,
    Claim("Sigmoid net: CLR against a fixed rate at its lower bound", SIGMOID_CLR, "09", SIGMOID_FIXED_AT_BASE),
)
# After how many iterations the paper's number of a row was measured, where that is before the row's end.
PAPER_AT = {claim.row.name: claim.at for claim in PAPER if claim.at is not None and claim.rival is None}
