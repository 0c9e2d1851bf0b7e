# timelift: `make bench` measures and ends in a report; `make test` proves that it may be trusted;
# `make help` has the others.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin

#: What the tests try the strategies on beside TensorFlow; empty leaves those tests out.
BACKENDS ?= jax,torch

#: Three processes, since many tests wait (tests/conftest.py); `alone` is what races two sides.
SIDE_BY_SIDE := -n 3 --no-loadscope-reorder

#: Half of what starting Python costs is compiling what it imports, and tests start it often.
test test-all: export PYTHONDONTWRITEBYTECODE =

.PHONY: bench quick test test-all test-gpu mutate versions docs lint wheel setup backends runtimes browser clean help

bench: setup  ## measure the default grid and write the report
	@$(RUN)/pytest bench/ --report

quick: setup  ## the same on a small grid
	@$(RUN)/pytest bench/test_forward.py bench/test_backward.py --workloads tokens \
		--seq-lens 10 --batch-sizes 8 --launches 2 --report

test: setup backends lint browser  ## lint, types and tests, in minutes
	@$(RUN)/pytest $(SIDE_BY_SIDE) --dist loadfile
	@$(RUN)/pytest -m "alone and not whole" $$(grep -l 'mark\.alone' tests/*.py)

test-all: setup backends runtimes $(VENV)/site lint browser  ## the same with every cell of the law and every study
	@$(RUN)/pytest $(SIDE_BY_SIDE) --dist loadgroup -m "not alone"
	@$(RUN)/pytest -m alone $$(grep -l 'mark\.alone' tests/*.py)

test-gpu: setup backends  ## the tests that need a GPU
	@$(RUN)/pytest tests/gpu -m gpu -rs

#: The room of timelift/ that `make mutate` tries the tests of, and where its sample starts.
ROOM ?= analyse
SEED ?= 0

mutate: setup $(VENV)/tools  ## mutants of a room, and how many its tests see: make mutate ROOM=analyse
	@$(RUN)/python -m studies.mutants --room $(ROOM) --seed $(SEED)

versions: setup $(VENV)/tools  ## old and new versions of Python and of what timelift needs: half an hour, 13 GB
	@$(RUN)/nox

docs: setup $(VENV)/site docs/sample/report/index.html  ## the site of docs/, in site/; a broken link fails
	@$(RUN)/sphinx-build -q -W -n -c docs . site
	@echo "timelift: open site/index.html"

#: A report of this machine, as it is; a minute.
docs/sample/report/index.html: | $(VENV)/ready
	@rm -rf docs/sample
	@$(RUN)/timelift bench test_forward.py --workloads frames,sentences --seq-lens 8,16 --batch-sizes 8 \
		--launches 3 --results docs/sample/results
	@$(RUN)/timelift report docs/sample/results --output docs/sample/report

lint: setup  ## ruff and mypy alone
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .
	@$(RUN)/mypy

wheel: setup  ## the package as it is installed elsewhere, in dist/
	@rm -rf dist
	@$(RUN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	@ls -sh dist/*.whl

browser:  ## a browser for the tests of the report's page, where this user may install one
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
		command -v chrome >/dev/null || \
		{ [ "$$(id -u)" = 0 ] && { apt-get -qq update && apt-get -qq install -y chromium; } >/dev/null 2>&1; } || \
		echo "timelift: there is no Chromium, so the report's page is not tried in a browser; on Debian: apt-get install chromium"

setup: $(VENV)/ready  ## the environment alone, in .venv/

backends: $(if $(BACKENDS),$(VENV)/backends)

$(VENV)/backends: $(VENV)/ready
	@echo "timelift: installing $(BACKENDS) for the tests (without: make test BACKENDS=)"
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(BACKENDS)]'
	@touch $@

runtimes: $(VENV)/runtimes

$(VENV)/runtimes: $(VENV)/ready
	@echo "timelift: installing the runtimes of served models for the tests"
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[runtimes]'
	@touch $@

$(VENV)/site: $(VENV)/ready
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@touch $@

$(VENV)/tools: $(VENV)/ready
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[tools]'
	@touch $@

$(VENV)/ready: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "timelift needs Python 3.11 or newer, and $(PYTHON) is not installed; on Debian: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "timelift needs Python 3.11 or newer, and $(PYTHON) is older; name another with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "timelift needs Python's venv module, which Debian packages apart; run: apt-get install python3-venv"; exit 1; }
	@echo "timelift: installing into $(VENV) (about a minute)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:  ## remove the environment, caches and the wheel
	rm -rf $(VENV) dist site docs/sample .pytest_cache .mypy_cache .ruff_cache *.egg-info

help:  ## this list
	@awk -F ':.*  ## ' '/^[a-z]/ && NF == 2 { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
