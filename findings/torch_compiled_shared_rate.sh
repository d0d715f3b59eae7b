#!/usr/bin/env bash
# A compiled optimizer step that was traced while two groups shared one rate tensor never sees a second tensor.
# Guess: giving group 1 a tensor of its own afterwards changes that group's steps, as it does without torch.compile.
# What happens: the compiled step goes on with the tensor of group 0 for both groups, without recompiling or a word.
# Versions: torch 2.13.0.
# Why it matters: torch.optim puts a tensor given as lr into all groups, so every compiled step begins this way.
# Instead: give each group a tensor of its own before the first step is compiled.
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


def steps(shared, compiled):
    """How far a step moves each group once group 1's rate is 0.5 in a tensor of its own."""
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": [w]} for w in weights], lr=torch.tensor(0.1))
    if not shared:
        optimizer.param_groups[1]["lr"] = torch.tensor(0.1)
    step = torch.compile(lambda: optimizer.step(), backend="eager") if compiled else optimizer.step
    for w in weights:
        w.grad = torch.ones(1)
    step()
    optimizer.param_groups[1]["lr"] = torch.tensor(0.5)
    before = [w.item() for w in weights]
    step()
    return [round(b - w.item(), 4) for b, w in zip(before, weights)]


print("expected                        ", [0.1, 0.5])
print("one tensor at first, not compiled", steps(True, False))
print("one tensor at first, compiled    ", steps(True, True))
print("two tensors at first, compiled   ", steps(False, True))
if steps(True, False) != [0.1, 0.5] or steps(False, True) != [0.1, 0.5] or steps(True, True) != [0.1, 0.1]:
    sys.exit("the behaviour has changed")
PY
