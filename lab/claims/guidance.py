"""The paper's advice on choosing the cycle (sections 3.2 and 3.3), each as a question with a measured answer."""

from dataclasses import replace

from lab.claims.claim import Claim
from lab.experiments import (
    AS_FOUND,
    BASE_QUARTER,
    BASE_TENTH,
    BASE_THIRD,
    BOUNDS_DOUBLE,
    BOUNDS_HALF,
    CLR_TRIANGULAR,
    FIXED,
    HANN,
    STEP_2_EPOCHS,
    STEP_8_EPOCHS,
    STEP_10_EPOCHS,
    WELCH,
    Experiment,
)
from lab.experiments.cycle import TWO_CYCLES

N, BOUNDS = "12", "section 3.3"


def _equivalent(
    text: str, row: Experiment, rival: Experiment, reading: bool = True, place: str = "section 3.2"
) -> Claim:
    """The claim that a row is as accurate as its rival after equally many iterations."""
    return Claim(text, row, N, rival, rival_at=row.iterations, said=0.0, reading=reading, place=place)


def _of_one_training(
    text: str, at: int, rival_at: int, rival: Experiment = CLR_TRIANGULAR, *, reading: bool = False, place: str = "3.2"
) -> Claim:
    """The claim that CLR_TRIANGULAR after some iterations beats itself, or a rival, after another number."""
    claim = Claim(text, CLR_TRIANGULAR, N, rival, at=at, rival_at=rival_at, better=True, reading=reading, first_seed=1)
    return replace(claim, place=f"section {place}")


GUIDANCE = (
    _equivalent("A step_size of 8 epochs is only slightly better than one of 2 (16,000)", STEP_8_EPOCHS, STEP_2_EPOCHS),
    _equivalent("A step_size of 2 epochs does as well as 4 (16,000)", STEP_2_EPOCHS, CLR_TRIANGULAR),
    _equivalent("A step_size of 8 epochs does as well as 4 (16,000)", STEP_8_EPOCHS, CLR_TRIANGULAR),
    _equivalent("A step_size of 10 epochs does as well as 4 (20,000)", STEP_10_EPOCHS, CLR_TRIANGULAR),
    _of_one_training("Three cycles are better than two", 3 * 4_000, 2 * 4_000, reading=True),
    _of_one_training("Four cycles are better than three", 4 * 4_000, 3 * 4_000),
    _of_one_training("Stopping at the end of a cycle (24,000) is better than at its top (22,000)", 24_000, 22_000),
    _of_one_training(
        "Stopping at the end of a cycle (24,000) is better than in the middle of the fall (23,000)", 24_000, 23_000
    ),
    _of_one_training(
        "Harmful for a moment: accuracy is lower at the top of the second cycle than where it began",
        4_000,
        6_000,
        place="3.1",
    ),
    _of_one_training(
        "Good in the long run: ahead of the fixed 0.001 after 24,000 iterations", 24_000, 24_000, FIXED, place="3.1"
    ),
    *(
        _equivalent(
            f"{row.title} does as well as triangular ({TWO_CYCLES:,})", row, CLR_TRIANGULAR, False, "section 3.1"
        )
        for row in (WELCH, HANN)
    ),
    *(
        _equivalent(f"{row.title} does as well as max_lr / 6", row, AS_FOUND, place=BOUNDS)
        for row in (BASE_THIRD, BASE_QUARTER)
    ),
    Claim("base_lr = max_lr / 10, against max_lr / 6", BASE_TENTH, N, AS_FOUND),
    *(
        Claim(
            f"The paper's bounds do better than {row.title}", AS_FOUND, N, row, better=True, reading=True, place=BOUNDS
        )
        for row in (BOUNDS_HALF, BOUNDS_DOUBLE)
    ),
)
