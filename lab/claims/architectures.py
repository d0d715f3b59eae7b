"""The paper's claims about other nets (table 4, section 4.2), and the same comparisons on Imagenette."""

from lab.claims.claim import Claim
from lab.experiments import CONTESTS, FAMILIES, IMAGENET_NETS
from lab.experiments.imagenet import Net
from lab.experiments.residual import Family
from lab.experiments.tuned import Contest


def _table_4(family: Family, data: str = "cifar10") -> list[Claim]:
    """Each row's accuracy, and CLR's minus that of the original's rate and of the best fixed one."""
    clr, *fixed = family.rows(data)
    accuracies = [Claim(f"{row.title}: {row.paper} %", row, "10") for row in (clr, *fixed)]
    best = max(fixed, key=lambda row: row.paper or 0.0)  # the first of equals
    rivals = [fixed[0]] if best is fixed[0] else [fixed[0], best]
    differences = [Claim(f"{clr.title}, against {row.title.split(', ')[1]}", clr, "10", row) for row in rivals]
    return accuracies + differences


def _imagenet(net: Net) -> list[Claim]:
    """Table 1's rows on ImageNet; exp is compared with exp_range at the end of exp_range."""
    rows = {row.name.removeprefix(f"{net.name}-"): row for row in net.on_imagenet()}
    fixed, triangular2, exp, exp_range = (rows[name] for name in ("fixed", "triangular2", "exp", "exp-range"))
    claims = [Claim(f"{row.title}: {row.paper} %", row, "11") for row in rows.values()]
    better = None
    if net.exp_then is not None:
        better = (exp_range.paper or 0.0) - net.exp_then
        text = f"{exp.title}: {net.exp_then} % after {exp_range.iterations:,}"
        claims.append(Claim(text, exp, "11", at=exp_range.iterations, said=net.exp_then))
    return [
        *claims,
        Claim(f"{triangular2.title}, against the fixed rate", triangular2, "11", fixed),
        Claim(f"{exp_range.title}, against exp", exp_range, "11", exp, rival_at=exp_range.iterations, said=better),
    ]


def _imagenette(net: Net) -> list[Claim]:
    """The same comparisons on Imagenette, for which nobody has published numbers."""
    rows = {row.name.removeprefix(f"{net.name}-imagenette-"): row for row in net.on_imagenette()}
    fixed, exp = rows["fixed"], rows["exp"]
    cyclical = (row for name, row in rows.items() if name.startswith("triangular2"))
    return [
        Claim(fixed.title, fixed, "11"),
        *(Claim(f"{row.title}, against the fixed rate", row, "11", fixed) for row in cyclical),
        Claim(f"{rows['exp-range'].title}, against exp", rows["exp-range"], "11", exp),
    ]


def _tuned(contest: Contest) -> list[Claim]:
    """CLR against a fixed rate, both tuned with equally many trainings; no claims until the tuning is done."""
    if not contest.best():
        return []
    fixed, clr = contest.best()
    text = f"Both tuned by short trainings: {clr.title}, against {fixed.title.split(', ')[1]}"
    return [Claim(text, clr, "11", fixed)]


ARCHITECTURES = (
    *(claim for family in FAMILIES for claim in _table_4(family)),
    *(claim for net in IMAGENET_NETS for claim in _imagenette(net)),
    *(claim for contest in CONTESTS for claim in _tuned(contest)),
    *(claim for family in FAMILIES for claim in _table_4(family, "cifar100")),
    *(claim for net in IMAGENET_NETS for claim in _imagenet(net)),
)
