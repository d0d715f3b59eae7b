## Settings, as in `make reproduce PROFILE=smoke SEEDS=3`; what was stopped goes on where it was:
##   PROFILE=quick   auto, smoke, quick or paper         SEEDS=3            seeds 0, 1, 2
##   BUDGET=25m      train so long: 90s, 25m, 3h         JOBS=2             runs side by side, or auto
##   DATA=folder     or an archive, a .npz, digits       DEVICE=cpu         or cuda
##   ROWS=fixed,exp  trains these alone                  PYTHON=python3.12  makes .venv
##   ENGINE=dask     a Dask cluster trains               SCHEDULER=tcp://host:8786  its address
##   KILLS=20        in make soak                        ROUNDS=20          in make flakes
##   PRECISION=float32  or bfloat16                      LAB_OPTIONS=--allow-root  go to JupyterLab
SHELL := /bin/bash
SETTINGS := PROFILE SEEDS BUDGET JOBS DATA DEVICE PRECISION ROWS ENGINE SCHEDULER PYTHON KILLS ROUNDS LAB_OPTIONS PY SHELL
# a misspelt one would start hours of something else; what begins with a dash is the rest of LAB_OPTIONS
GIVEN := $(filter-out -%,$(foreach word,$(MAKEOVERRIDES),$(if $(findstring =,$(word)),$(firstword $(subst =, ,$(word))))))
$(foreach name,$(filter-out $(SETTINGS),$(GIVEN)),$(error error: $(name) is not a setting; `make help` lists them))
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
PYTHON ?= python3
PROFILE ?= auto
JOBS ?= auto
PY := .venv/bin/python
LAB := $(PY) -m lab.cli
KILLS ?= 20
ROUNDS ?= 20
# holds a lock while a command runs: two makes in one clone must not install into it at the same time
define ALONE
import fcntl, subprocess, sys
try:
    lock = open(".setup.lock", "w")
except OSError as error:
    sys.exit(f"error: this folder cannot be written to ({error.strerror}); make it one that you may write to and call again")
fcntl.flock(lock, fcntl.LOCK_EX)
sys.exit(subprocess.call(sys.argv[1:]))
endef
export ALONE
ENGINES := $(if $(ENGINE),--engine $(ENGINE)) $(if $(SCHEDULER),--scheduler $(SCHEDULER))
LOCKED := --universal --python-version 3.11 --generate-hashes --no-emit-index-url
TWO := --numprocesses 2 --dist loadfile --no-loadscope-reorder
# two workers with two threads each on two cores: who waits must not hold a core while it does
test flakes: export OMP_WAIT_POLICY := passive
# what computes beside the trainings, whose threads JOBS= decides, is small: two threads gain little there, and beside
# other programs wait for each other, many times as long as one takes
test flakes reproduce publish: export OMP_NUM_THREADS := 1
# the rounds of make flakes are a count of one commit of these: records and pages come and go
CODE := clrlib lab tests pyproject.toml requirements.lock
# refuses a setting that is no count
COUNT = @[[ "$($(1))" =~ ^[1-9][0-9]*$$ ]] || { echo "error: $(1) is '$($(1))'; give a whole number, 1 or more"; exit 1; }
OPTIONS = --profile $(PROFILE) --jobs $(JOBS) $(if $(SEEDS),--seeds $(SEEDS))
export CLRLIB_DATA := $(if $(filter digits,$(DATA)),digits,$(if $(DATA),$(abspath $(DATA)),$(CLRLIB_DATA)))
export CLRLIB_DEVICE := $(or $(DEVICE),$(CLRLIB_DEVICE))
export CLRLIB_PRECISION := $(or $(PRECISION),$(CLRLIB_PRECISION))
export PYTHONUNBUFFERED := 1
# compiled once, not in every process anew
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help check setup data reproduce figures test soak flakes lab publish choose bench book browse clean lock

help: ## this page
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2} /^## / {settings = settings substr($$0, 4) "\n"} \
		END {printf "%s", settings}' Makefile

check: ## versions, device, memory, disk, data: what is here, what to mend (20 s; no change)
	@[ -x $(PY) ] || { echo 'mend: there is no environment in .venv yet; call `make setup`'; exit 1; }
	@$(PY) -c 'import torch' || { echo 'mend: torch cannot be imported from .venv (see above); call `rm -rf .venv; make setup`'; exit 1; }
	@$(LAB) check

setup: ## the locked environment in .venv (3 min, 6 GB with CUDA's libraries)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python %d.%d is too old; give 3.11 or later, make PYTHON=python3.12" % sys.version_info[:2])'
	@$(PYTHON) -c "$$ALONE" $(MAKE) --no-print-directory .venv/done

# --no-compile: of what is installed a small part is ever imported, and compiled then
.venv/done: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	echo ../../../.. | tee .venv/lib/python3*/site-packages/__editable__.clrlib-*.pth > /dev/null
	touch $@

data: setup ## CIFAR-10 and Imagenette into data/ (270 MB, once), or what DATA= names
	$(LAB) data $(OPTIONS)

reproduce: data ## train, run the notebooks, write report.html (quick: 4 h on 2 cores; paper: months)
	$(LAB) reproduce $(OPTIONS) $(ENGINES) $(if $(BUDGET),--budget $(BUDGET)) $(if $(ROWS),--rows $(ROWS))

figures: setup ## figures/ again from results/ (10 s)
	$(LAB) figures

test: setup ## lint, types, tests, the notebooks, one smoke training of each (12 to 25 min)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	.venv/bin/codespell
	$(PY) -m mypy
	$(PY) -m pytest $(TWO)
	$(PY) -m pytest $(TWO) -p no:python --nbval --nbval-current-env --nbval-cell-timeout 300 notebooks
	rm -rf build/smoke
	$(LAB) reproduce --profile smoke --jobs $(JOBS)

soak: setup ## kill a sweep KILLS times, compare with an undisturbed one, into docs/ (15 to 25 min)
	$(call COUNT,KILLS)
	@mkdir -p build; set -o pipefail; commit=$$(git describe --always --dirty); \
		KILLS=$(KILLS) $(PY) -m pytest tests/faults -vv | tee build/soak.log; green=$$?; \
		{ echo "commit $$commit"; grep -E '^tests|^=+ .*(passed|failed)' build/soak.log; } > docs/soak.txt; exit $$green

flakes: setup ## the tests ROUNDS times, each time in another order, into docs/ (3 to 8 min each)
	$(call COUNT,ROUNDS)
	@test -z "$$(git status --porcelain -- $(CODE))" || { echo "error: the code has changes; commit them, for the count is of one commit"; exit 1; }
	@mkdir -p build; [ -f build/flakes.txt ] || cp docs/flakes.txt build/; code="commit $$(git log -1 --format=%h -- $(CODE))"; \
		[ "$$(head -n 1 build/flakes.txt)" = "$$code" ] || echo "$$code" > build/flakes.txt
	@set -o pipefail; green=0; for round in $$(seq $(ROUNDS)); do \
		grep -q "^order $$round: [0-9]* passed" build/flakes.txt && continue; \
		$(PY) -m pytest $(TWO) -p randomly --randomly-seed $$round | tee build/flakes.log; green=$$?; \
		echo "order $$round: $$(tail -n 1 build/flakes.log)" | tee -a build/flakes.txt; [ $$green = 0 ] || break; \
		done; [ $$green != 0 ] || cp build/flakes.txt docs/; exit $$green

lab: setup ## JupyterLab on notebooks/
	$(PY) -m jupyterlab --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate $(LAB_OPTIONS) notebooks

publish: PROFILE := paper
publish: data ## train the paper profile, publish all (Caffe net: 18 h on 2 cores; others: months)
	$(LAB) publish --profile paper --jobs $(JOBS) $(ENGINES) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(BUDGET),--budget $(BUDGET)) $(if $(ROWS),--rows $(ROWS))

choose: setup ## what the validation split chooses, into results/choices.json (10 s)
	$(LAB) choose

bench: setup .venv/bench ## the trainer's speed; leave the machine alone meanwhile (20 min)
	$(PY) -m lab.bench

.venv/bench: requirements-bench.lock .venv/done
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	touch $@

book: setup .venv/book ## a web site of all this, from what is here, into build/book/ (1 min)
	rm -rf build/book build/doctrees
	$(PY) -m sphinx --quiet --fail-on-warning --keep-going --conf-dir book --doctree-dir build/doctrees . build/book
	@echo "build/book/index.html"

browse: book ## the web site tried in Chromium, which must be installed (8 min)
	$(PY) -m pytest tests/browser

.venv/book: requirements-book.lock .venv/done
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-book.lock
	touch $@

lock: setup ## the locks again from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra lab --extra test $(LOCKED) -o requirements.lock
	uv pip compile pyproject.toml --extra bench --constraint requirements.lock $(LOCKED) -o requirements-bench.lock
	uv pip compile pyproject.toml --extra book --constraint requirements.lock $(LOCKED) -o requirements-book.lock

clean: ## remove caches and build/smoke, never your runs in build/quick and build/paper
	rm -rf build/smoke build/published build/book build/doctrees build/jupyter_execute .pytest_cache .mypy_cache .ruff_cache *.egg-info
