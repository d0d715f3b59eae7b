#!/usr/bin/env bash
# Measure how soon a newcomer succeeds, from a fresh clone of this commit, and print the table (an hour on two cores).
# Leave the machine alone meanwhile. CLRLIB_DATA= names the data; without it `make data` downloads them.
#     scripts/first_success.sh [STEP ...]      # setup figure range quick test; all where none is named
set -euo pipefail
cd "$(dirname "$0")/.."
declare -A COMMANDS=(
    [setup]="make setup"
    [figure]=".venv/bin/python -m lab.cli figures" # from the published records
    [range]=".venv/bin/python -c 'exec(open(\"first.py\").read())'"
    [quick]="make reproduce PROFILE=quick"
    [test]="make test"
)
declare -A NAMES=(
    [setup]="the environment" [figure]="every published figure" [range]="a range test"
    [quick]="every figure from one's own runs" [test]="green tests"
)
steps=("${@:-}")
[ -n "${steps[0]}" ] || steps=(setup figure range quick test)
for step in "${steps[@]}"; do
    [ -n "${COMMANDS[$step]:-}" ] || { echo "error: there is no step '$step'; give some of setup, figure, range, quick, test"; exit 1; }
done
clone=$(mktemp -d)
trap 'rm -rf "$clone"' EXIT
git clone --quiet . "$clone"
# the first block of Python on the page, which is complete
awk '/^```python/ {on = 1; next} /^```/ {if (on) exit} on' docs/first_steps.md > "$clone/first.py"
cd "$clone"
rows="| from a fresh clone | seconds | in all |\n|---|---|---|\n"
for step in "${steps[@]}"; do
    before=$SECONDS
    bash -c "${COMMANDS[$step]}" || { echo "error: $step failed; see above"; exit 1; }
    rows+="| ${NAMES[$step]} | $((SECONDS - before)) | $SECONDS |\n"
done
printf "\n$(git log -1 --format='commit %h'), $(nproc) cores\n\n$rows"
