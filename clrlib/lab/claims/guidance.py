"""What the paper advises on choosing the cycle (sections 3.2 and 3.3), each as a question with a measured answer."""

from clrlib.lab.claims.claim import Claim
from clrlib.lab.experiments import (
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
)
from clrlib.lab.experiments.cycle import TWO_CYCLES

N = "10"
GUIDANCE = (
    Claim(
        "A step_size of 8 epochs is only slightly better than one of 2 (16,000 iterations)",
        *(STEP_8_EPOCHS, N, STEP_2_EPOCHS),
        said=0.0,
    ),
    Claim("A step_size of 2 epochs does as well as 4", STEP_2_EPOCHS, N, CLR_TRIANGULAR, rival_at=16_000, said=0.0),
    Claim("A step_size of 8 epochs does as well as 4", STEP_8_EPOCHS, N, CLR_TRIANGULAR, rival_at=16_000, said=0.0),
    Claim(
        "A step_size of 10 epochs does as well as 4 (20,000 iterations)",
        *(STEP_10_EPOCHS, N, CLR_TRIANGULAR),
        rival_at=20_000,
        said=0.0,
    ),
    Claim(
        "Three cycles are better than two",
        *(CLR_TRIANGULAR, N, CLR_TRIANGULAR),
        at=12_000,
        rival_at=8_000,
        better=True,
    ),
    Claim(
        "Four cycles are better than three",
        *(CLR_TRIANGULAR, N, CLR_TRIANGULAR),
        at=16_000,
        rival_at=12_000,
        better=True,
    ),
    Claim(
        "Stopping at the end of a cycle (24,000) is better than at its top (22,000)",
        *(CLR_TRIANGULAR, N, CLR_TRIANGULAR),
        at=24_000,
        rival_at=22_000,
        better=True,
    ),
    Claim(
        "Stopping at the end of a cycle (24,000) is better than in the middle of the fall (23,000)",
        *(CLR_TRIANGULAR, N, CLR_TRIANGULAR),
        at=24_000,
        rival_at=23_000,
        better=True,
    ),
    Claim(
        "Harmful for a moment: accuracy is lower at the top of the second cycle than where it began",
        *(CLR_TRIANGULAR, N, CLR_TRIANGULAR),
        at=4_000,
        rival_at=6_000,
        better=True,
    ),
    Claim(
        "Good in the long run: ahead of the fixed 0.001 after 24,000 iterations",
        *(CLR_TRIANGULAR, N, FIXED),
        at=24_000,
        rival_at=24_000,
        better=True,
    ),
    *(
        Claim(f"{row.title} does as well as triangular", row, N, CLR_TRIANGULAR, rival_at=TWO_CYCLES, said=0.0)
        for row in (WELCH, HANN)
    ),
    *(
        Claim(f"{row.title} does as well as max_lr / 6", row, N, CLR_TRIANGULAR, rival_at=TWO_CYCLES, said=0.0)
        for row in (BASE_THIRD, BASE_QUARTER)
    ),
    Claim("base_lr = max_lr / 10, against max_lr / 6", BASE_TENTH, N, CLR_TRIANGULAR, rival_at=TWO_CYCLES),
    *(
        Claim(
            f"The range test's bounds are better than {row.title}", CLR_TRIANGULAR, N, row, at=TWO_CYCLES, better=True
        )
        for row in (BOUNDS_HALF, BOUNDS_DOUBLE)
    ),
)
