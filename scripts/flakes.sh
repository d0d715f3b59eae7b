#!/usr/bin/env bash
# Run the tests 20 times, or as often as the argument says, each time in another order (3 to 8 min each).
# docs/flakes.txt counts the green rounds of one commit of CODE; records and pages may change meanwhile.
# A call that was stopped goes on with the next round. Call it after `make setup`:
#     scripts/flakes.sh [ROUNDS]
set -uo pipefail
CODE=(clrlib lab tests scripts pyproject.toml requirements.lock)
rounds=${1:-20}
[[ $rounds =~ ^[1-9][0-9]*$ ]] || { echo "error: the number of rounds is '$rounds'; give a whole number, 1 or more"; exit 1; }
if [ -n "$(git status --porcelain -- "${CODE[@]}")" ]; then
    echo "error: the code has changes; commit them, for the count is of one commit"
    exit 1
fi
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive # as in `make test`
mkdir -p build
commit="commit $(git log -1 --format=%h -- "${CODE[@]}")"
[ -f build/flakes.txt ] || cp docs/flakes.txt build/
[ "$(head -n 1 build/flakes.txt)" = "$commit" ] || echo "$commit" > build/flakes.txt
for round in $(seq "$rounds"); do
    grep -q "^order $round: [0-9]* passed" build/flakes.txt && continue
    .venv/bin/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder \
        --shuffle "$round" | tee build/flakes.log
    green=$?
    echo "order $round: $(tail -n 1 build/flakes.log)" | tee -a build/flakes.txt
    [ $green = 0 ] || exit $green
done
cp build/flakes.txt docs/
