#!/usr/bin/env bash
# With use_buffers=True an AveragedModel's num_batches_tracked stays at 1 for ever.
# Guess: averaged buffers follow the model's; after 1000 batches the count of the average is near 1000.
# What happens: the count is an integer, and 1 * 0.999 + 2 * 0.001 is cut to 1 in each update. The running mean and
#   variance next to it, which are floats, are averaged as they should be.
# Versions: torch 2.13.0; torch 2.15.0 does the same.
# Why it matters: BatchNorm(momentum=None) divides by that count. Train on from the averaged model, and its first
#   batch replaces a half of the statistics instead of a thousandth.
# Instead: copy the integer buffers after update_parameters: ema.num_batches_tracked.copy_(model.num_batches_tracked).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0
venv/bin/python - <<'PY'
import sys

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

print("Python", sys.version.split()[0], "torch", torch.__version__)
torch.manual_seed(0)
norm = torch.nn.BatchNorm1d(1, momentum=None)
average = AveragedModel(norm, multi_avg_fn=get_ema_multi_avg_fn(0.999), use_buffers=True)
for _ in range(1000):
    norm(torch.randn(8, 1))
    average.update_parameters(norm)
counts = int(norm.num_batches_tracked), int(average.module.num_batches_tracked)
print("num_batches_tracked of the model, and of its average (expected: about the same)", counts)

far = torch.randn(8, 1) + 100.0
means = []
for model in (norm, average.module):
    model.train()
    model(far)
    means.append(round(model.running_mean.item(), 1))
print("running mean after one more batch around 100, of the model and of its average", means)
if counts != (1000, 1) or not (means[0] < 1 and means[1] > 40):
    sys.exit("the behaviour has changed")
PY
