#!/usr/bin/env bash
# joblib gives equal torch tensors different hashes, so its cache trains again for the same weights.
# Guess: joblib.hash goes by content, as it does for numpy arrays; joblib.Memory then finds the earlier result.
# What happens: a tensor is hashed as a pickle, which holds a key of the memory it lies in, so a clone is something
#   new. The cache only grows, and never answers.
# Versions: joblib 1.6.0, torch 2.13.0; torch 2.15.0 does the same.
# Why it matters: Memory around "train with this schedule from these weights" is the quick way to a resumable sweep.
# Instead: pass arrays, tensor.numpy(), or the seed that the weights come from.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile joblib==1.6.0 torch==2.13.0 numpy==2.4.6
venv/bin/python - <<'PY'
import sys
import warnings

import joblib
import torch

print("Python", sys.version.split()[0], "joblib", joblib.__version__, "torch", torch.__version__)
calls = []
memory = joblib.Memory("cache", verbose=0)


def train(weights, rate):
    calls.append(rate)
    return float(weights.sum()) * rate


warnings.simplefilter("ignore")  # joblib's own about a function that stands in no file
cached = memory.cache(train)
ran = {}
for kind, weights in (("tensor", torch.arange(3.0)), ("array", torch.arange(3.0).numpy())):
    calls.clear()
    for _ in range(3):
        cached(weights.clone() if kind == "tensor" else weights.copy(), rate=0.1)
    ran[kind] = len(calls)
    print(f"{kind:6} three calls with equal weights: expected to train 1 time, trained {ran[kind]} times")
first = torch.arange(3.0)
same = joblib.hash(first) == joblib.hash(first.clone())
print("joblib.hash of a tensor and its clone are equal:", same)
if ran != {"tensor": 3, "array": 1} or same:
    sys.exit("the behaviour has changed")
PY
