#!/usr/bin/env bash
# Walking a DataLoader with shuffle=False and no workers takes a number from torch's global generator.
# Guess: only shuffling needs random numbers; a pass over the validation data leaves the training as it was.
# What happens: each iterator draws a base seed for workers, also where there are none. With the same seed, a training
#   that is evaluated between its epochs gets other dropout masks and another order than one that is not.
# Versions: torch 2.13.0; torch 2.15.0 does the same.
# Why it matters: two runs that are to differ in the schedule alone differ in their noise as well, as soon as one is
#   measured more often.
# Instead: give such a loader generator=torch.Generator(), also without shuffling, or save and restore the state.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0
venv/bin/python - <<'PY'
import sys

import torch
from torch.utils.data import DataLoader, TensorDataset

print("Python", sys.version.split()[0], "torch", torch.__version__)
DATA = TensorDataset(torch.arange(6))


def order_of_second_epoch(evaluated, generator=None):
    torch.manual_seed(0)
    training = DataLoader(DATA, batch_size=1, shuffle=True)
    heldout = DataLoader(DATA, batch_size=6, shuffle=False, num_workers=0, generator=generator)
    for _ in range(2):
        order = [int(batch[0]) for batch in training]
        if evaluated:
            for _ in heldout:
                pass
    return order


never = order_of_second_epoch(evaluated=False)
seen = order_of_second_epoch(evaluated=True)
fixed = order_of_second_epoch(evaluated=True, generator=torch.Generator())
print("expected, never evaluated        ", never)
print("evaluated after each epoch       ", seen)
print("evaluated with its own generator ", fixed)
if seen == never or fixed != never:
    sys.exit("the behaviour has changed")
PY
