#!/usr/bin/env bash
# seaborn's 95 % band around the mean of two runs holds the true mean in half of the cases, of three runs in 3 of 4.
# Guess: lineplot's band, errorbar=("ci", 95), covers the true mean 95 times of 100, only wider with few runs.
# What happens: it is a percentile bootstrap. Two values can only be redrawn as a, b or their mean, so the band is from
#   the lower run to the upper one; with few values it stays too narrow. Nothing warns.
# Versions: seaborn 0.13.2, matplotlib 3.11.2, numpy 2.4.6.
# Why it matters: a curve of two or three seeds is the usual figure for schedules, and "the bands do not overlap" its
#   usual argument. Two equal schedules would pass for different far too often.
# Instead: draw each run as a thin line, or a t interval computed beforehand (12.7 standard errors with two runs, 4.3
#   with three).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile seaborn==0.13.2 matplotlib==3.11.2 numpy==2.4.6 pandas==3.1.1
venv/bin/python - <<'PY'
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

print("Python", sys.version.split()[0], "seaborn", sns.__version__, "matplotlib", matplotlib.__version__)
POINTS = 400  # experiments side by side, all with the true mean 0


def bands(runs):
    values = np.random.default_rng(runs).normal(size=(runs, POINTS))
    figure, axes = plt.subplots()
    sns.lineplot(x=np.tile(np.arange(POINTS), runs), y=values.ravel(), seed=0, ax=axes)
    corners = axes.collections[0].get_paths()[0].vertices
    plt.close(figure)
    per_point = [corners[corners[:, 0] == x, 1] for x in range(POINTS)]
    return values, np.array([y.min() for y in per_point]), np.array([y.max() for y in per_point])


seen = {}
for runs in (2, 3, 5, 20):
    values, low, high = bands(runs)
    seen[runs] = float(np.mean((low < 0) & (high > 0)))
    print(f"{runs:2} runs: expected 0.95, the band holds the true mean in {seen[runs]:.2f} of {POINTS} cases")
    if runs == 2:
        extremes = np.allclose(low, values.min(0)) and np.allclose(high, values.max(0))
        print("         the band is from the lower run to the upper:", bool(extremes))
if not (extremes and 0.4 < seen[2] < 0.6 and 0.65 < seen[3] < 0.85 and seen[20] > 0.89):
    sys.exit("the behaviour has changed")
PY
