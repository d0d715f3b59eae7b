"""Mean, standard deviation, 95 % interval and sign-flip test of the numbers of several seeds."""

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import stdtrit  # of Student's t; scipy.stats takes as long to import as torch

ENOUGH_FOR_P = 6  # seeds: with five the smallest p that there can be is 2 / 2^5, above 0.05
DEFINED = (
    "± is the standard deviation over the n seeds that were run; the interval is that of Student's t at 95 %. "
    "Differences are taken seed by seed. p is that of the exact sign-flip test, from six seeds on: the share of all "
    "2^n choices of signs for the differences whose mean is at least as far from zero."
)


def seeds(n: int, more: str = "") -> str:
    """The number of seeds in brackets, which no line break tears apart."""
    return f"(n\xa0=\xa0{n}{more})"


@dataclass(frozen=True)
class Summary:
    """Numbers from n seeds: mean, standard deviation and 95 % interval (Student's t); no spread with one seed."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def sd(self) -> float | None:
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None

    @property
    def interval(self) -> tuple[float, float] | None:
        if self.sd is None or math.isnan(self.sd):
            return None
        half = float(stdtrit(len(self.values) - 1, 0.975)) * self.sd / len(self.values) ** 0.5
        return self.mean - half, self.mean + half

    @property
    def p_value(self) -> float | None:
        """Exact two-sided p of the sign-flip test: the chance of a mean this far from zero if all signs were random.

        None for fewer than ENOUGH_FOR_P seeds, or if a training diverged.
        """
        if len(self.values) < ENOUGH_FOR_P or self.interval is None:
            return None
        means = np.array([*product((-1, 1), repeat=len(self.values))]) @ np.array(self.values) / len(self.values)
        return float(np.mean(np.abs(means) >= abs(self.mean) - 1e-9))  # points; sums in another order differ by less

    def text(self, sign: str = "", unit: str = "") -> str:
        r"""Mean ± standard deviation (n), with a unit in sentences.

        No line breaks in "(n = 2)": its spaces are non-breaking ones.

        >>> Summary((81.0, 82.0)).text(), Summary((0.5,)).text(sign="+"), Summary((81.0, math.nan)).text()
        ('81.5 ± 0.7 (n\xa0=\xa02)', '+0.5 (n\xa0=\xa01)', '(1 of 2 diverged)')
        >>> Summary((81.0, 82.0)).text(unit=" %")
        '81.5 ± 0.7 % (n\xa0=\xa02)'
        """
        if diverged := sum(map(math.isnan, self.values)):
            return f"({diverged} of {len(self.values)} diverged)"
        spread = "" if self.sd is None else f" ± {self.sd:.1f}"
        return f"{self.mean:{sign}.1f}{spread}{unit} {seeds(len(self.values))}"

    def percent(self) -> str:
        """The text with the unit %, for sentences."""
        return self.text(unit=" %")

    def spread(self, paired: bool) -> str:
        """The interval, with p for paired differences of enough seeds; "-" without an interval.

        >>> Summary((0.0, 0.5)).spread(paired=True), Summary((1.0, 2.0, 1.0, 2.0, 1.0, 2.0)).spread(paired=True)
        ('-2.9 to 3.4', '0.9 to 2.1, p = 0.031')
        """
        if self.interval is None:
            return "-"
        p = f", p = {self.p_value:.3f}" if paired and self.p_value is not None else ""
        return f"{self.interval[0]:.1f} to {self.interval[1]:.1f}{p}"
