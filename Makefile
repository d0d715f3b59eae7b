## Settings, as in `make reproduce PROFILE=smoke SEEDS=3`; what was stopped goes on where it was:
##   PROFILE=quick   auto, smoke, quick, laptop, paper   SEEDS=3            seeds 0, 1, 2
##   BUDGET=25m      train so long: 90s, 25m, 3h         JOBS=2             runs side by side, or auto
##   DATA=folder     or an archive, a .npz, digits       DEVICE=cpu         or cuda
##   ROWS=fixed,exp  train these alone (docs/rows.md)    PYTHON=python3.12  makes .venv
##   ENGINE=dask     a Dask cluster trains               SCHEDULER=tcp://host:8786  its address
##   PRECISION=float32  or bfloat16                      TORCH=cpu          set up without CUDA
##   LAB_OPTIONS=--allow-root  go to JupyterLab
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
export PY := .venv/bin/python
CALL := $(PYTHON) scripts/settings.py# reads the settings, which make hands on as they were typed
PYTEST := $(PY) -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder
export PYTHONUNBUFFERED := 1
unexport PYTHONDONTWRITEBYTECODE# what is imported is compiled once, not in every process anew
# Beside other programs two threads wait for each other, many times as long as one takes; JOBS= decides for trainings.
test reproduce lab: export OMP_WAIT_POLICY := passive
test reproduce publish: export OMP_NUM_THREADS := 1
lab: export OMP_NUM_THREADS ?= 1
.PHONY: help check setup data reproduce figures test test-all lab publish choose bench book clean

help: ## this page
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2} /^## / {text = text substr($$0, 4) "\n"} END {printf "%s", text}' Makefile
check: ## what is here and what to fix: versions, device, disk, data (20 s; no change)
	@[ -x $(PY) ] || { echo 'fix: there is no environment in .venv yet; call `make setup`'; exit 1; }
	@$(PY) -c 'import torch' || { echo 'fix: torch cannot be imported from .venv (see above); call `rm -rf .venv; make setup`'; exit 1; }
	@$(CALL) -m lab.cli check
setup: ## the locked environment in .venv (3 min, 6 GB with CUDA's libraries, 1 GB without)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python %d.%d is too old; give 3.11 or later, make PYTHON=python3.12" % sys.version_info[:2])'
	@$(CALL)
	@$(PYTHON) scripts/setup.py
data: setup ## CIFAR-10 and Imagenette into data/ (270 MB, once), or what DATA= names
	@$(CALL) data
reproduce: data ## train, run the notebooks, write report.html (half an hour on 2 cores; GPU: hours)
	@$(CALL) reproduce
figures: setup ## figures/, the tables and docs/rows.md again, from results/ (10 s)
	$(PY) -m lab.cli figures
test: setup ## lint, types, tests, the notebooks, one smoke training of each (7 min on 2 cores)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m codespell_lib
	$(PY) -m mypy
	$(PYTEST) -m "$(or $(TESTS),not slow or promise)"
	$(PYTEST) -p no:python --nbval --nbval-current-env --nbval-cell-timeout 300 notebooks
	rm -rf build/smoke
	PROFILE=smoke ROWS= SEEDS= BUDGET= ENGINE= $(CALL) reproduce
test-all: ## the same with every slow test (15 to 40 min)
	@$(MAKE) --no-print-directory test TESTS="slow or not slow"
lab: setup ## JupyterLab on notebooks/ (seconds; nothing is trained)
	$(CALL) -m jupyterlab --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate $(LAB_OPTIONS) notebooks
publish: data ## train the paper profile, publish all (Caffe net: days on 2 cores; others: months)
	@$(CALL) publish
choose: setup ## what the validation split chooses, into results/choices.json (10 s)
	$(PY) -m lab.cli choose
bench: setup ## the trainer's speed; leave the machine alone meanwhile (40 min)
	$(PYTHON) scripts/setup.py bench
	$(CALL) -m lab.bench
book: setup ## a web site of all this, from what is here, into build/book/ (1 min)
	$(PYTHON) scripts/setup.py book
	rm -rf build/book build/doctrees
	$(PY) -m sphinx --quiet --fail-on-warning --keep-going --conf-dir book --doctree-dir build/doctrees . build/book
	@echo "build/book/index.html"
clean: ## remove caches and build/smoke, never your runs in build/quick, laptop or paper
	rm -rf build/smoke build/published build/book build/doctrees build/jupyter_execute .pytest_cache .mypy_cache .ruff_cache *.egg-info
