"""Numbers from several seeds as mean, standard deviation and interval."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit  # of Student's t; scipy.stats takes as long to import as torch


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

    def text(self, sign: str = "") -> str:
        """For tables.

        >>> Summary((81.0, 82.0)).text(), Summary((0.5,)).text(sign="+"), Summary((81.0, math.nan)).text()
        ('81.5 ± 0.7 (n = 2)', '+0.5 (n = 1)', '(1 of 2 diverged)')
        """
        if diverged := sum(map(math.isnan, self.values)):
            return f"({diverged} of {len(self.values)} diverged)"
        spread = "" if self.sd is None else f" ± {self.sd:.1f}"
        return f"{self.mean:{sign}.1f}{spread} (n = {len(self.values)})"

    def percent(self) -> str:
        """For sentences.

        >>> Summary((81.0, 82.0)).percent(), Summary((81.0,)).percent()
        ('81.5 ± 0.7 % (n = 2)', '81.0 % (n = 1)')
        """
        return self.text().replace(" (", " % (")
