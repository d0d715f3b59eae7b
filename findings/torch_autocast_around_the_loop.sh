#!/usr/bin/env bash
# Inside one autocast block around the training loop the model never sees its own updates: the loss stays constant.
# Guess: `with torch.autocast(...)` around the whole loop is the same as around each forward pass, only shorter.
# What happens: autocast keeps the low-precision copy of each float32 weight until the outermost block ends. The
#   optimizer changes the float32 weight, the forward pass goes on with the copy of the first iteration.
# Versions: torch 2.13.0; torch 2.15.0 does the same. Seen on a CPU with bfloat16.
# Why it matters: a range test wrapped so gives a perfectly flat curve over all rates, and reads as "no rate helps";
#   a training reads as a rate far too low.
# Instead: open autocast for each forward pass, or pass cache_enabled=False.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0
venv/bin/python - <<'PY'
import contextlib
import sys

import torch

print("Python", sys.version.split()[0], "torch", torch.__version__)


def losses(around_loop, around_pass):
    torch.manual_seed(0)
    model = torch.nn.Linear(8, 1)
    inputs = torch.randn(64, 8)
    targets = inputs.sum(1, keepdim=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    seen = []
    with around_loop:
        for _ in range(5):
            with around_pass():
                loss = (model(inputs) - targets).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen.append(round(loss.item(), 2))
    return seen


def half(**options):
    return torch.autocast("cpu", torch.bfloat16, **options)


each = losses(contextlib.nullcontext(), half)
around = losses(half(), contextlib.nullcontext)
print("expected, around each pass       ", each)
print("around the loop                  ", around)
print("around the loop, without a cache ", losses(half(cache_enabled=False), contextlib.nullcontext))
if len(set(around)) != 1 or not each[-1] < each[0] / 2:
    sys.exit("the behaviour has changed")
PY
