#!/usr/bin/env bash
# An optimizer built with a rate from numpy writes checkpoints that torch.load refuses.
# Guess: np.float64 is a Python float (isinstance says so), so a rate from np.geomspace is as good as 0.1.
# What happens: the optimizer and its scheduler keep numpy's type, torch.save pickles it, and torch.load, which by
#   default takes weights_only=True, raises UnpicklingError: the training ran, its checkpoint does not open.
# Versions: torch 2.13.0 with numpy 2.4.6; torch 2.15.0 does the same.
# Why it matters: rates of a sweep and bounds from a range test come from numpy; one is told after the training, when
#   it is to be resumed.
# Instead: float(rate) before it goes into an optimizer or scheduler. For a file that is there already, where you
#   trust it: torch.load(file, weights_only=False), then write it again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6
venv/bin/python - <<'PY'
import io
import pickle
import sys

import numpy as np
import torch

print("Python", sys.version.split()[0], "torch", torch.__version__, "numpy", np.__version__)


def reload(rate):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    optimizer.step()
    schedule.step()
    file = io.BytesIO()
    torch.save({"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}, file)
    file.seek(0)
    try:
        torch.load(file)
    except pickle.UnpicklingError as error:
        return f"{type(error).__name__}: {str(error)[:24]}"
    return "opens"


rate = np.geomspace(0.001, 0.1, 3)[1]
print("a float to isinstance:", isinstance(rate, float))
seen = reload(rate)
print("expected      : opens")
print("np.float64    :", seen)
print("float(...)    :", reload(float(rate)))
if not seen.startswith("UnpicklingError") or reload(float(rate)) != "opens":
    sys.exit("the behaviour has changed")
PY
