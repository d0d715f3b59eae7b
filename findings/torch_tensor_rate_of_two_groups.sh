#!/usr/bin/env bash
# A tensor given as learning rate is one tensor in all parameter groups, so per-group schedules lose all but the last.
# Guess: SGD([{a}, {b}], lr=torch.tensor(0.1)) gives each group a rate of its own, as lr=0.1 does.
# What happens: both groups hold the same tensor, and schedulers write into it, group after group: CyclicLR with
#   bounds per group trains both at the last group's rates. LambdaLR and OneCycleLR do the same; nothing warns.
# Versions: torch 2.13.0; torch 2.15.0 does the same.
# Why it matters: a tensor is what torch recommends for compiled and captured optimizers; a slower backbone, the usual
#   reason for two groups, is then slow or fast together with the head.
# Instead: a tensor of its own for each group: SGD([{"params": a, "lr": torch.tensor(0.1)}, {"params": b, "lr": ...}]).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0
venv/bin/python - <<'PY'
import sys

import torch
from torch.optim.lr_scheduler import CyclicLR

print("Python", sys.version.split()[0], "torch", torch.__version__)


def rates(*lrs):
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in lrs]
    if len(lrs) == 1:  # one rate for both groups, given to the optimizer
        optimizer = torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(2)], lr=lrs[0])
    else:
        optimizer = torch.optim.SGD(groups)
    schedule = CyclicLR(optimizer, [0.1, 0.01], [0.3, 0.03], step_size_up=2, cycle_momentum=False)
    used = []
    for _ in range(3):
        used.append([round(float(group["lr"]), 6) for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    return used


expected = [[0.1, 0.01], [0.2, 0.02], [0.3, 0.03]]
seen = rates(torch.tensor(0.1))
print("expected               ", expected)
print("lr=0.1                 ", rates(0.1))
print("lr=torch.tensor(0.1)   ", seen)
print("one tensor for each    ", rates(torch.tensor(0.1), torch.tensor(0.1)))
if seen != [[0.01, 0.01], [0.02, 0.02], [0.03, 0.03]]:
    sys.exit("the behaviour has changed")
PY
