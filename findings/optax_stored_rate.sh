#!/usr/bin/env bash
# The rate in optax's inject_hyperparams state is the one of the last update, and before the first that of step 0.
# Guess: read before an update, state.hyperparams["learning_rate"] is the rate of that update, as in torch's groups.
# What happens: it lags by one. Read before each update a warm-up 0, 0.1, 0.2, 0.3 is seen as 0, 0, 0.1, 0.2; the first
#   value comes twice, the last never. Read after the update it is right.
# Versions: optax 0.2.8 with jax 0.10.2.
# Why it matters: code moved over from torch, which logs the rate and then steps, pairs each loss with the rate before.
# Instead: log after the update, or ask the schedule itself: schedule(step).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile optax==0.2.8 jax==0.10.2
venv/bin/python - <<'PY'
import sys

import jax
import jax.numpy as jnp
import optax

print("Python", sys.version.split()[0], "optax", optax.__version__, "jax", jax.__version__)
optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=optax.linear_schedule(0.0, 0.4, 4))
weights = jnp.ones(1)
state = optimizer.init(weights)
before, moved, after = [], [], []
for _ in range(5):
    before.append(round(float(state.hyperparams["learning_rate"]), 3))
    update, state = optimizer.update(jnp.ones(1), state, weights)
    moved.append(round(abs(float(update[0])), 3))
    after.append(round(float(state.hyperparams["learning_rate"]), 3))
print("rates that moved the weights       ", moved)
print("read before the update, expected   ", moved)
print("read before the update, seen       ", before)
print("read after the update              ", after)
if before != [0.0, 0.0, 0.1, 0.2, 0.3] or after != moved:
    sys.exit("the behaviour has changed")
PY
