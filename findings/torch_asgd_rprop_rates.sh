#!/usr/bin/env bash
# ASGD takes each rate of a schedule one step late, and Rprop takes none after the first.
# Guess: an optimizer steps with the rate that stands in its param_groups at that moment.
# What happens: ASGD works out its step size at the end of a step, for the next one: a rate of 0 does not stop the
#   step that it is set for. Rprop reads the rate once, as its first step size, then grows and shrinks that by itself.
# Versions: torch 2.13.0; torch 2.15.0 does the same.
# Why it matters: a range test pairs ASGD's losses with the wrong rates, and measures Rprop at steps of its own.
#   The scheduler's get_last_lr() and every plot of it show rates that were not used.
# Instead: schedule neither; measure the step, as here, before you trust a schedule on an optimizer new to you.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0
venv/bin/python - <<'PY'
import sys

import torch

print("Python", sys.version.split()[0], "torch", torch.__version__)
RATES = [0.1, 0.2, 0.4, 0.0, 0.1]


def moved(kind, **options):
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = kind([weight], lr=RATES[0], **options)
    steps = []
    for rate in RATES:
        optimizer.param_groups[0]["lr"] = rate  # what a scheduler does
        weight.grad = torch.ones_like(weight)
        before = weight.item()
        optimizer.step()
        steps.append(round(before - weight.item(), 5))
    return steps


print("expected, the rates", RATES)
print("SGD moved by       ", moved(torch.optim.SGD))
asgd = moved(torch.optim.ASGD, lambd=0.0, alpha=0.0)  # without its own decay
rprop = moved(torch.optim.Rprop)
print("ASGD moved by      ", asgd)
print("Rprop moved by     ", rprop)
if asgd != [0.1, 0.1, 0.2, 0.4, 0.0] or rprop != [0.1, 0.12, 0.144, 0.1728, 0.20736]:
    sys.exit("the behaviour has changed")
PY
