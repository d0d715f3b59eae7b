#!/usr/bin/env bash
# The Trainer's "greedy" schedule never lowers a rate that begins below 0.001, such as the Trainer's own 5e-5.
# Guess: where the loss stands still the rate falls, from whatever rate one starts.
# What happens: its min_lr is 0.001 unless one says otherwise. A rate below it is left as it is when the loss stands
#   still, without a word, and still raised when the loss falls. So it can only grow.
# Versions: transformers 5.23.0 with torch 2.13.0.
# Why it matters: fine-tuning begins at 1e-5 to 5e-4, all of it below; the half of the schedule that calms is missing.
# Instead: get_greedy_schedule(optimizer, min_lr=1e-6), or lr_scheduler_kwargs={"min_lr": 1e-6}.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile transformers==5.23.0 torch==2.13.0 numpy==2.4.6
venv/bin/python - <<'PY'
import sys

import torch
import transformers
from transformers import TrainingArguments, get_greedy_schedule

print("Python", sys.version.split()[0], "transformers", transformers.__version__, "torch", torch.__version__)


def rates(lr, loss, **options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    schedule = get_greedy_schedule(optimizer, **options)
    for t in range(120):
        optimizer.step()
        schedule.step(loss(t))
    return optimizer.param_groups[0]["lr"]


usual = TrainingArguments.__dataclass_fields__["learning_rate"].default
stands = lambda t: 1.0
falls = lambda t: 1 / (t + 1)
print("expected where the loss stands still: a lower rate than at the start")
print("the Trainer's default", usual, "->", rates(usual, stands))
print("and where the loss falls     ->", rates(usual, falls))
print("from 0.01                    ->", rates(0.01, stands))
print("the default with min_lr=1e-6 ->", rates(usual, stands, min_lr=1e-6))
as_described = rates(usual, stands) == usual < rates(usual, falls)
if not (as_described and rates(0.01, stands) < 0.01 and rates(usual, stands, min_lr=1e-6) < usual):
    sys.exit("the behaviour has changed")
PY
