#!/usr/bin/env bash
# Kill a sweep 20 times, or as often as the argument says, and compare the end with an undisturbed sweep (15 to 25 min).
# The log goes into docs/soak.txt. Call it after `make setup`:
#     scripts/soak.sh [KILLS]
set -uo pipefail
export KILLS=${1:-20}
[[ $KILLS =~ ^[1-9][0-9]*$ ]] || { echo "error: the number of kills is '$KILLS'; give a whole number, 1 or more"; exit 1; }
mkdir -p build
commit=$(git describe --always --dirty)
.venv/bin/python -m pytest tests/faults -vv | tee build/soak.log
green=$?
{ echo "commit $commit"; grep -E '^tests|^=+ .*(passed|failed)' build/soak.log; } > docs/soak.txt
exit $green
