#!/usr/bin/env bash
# A OneCycleLR that waits as second stage of a SequentialLR lowers the rate of the stage before it.
# Guess: a scheduler of a SequentialLR acts from its milestone on; five constant steps at 0.05, then one cycle to 0.5.
# What happens: OneCycleLR writes max_lr / div_factor into every group's initial_lr when it is built, and SequentialLR
#   starts the first stage from initial_lr: the five steps run at 0.02. No warning. A div_factor of 10 would hide it.
# Versions: torch 2.13.0; torch 2.15.0 does the same.
# Why it matters: the warm-up before a cycle runs at a rate that stands nowhere in the script.
# Instead: choose div_factor so that max_lr / div_factor is the optimizer's rate, or write the warm-up's absolute
#   rates as a LambdaLR over the whole run.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0
venv/bin/python - <<'PY'
import sys

import torch
from torch.optim.lr_scheduler import ConstantLR, OneCycleLR, SequentialLR

print("Python", sys.version.split()[0], "torch", torch.__version__)


def rates(div_factor):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.05)
    first = ConstantLR(optimizer, factor=1.0, total_iters=5)
    cycle = OneCycleLR(optimizer, max_lr=0.5, total_steps=10, div_factor=div_factor, cycle_momentum=False)
    schedule = SequentialLR(optimizer, [first, cycle], milestones=[5])
    used = []
    for _ in range(7):
        used.append(round(optimizer.param_groups[0]["lr"], 6))
        optimizer.step()
        schedule.step()
    return used


seen = rates(div_factor=25)
print("expected of the first five:", [0.05] * 5)
print("div_factor 25 (default)   :", seen[:5], "then the cycle", seen[5:])
print("div_factor 10             :", rates(div_factor=10)[:5])
if seen[:5] != [0.02] * 5:
    sys.exit("the behaviour has changed")
PY
