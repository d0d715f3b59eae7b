#!/usr/bin/env bash
# torch's CyclicLR spoils the weights that a schedule-free optimizer evaluates, by a default that has nothing to do with rates.
# Guess: a schedule of the rate changes how the weights are trained, not which weights eval() shows.
# What happens: CyclicLR finds "betas" in the parameter group and cycles the first of them too, as it does for Adam.
#   AdamWScheduleFree keeps one set of weights and computes the other from it by that very number, in eval() and in
#   train(): with another number at the time of the change eval() shows weights that were never an average.
# Versions: schedulefree 1.4.1, torch 2.13.0.
# Why it matters: the training goes well, the evaluated net does not, and nothing says why.
# Instead: CyclicLR(..., cycle_momentum=False).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile schedulefree==1.4.1 torch==2.13.0 numpy==2.4.6
venv/bin/python - <<'PY'
import sys
from importlib.metadata import version

import schedulefree
import torch

print("Python", sys.version.split()[0], "schedulefree", version("schedulefree"), "torch", torch.__version__)


def distance(cycle_momentum, steps):
    """Between the weights that eval() shows and the weighted mean of the iterates that they are meant to be."""
    weight = torch.nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimizer = schedulefree.AdamWScheduleFree([weight], lr=0.01)
    schedule = torch.optim.lr_scheduler.CyclicLR(
        optimizer, 0.01, 0.01, step_size_up=10, cycle_momentum=cycle_momentum, base_momentum=0.8, max_momentum=0.95
    )
    optimizer.train()
    points = []
    for _ in range(steps):
        weight.grad = torch.ones_like(weight)
        optimizer.step()
        points.append(optimizer.state[weight]["z"].item())
        schedule.step()
    optimizer.eval()
    return abs(weight.item() - sum(points) / len(points))


print("expected: eval() shows the mean of the iterates, since all rates are alike")
alone = [distance(False, steps) for steps in (5, 10, 15)]
cycled = [distance(True, steps) for steps in (5, 10, 15)]
print("rate alone  ", [f"{d:.1e}" for d in alone])
print("and momentum", [f"{d:.1e}" for d in cycled])
if max(alone) > 1e-9 or min(cycled) < 1e-4:
    sys.exit("the behaviour has changed")
PY
