#!/usr/bin/env bash
# Write the three locks again from pyproject.toml. Needs uv and the network:
#     scripts/lock.sh
set -euo pipefail
options=(--universal --python-version 3.11 --generate-hashes --no-emit-index-url)
uv pip compile pyproject.toml --extra lab --extra test "${options[@]}" -o requirements.lock
for extra in bench book; do
    uv pip compile pyproject.toml --extra $extra --constraint requirements.lock "${options[@]}" -o requirements-$extra.lock
done
