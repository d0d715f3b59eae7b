"""The controls, seed by seed: the shares of the drops, a higher rate, tuning and the cycles in table 2's result.

Written before any of them was trained. Nobody has published these numbers, so each sentence is our reading of
the paper: the result that its recommendation of cycles implies. With six pairs of seeds it counts as
"reproduced" where the 95 % interval of the difference lies above zero, as "opposite" where it lies below (a word that
came later), else as "not reproduced".

"The cycles bring something" is shown at 25,000 iterations only if table 2 beats all three fixed rates with its drops:
0.001, its own mean rate and the tuned one. A higher rate alone would also beat the first, and a better choice of
the rate alone would also beat the second. At 70,000 it is shown if the cycles beat the fixed schedule and the
tuned rate with the same drops. "As good in a third of the time" is the drops' work where the fixed 0.001 with table 2's
drops is as good as the fixed schedule: then 70,000 iterations were never needed, with cycles or without.
"""

from lab.claims.claim import Claim
from lab.experiments import CLR_TABLE_2, CONTROL_TUNED, FIXED, Experiment
from lab.experiments.controls import CYCLES_70000, FIXED_25000, MEAN_25000

N = "05"


def _better(text: str, row: Experiment, rival: Experiment, rival_at: int | None = None) -> Claim:
    return Claim(text, row, N, rival, rival_at=rival_at, better=True, reading=True)


def control_claims(tuned: tuple[Experiment, ...]) -> tuple[Claim, ...]:
    """All comparisons, including those with the tuned rate once it is chosen."""
    return (
        _better(
            "The drops: the fixed 0.001 with table 2's drops (25,000) beats the fixed schedule there, before its drops",
            FIXED_25000,
            FIXED,
            rival_at=FIXED_25000.iterations,
        ),
        Claim(
            "The drops: the fixed 0.001 with table 2's drops (25,000) is as good as the fixed schedule (70,000)",
            FIXED_25000,
            N,
            FIXED,
            at_least=True,
            said=0.0,
            reading=True,
        ),
        _better(
            "A higher rate: the fixed mean rate of table 2 beats 0.001 (25,000, same drops)", MEAN_25000, FIXED_25000
        ),
        *(_tuning_claims(tuned[0]) if tuned else ()),
        _better("The cycles: table 2 beats the fixed 0.001 (25,000, same drops)", CLR_TABLE_2, FIXED_25000),
        _better("The cycles: table 2 beats its own mean rate (25,000, same drops)", CLR_TABLE_2, MEAN_25000),
        *(
            (_better("The cycles: table 2 beats the tuned rate (25,000, same drops)", CLR_TABLE_2, tuned[0]),)
            if tuned
            else ()
        ),
        _better("The cycles: table 2's beat the fixed schedule (70,000, same drops)", CYCLES_70000, FIXED),
        *(
            (_better("The cycles: table 2's beat the tuned rate (70,000, same drops)", CYCLES_70000, tuned[1]),)
            if tuned
            else ()
        ),
    )


def _tuning_claims(tuned: Experiment) -> tuple[Claim, ...]:
    return (
        _better("Tuning: the chosen fixed rate beats 0.001 (25,000, same drops)", tuned, FIXED_25000),
        _better("Tuning: the chosen fixed rate beats table 2's mean rate (25,000, same drops)", tuned, MEAN_25000),
    )


CONTROL_CLAIMS = control_claims(CONTROL_TUNED)
CYCLE_CLAIMS = tuple(claim for claim in CONTROL_CLAIMS if claim.text.startswith("The cycles:"))
