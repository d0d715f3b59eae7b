#!/usr/bin/env bash
# Ignite's FastaiLRFinder writes each loss down beside the rate of the next step, and ignores start_lr at the first.
# Guess: results["lr"][i] is the rate of the step that gave results["loss"][i]; the first is start_lr.
# What happens: five steps from 0.01 to 1 run at 0.091, 0.025, 0.063, 0.158, 0.398; written down are 0.025, 0.063,
#   0.158, 0.398, 1. The last was never used, the first step is higher than the second, start_lr occurs nowhere.
# Versions: pytorch-ignite 0.5.5 with torch 2.13.0.
# Why it matters: the whole curve is shifted by one step to the right, by 2.5 times here and 1.07 times with 100 steps
#   over three decades; the bounds read from it are too high.
# Instead: record the optimizer's rate yourself, with register_step_pre_hook as here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile pytorch-ignite==0.5.5 torch==2.13.0 numpy==2.4.6
venv/bin/python - <<'PY'
import sys

import ignite
import torch
from ignite.engine import create_supervised_trainer
from ignite.handlers import FastaiLRFinder

print("Python", sys.version.split()[0], "pytorch-ignite", ignite.__version__, "torch", torch.__version__)
model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
used = []
optimizer.register_step_pre_hook(lambda stepped, *_: used.append(stepped.param_groups[0]["lr"]))
trainer = create_supervised_trainer(model, optimizer, torch.nn.functional.mse_loss)
finder = FastaiLRFinder()
batches = [(torch.ones(2, 1), torch.ones(2, 1))] * 5
keep = {"model": model, "optimizer": optimizer}
with finder.attach(trainer, keep, num_iter=5, start_lr=0.01, end_lr=1.0, diverge_th=1e9) as attached:
    attached.run(batches)

used = [round(rate, 3) for rate in used]
written = [round(rate, 3) for rate in finder.get_results()["lr"]]
print("expected    [0.01, 0.032, 0.1, 0.316, 1.0]")
print("used       ", used)
print("written    ", written)
if written[:-1] != used[1:] or written[-1] != 1.0 or 0.01 in used:
    sys.exit("the behaviour has changed")
PY
