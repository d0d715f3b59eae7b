#!/usr/bin/env bash
# A ChainedScheduler as a later stage of a SequentialLR dies at its milestone; as the first stage it begins a step ahead.
# Guess: SequentialLR takes any scheduler for each of its stages.
# What happens: training runs to the milestone, where SequentialLR calls the next stage's step(0). The ChainedScheduler
#   ends in a NotImplementedError without a message, perhaps hours after it was built without a word. As the first
#   stage it does not start at the optimizer's rate 1.0 but at 0.9, the rate of its second step.
# Versions: torch 2.13.0.
# Why it matters: warm-up first and a product of two decays afterwards is an ordinary recipe.
# Instead: one LambdaLR that multiplies the factors, as the later stage.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0
venv/bin/python - <<'PY'
import sys

import torch
from torch.optim.lr_scheduler import ChainedScheduler, ConstantLR, ExponentialLR, LinearLR, SequentialLR

print("Python", sys.version.split()[0], "torch", torch.__version__)


def train(chained_first):
    """The rates of six steps, or those up to the error and its class."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    warm_up = LinearLR(optimizer, 0.5, total_iters=2)
    chained = ChainedScheduler([ExponentialLR(optimizer, 0.9), ConstantLR(optimizer, 1.0)], optimizer)
    stages = [chained, warm_up] if chained_first else [warm_up, chained]
    schedule = SequentialLR(optimizer, stages, milestones=[3])
    rates = []
    for _ in range(6):
        rates.append(round(optimizer.param_groups[0]["lr"], 4))
        optimizer.step()
        try:
            schedule.step()
        except Exception as error:
            return rates, f"{type(error).__name__}({error})"
    return rates, None


first, second = train(True), train(False)
print("expected                six rates and no error, both times; 1.0 first as the first stage")
print("as the first stage     ", *first)
print("as the second stage    ", *second)
if first[0][0] != 0.9 or first[1] is not None or second != ([0.5, 0.75, 1.0], "NotImplementedError()"):
    sys.exit("the behaviour has changed")
PY
