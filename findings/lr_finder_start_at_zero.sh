#!/usr/bin/env bash
# torch-lr-finder's start_lr=0 starts at the optimizer's own rate.
# Guess: a linear range test from 0 to 1, as in the paper on cyclical learning rates, is start_lr=0, end_lr=1.
# What happens: 0 is taken for "not given": the sweep runs from the optimizer's 0.05. The lowest rates are missing, the
#   other points are moved, and nothing is said. start_lr=1e-12 runs as asked for.
# Versions: torch-lr-finder 0.2.2 with torch 2.13.0.
# Why it matters: base_lr is read where the accuracy begins to rise, at the left end, the part that is left out.
# Instead: start_lr=1e-12, and look at finder.history["lr"][0].
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile torch-lr-finder==0.2.2 torch==2.13.0 numpy==2.4.6
venv/bin/python - <<'PY'
import sys
from importlib.metadata import version

import torch
from torch.utils.data import DataLoader, TensorDataset
from torch_lr_finder import LRFinder

print("Python", sys.version.split()[0], "torch-lr-finder", version("torch-lr-finder"), "torch", torch.__version__)
loader = DataLoader(TensorDataset(torch.ones(10, 1), torch.ones(10, 1)), batch_size=2)


def rates(start_lr):
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    used = []
    optimizer.register_step_pre_hook(lambda stepped, *_: used.append(round(stepped.param_groups[0]["lr"], 4)))
    finder = LRFinder(model, optimizer, torch.nn.MSELoss(), device="cpu")
    finder.range_test(loader, start_lr=start_lr, end_lr=1.0, num_iter=5, step_mode="linear", diverge_th=1e9)
    return used


seen = rates(0.0)
tiny = rates(1e-12)
print("expected         [0.0, 0.25, 0.5, 0.75, 1.0]")
print("start_lr=0      ", seen)
print("start_lr=1e-12  ", tiny)
if seen != [0.05, 0.2875, 0.525, 0.7625, 1.0] or tiny != [0.0, 0.25, 0.5, 0.75, 1.0]:
    sys.exit("the behaviour has changed")
PY
