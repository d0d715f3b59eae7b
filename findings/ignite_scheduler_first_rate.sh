#!/usr/bin/env bash
# Ignite's LRScheduler around torch's CosineAnnealingLR begins above the optimizer's rate.
# Guess: the wrapped scheduler gives the rates that torch's own loop gives: 0.1 first, then the cosine down.
# What happens: the first rate alone is another one. With T_max=4 it is 0.117, 17 % too high; the excess shrinks as T_max
#   grows.
# Versions: pytorch-ignite 0.5.5, torch 2.13.0.
# Why it matters: the highest rate of a training is often chosen just below where it diverges.
# Instead: let an engine's handler call scheduler.step() itself, after each iteration.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0 pytorch-ignite==0.5.5
venv/bin/python - <<'PY'
import sys

import ignite
import torch
from ignite.engine import Engine, Events
from ignite.handlers.param_scheduler import LRScheduler
from torch.optim.lr_scheduler import CosineAnnealingLR

print("Python", sys.version.split()[0], "torch", torch.__version__, "ignite", ignite.__version__)


def optimizer():
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)


def with_torch(length):
    own, rates = optimizer(), []
    schedule = CosineAnnealingLR(own, T_max=length)
    for _ in range(4):
        rates.append(round(own.param_groups[0]["lr"], 6))
        own.step()
        schedule.step()
    return rates


def with_ignite(length):
    own, rates = optimizer(), []

    def step(engine, batch):
        rates.append(round(own.param_groups[0]["lr"], 6))
        own.step()

    trainer = Engine(step)
    trainer.add_event_handler(Events.ITERATION_STARTED, LRScheduler(CosineAnnealingLR(own, T_max=length)))
    trainer.run(range(4))
    return rates


for length in (4, 8, 100):
    print(f"T_max={length:<4} expected", with_torch(length), "seen", with_ignite(length))
if with_torch(4)[0] != 0.1 or not 0.116 < with_ignite(4)[0] < 0.118:
    sys.exit("the behaviour has changed")
PY
