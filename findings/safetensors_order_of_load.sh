#!/usr/bin/env bash
# safetensors' load gives the tensors of one and the same file in another order each time.
# Guess: a dictionary comes back in the order in which it was saved, as from torch.load.
# What happens: load(bytes) has an order of its own in every call; load_file sorts by name, so layer10 comes before
#   layer2. Neither is the order of the model.
# Versions: safetensors 0.8.0, its numpy interface; its torch interface (with torch 2.15.0) does the same.
# Why it matters: put back with zip(parameters, loaded.values()), a snapshot or average of a net whose layers have one
#   shape loads without an error, with the weights in other layers.
# Instead: go by name, load_state_dict(loaded), never by position.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile safetensors==0.8.0 numpy==2.4.6
venv/bin/python - <<'PY'
import importlib.metadata
import sys

import numpy as np
from safetensors.numpy import load, load_file, save, save_file

print("Python", sys.version.split()[0], "safetensors", importlib.metadata.version("safetensors"))
saved = {f"layer{i}.weight": np.full((2, 2), i, dtype=np.float32) for i in range(11)}
data = save(saved)
orders = {tuple(load(data)) for _ in range(20)}
save_file(saved, "weights.safetensors")
from_file = list(load_file("weights.safetensors"))
print("expected: 1 order,", list(saved)[:4], "...")
print("load, 20 times the same bytes:", len(orders), "orders; one of them", sorted(orders)[0][:4], "...")
print("load_file:", from_file[:4], "...")
print("by name the values are right:", all((load(data)[name] == saved[name]).all() for name in saved))
if len(orders) < 2 or from_file != sorted(saved):
    sys.exit("the behaviour has changed")
PY
