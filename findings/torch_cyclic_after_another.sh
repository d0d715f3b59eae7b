#!/usr/bin/env bash
# CyclicLR's first rate is the optimizer's old one where another scheduler was there before.
# Guess: CyclicLR(optimizer, 0.1, 0.3) begins at its base_lr, 0.1.
# What happens: the group still holds the first scheduler's initial_lr, and CyclicLR's first step takes that: one
#   step at 0.5 here, five times too high, then on from the second value. A fresh optimizer begins at 0.1.
# Versions: torch 2.13.0; torch 2.15.0 does the same.
# Why it matters: warm-up first, then CLR, or a second phase of training: the first step is at the rate that the
#   optimizer was built with, which may be far above max_lr.
# Instead: before CyclicLR, group.pop("initial_lr", None) in every group of the optimizer.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0
venv/bin/python - <<'PY'
import sys

import torch
from torch.optim.lr_scheduler import CyclicLR, StepLR

print("Python", sys.version.split()[0], "torch", torch.__version__)


def rates(earlier, fix):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    if earlier:
        StepLR(optimizer, step_size=1)
    if fix:
        optimizer.param_groups[0].pop("initial_lr", None)
    schedule = CyclicLR(optimizer, base_lr=0.1, max_lr=0.3, step_size_up=2, cycle_momentum=False)
    used = []
    for _ in range(5):
        used.append(round(optimizer.param_groups[0]["lr"], 6))
        optimizer.step()
        schedule.step()
    return used


expected = [0.1, 0.2, 0.3, 0.2, 0.1]
seen = rates(earlier=True, fix=False)
print("expected                ", expected)
print("alone                   ", rates(earlier=False, fix=False))
print("after a StepLR          ", seen)
print("after a StepLR, fixed   ", rates(earlier=True, fix=True))
if seen != [0.5, 0.2, 0.3, 0.2, 0.1]:
    sys.exit("the behaviour has changed")
PY
