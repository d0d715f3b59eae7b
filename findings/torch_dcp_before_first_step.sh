#!/usr/bin/env bash
# Asking torch's distributed checkpoint for an optimizer's state before the first step changes the training after it.
# Guess: get_state_dict(model, optimizer) reads, so a checkpoint of iteration 0 costs nothing.
# What happens: where there is no state yet it makes one by a step with zero gradients at rate 0. Adam's step count is
#   then 1 before any training, and its bias correction is off: the first step is 0.074 instead of 0.1. The same step
#   leaves Rprop, which keeps its first rate as step size, at its smallest: 0.000001 instead of 0.1.
# Versions: torch 2.13.0; torch 2.15.0 does the same.
# Why it matters: "save at the start, then every epoch" trains otherwise than the same script without the save, and
#   the difference lies in the first steps, where a warm-up's rates are compared.
# Instead: save after the first step, or take optimizer.state_dict() for iteration 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0
venv/bin/python - <<'PY'
import sys

import torch
from torch.distributed.checkpoint.state_dict import get_state_dict

print("Python", sys.version.split()[0], "torch", torch.__version__)


def steps(kind, saved):
    model = torch.nn.Linear(1, 1, bias=False, dtype=torch.float64)
    optimizer = kind(model.parameters(), lr=0.1)
    if saved:
        get_state_dict(model, optimizer)
    moved = []
    for _ in range(3):
        before = model.weight.item()
        optimizer.zero_grad()
        model(torch.ones(1, 1, dtype=torch.float64)).sum().backward()  # a gradient of 1
        optimizer.step()
        moved.append(float(f"{before - model.weight.item():.2g}"))
    return moved


seen = {}
for kind in (torch.optim.Adam, torch.optim.Rprop):
    seen[kind] = steps(kind, saved=True)
    print(f"{kind.__name__:6} expected, without the save {steps(kind, saved=False)}, after the save {seen[kind]}")
if seen[torch.optim.Adam] != [0.074, 0.086, 0.091] or seen[torch.optim.Rprop][0] != 1e-06:
    sys.exit("the behaviour has changed")
PY
