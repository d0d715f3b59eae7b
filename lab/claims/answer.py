"""Answer: a claim and its measured result, as words for tables and sentences, and as numbers."""

from dataclasses import dataclass

VERDICTS = ("reproduced", "direction only", "not reproduced", "opposite")
NOT_RUN = "not run"
ONE_RUN = "no verdict: one run"
OTHER_SIZE = "no verdict: not the paper's size or data"
NOT_RESOLVED = "no verdict: base_lr not resolved"
NO_NUMBER = "-"  # measured, but the paper says nothing to meet


@dataclass(frozen=True)
class Answer:
    """A claim with the paper's number, our number and the verdict.

    ours: mean ± sd (n), or "-" without a measurement. unit: of ours, in a sentence. interval: 95 %, with p if there are
    enough seeds. verdict: one of VERDICTS, or the reason for giving no verdict. train: the command for missing runs.
    source: the place in the paper. expected: the paper's number, None where it has none. mean, sd, low, high (the 95 %
    interval): percent, or points for a difference. data, precision, profile: of the records.
    """

    notebook: str
    claim: str
    paper: str
    ours: str
    unit: str
    interval: str
    verdict: str
    train: str = ""
    source: str = ""
    expected: float | None = None
    mean: float | None = None
    sd: float | None = None
    n: int = 0
    low: float | None = None
    high: float | None = None
    p: float | None = None
    data: str = ""
    precision: str = ""
    profile: str = ""

    @property
    def judged(self) -> str:
        """The verdict for a table, with the command if there is one."""
        return f"{self.verdict}: {self.train}" if self.train else self.verdict

    def sentence(self) -> str:
        """The answer in one sentence, followed by the verdict.

        >>> Answer("05", "A beats B", "+0.5", "+0.6 (n = 2)", " points", "-0.7 to 1.9", "reproduced").sentence()
        'A beats B: +0.6 points (n = 2), 95 % interval -0.7 to 1.9; the paper: +0.5. **Reproduced.**'
        >>> Answer("05", "A beats B", "+0.5", "-", "", "-", "not run", "`make publish ROWS=a,b`").sentence()
        'A beats B: not run (`make publish ROWS=a,b`).'
        """
        if self.ours == "-":
            return f"{self.claim}: {self.verdict}{f' ({self.train})' if self.train else ''}."
        ours = self.ours.replace(" (n", f"{self.unit} (n")
        interval = "" if self.interval == "-" else f", 95 % interval {self.interval}"
        paper = f"; the paper: {self.paper}" if self.paper[-1].isdigit() else ""  # words stand in the claim already
        verdict = "" if self.verdict == NO_NUMBER else f" **{self.verdict[0].upper()}{self.verdict[1:]}.**"
        return f"{self.claim}: {ours}{interval}{paper}.{verdict}"
