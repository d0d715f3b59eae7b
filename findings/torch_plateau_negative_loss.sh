#!/usr/bin/env bash
# ReduceLROnPlateau never lowers the rate where a constant loss is negative.
# Guess: a loss that has not moved for 50 epochs is a plateau, whatever its sign.
# What happens: the default threshold is relative, and "better" is loss < best * (1 - 1e-4). With best = -1 that is
#   loss < -0.9999, so the same -1.0 counts as an improvement in every epoch, and so does a slow rise of it.
# Versions: torch 2.13.0; torch 2.15.0 does the same.
# Why it matters: log-likelihoods, cosine and contrastive losses, and negative rewards are below zero; the rate then
#   stays at its start, and the run looks as if there had been no plateau.
# Instead: threshold_mode="abs", with a threshold in the loss's own unit.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0
venv/bin/python - <<'PY'
import sys

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

print("Python", sys.version.split()[0], "torch", torch.__version__)


def rate_after(losses, **options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = ReduceLROnPlateau(optimizer, patience=10, **options)
    for loss in losses:
        schedule.step(loss)
    return optimizer.param_groups[0]["lr"]


seen = {
    "constant +1": rate_after([1.0] * 50),
    "constant -1": rate_after([-1.0] * 50),
    "rising from -1 by 0.00005 an epoch": rate_after([-1.0 + 0.00005 * epoch for epoch in range(50)]),
    "constant -1, threshold_mode='abs'": rate_after([-1.0] * 50, threshold_mode="abs"),
}
print("expected: the rate falls from 1.0 in each case")
for case, rate in seen.items():
    print(f"{case:36} rate after 50 epochs {rate:.4g}")
if [rate == 1.0 for rate in seen.values()] != [False, True, True, False]:
    sys.exit("the behaviour has changed")
PY
