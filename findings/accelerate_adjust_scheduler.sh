#!/usr/bin/env bash
# Accelerate's adjust_scheduler, "adjust the scheduler steps to the accumulation", changes no rate, on or off.
# Guess: on, its default, a OneCycleLR made for the number of batches comes to its end under accumulated gradients.
# What happens: the scheduler moves once for each step of the optimizer either way: of a cycle of 12 batches with four
#   to a step three steps are made, and the training ends near the top of the cycle instead of at its end.
# Versions: accelerate 1.15.0 with torch 2.13.0.
# Why it matters: the run ends at nearly the highest rate, without the descent that the cycle is made for.
# Instead: give the scheduler the number of the optimizer's steps, batches divided by gradient_accumulation_steps.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile accelerate==1.15.0 torch==2.13.0 numpy==2.4.6
venv/bin/python - <<'PY'
import sys

import accelerate
import torch
from accelerate.utils import GradientAccumulationPlugin
from torch.utils.data import DataLoader, TensorDataset

print("Python", sys.version.split()[0], "accelerate", accelerate.__version__, "torch", torch.__version__)


def last_rate(adjust, total_steps):
    plugin = GradientAccumulationPlugin(num_steps=4, adjust_scheduler=adjust)
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_plugin=plugin)
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.1, total_steps=total_steps, div_factor=10, cycle_momentum=False
    )
    loader = DataLoader(TensorDataset(torch.ones(12, 1)), batch_size=1)
    used = []
    optimizer.register_step_pre_hook(lambda stepped, *_: used.append(round(stepped.param_groups[0]["lr"], 4)))
    model, optimizer, loader, schedule = accelerator.prepare(model, optimizer, loader, schedule)
    for (inputs,) in loader:
        with accelerator.accumulate(model):
            accelerator.backward(model(inputs).sum())
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    return used


on, off = last_rate(True, 12), last_rate(False, 12)
print("expected of a cycle of 12: the last rate near 0")
print("adjust_scheduler=True  ", on)
print("adjust_scheduler=False ", off)
print("a cycle of 3           ", last_rate(True, 3))
if on != off or on[-1] < 0.05:
    sys.exit("the behaviour has changed")
PY
