#!/usr/bin/env bash
# swa_utils.update_bn counts a last batch of two images as much as one of a hundred.
# Guess: it recomputes BatchNorm's running mean over the loader, so the result is the mean of all images.
# What happens: it takes the plain average of the batches' means. Of 102 values the last two, alone in their batch,
#   weigh a half. (The variance misses the spread between batches too.) A last batch of one raises ValueError.
# Versions: torch 2.13.0; torch 2.15.0 does the same.
# Why it matters: averaged weights (SWA, EMA) are evaluated with these statistics, and sizes that the batch does not
#   divide are the rule. Here two outliers of 102 move the mean from 0.2 to 5.
# Instead: a loader with drop_last=True and shuffle=True, or a batch size that divides the data.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0
venv/bin/python - <<'PY'
import sys

import torch
from torch.optim.swa_utils import update_bn

print("Python", sys.version.split()[0], "torch", torch.__version__)
torch.manual_seed(0)
values = torch.cat([torch.randn(100, 1), torch.full((2, 1), 10.0)])


def running_mean(batches):
    model = torch.nn.Sequential(torch.nn.BatchNorm1d(1))
    update_bn(batches, model)
    return model[0].running_mean.item()


expected = values.mean().item()
seen = running_mean(values.split(100))
print(f"expected, mean of the 102 values {expected:.4f}")
print(f"batches of 51 and 51             {running_mean(values.split(51)):.4f}")
print(f"batches of 100 and 2             {seen:.4f}")
average = (values[:100].mean() + values[100:].mean()).item() / 2
print(f"mean of the two batches' means   {average:.4f}")
if abs(seen - average) > 1e-4 or abs(seen - expected) < 1:
    sys.exit("the behaviour has changed")
PY
