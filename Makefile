.DEFAULT_GOAL := help
.PHONY: help run test bench lint clean

PYTHON ?= python3
PORT ?= 8501
URL := http://127.0.0.1:$(PORT)
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.requirements
DEVELOPMENT := $(VENV)/.requirements-dev

help:  ## Show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)'; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(DEVELOPMENT): requirements.txt requirements-cluster.txt requirements-dev.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $(RUNTIME) $@

run: $(RUNTIME)  ## Set up and open the app on the bundled data (another port: make run PORT=8600)
	@(for attempt in $$(seq 60); do \
		sleep 1; \
		$(BIN)/python -c 'import urllib.request; urllib.request.urlopen("$(URL)/_stcore/health", timeout=1)' \
			2>/dev/null && exec $(BIN)/python -m webbrowser -t $(URL); \
	done) >/dev/null 2>&1 </dev/null &
	$(BIN)/python -m streamlit run app.py --server.port=$(PORT)

test: $(DEVELOPMENT)  ## Run the whole test suite, browser tests included where Chromium is found
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

bench: $(DEVELOPMENT)  ## Measure speed and memory against limits and peers
	$(BIN)/python -m benchmarks

lint: $(DEVELOPMENT)  ## Style, types, and the direction of imports
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

clean:  ## Remove the environment and every cache
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
