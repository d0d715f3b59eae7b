"""Later authors' claims about the same net, and comparisons that nobody has published."""

from lab.claims.claim import Claim
from lab.experiments import CLR_TRIANGULAR, EQUAL, KEPT_CYCLES, ONE_CYCLE, WARM_RESTARTS
from lab.experiments.beyond import BUDGET

N = "13"
(OURS,) = (row for row in EQUAL if row.name == "equal-triangular2")
LATER = (
    Claim("1cycle with momentum reaches 81.3 % after 9,765 iterations (arXiv 1803.09820)", ONE_CYCLE, N),
    Claim("Warm restarts (16,000)", WARM_RESTARTS, N),
    Claim("Warm restarts against triangular (16,000)", WARM_RESTARTS, N, CLR_TRIANGULAR, rival_at=16_000),
    *(
        Claim(f"{what} of the last 3 cycles beats the last net: {row.title}", row, N, row, curve=curve, better=True)
        for row in (WARM_RESTARTS, KEPT_CYCLES)
        for what, curve in (("An ensemble", "ensemble_accuracy"), ("The weight average", "average_accuracy"))
    ),
    *(Claim(f"{row.title}, in {BUDGET:,} iterations", row, N) for row in EQUAL),
    *(Claim(f"{row.title}, against triangular2", row, N, OURS) for row in EQUAL if row is not OURS),
)
