.DEFAULT_GOAL := help
.PHONY: help run test test-browser check coverage faults kills bench lint size clean

PYTHON ?= python3
PORT ?= 8501
URL := http://127.0.0.1:$(PORT)
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.requirements
DEVELOPMENT := $(VENV)/.requirements-dev
# Two workers share two cores, and the processes that tests start find the modules compiled.
TESTING := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=

help:  ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

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

test: $(DEVELOPMENT)  ## Run every test that needs no browser
	$(TESTING) $(BIN)/python -m pytest --ignore=tests/journeys -n 2 --dist loadfile

test-browser: $(DEVELOPMENT)  ## Walk through the app in headless Chromium
	$(TESTING) $(BIN)/python -m pytest tests/journeys

check: $(DEVELOPMENT)  ## Check style and run the tests that the changes against main can break
	$(BIN)/python -m ruff check .
	@affected=$$($(BIN)/python -m tests.affected) && if [ -n "$$affected" ]; then \
		$(TESTING) $(BIN)/python -m pytest $$affected; else echo 'No test is affected.'; fi

coverage: $(DEVELOPMENT)  ## Line and branch coverage of the library and the pages, child processes included
	rm -f .coverage*
	-$(TESTING) $(BIN)/python -m coverage run -m pytest --ignore=tests/journeys -n 2 --dist loadfile
	-$(TESTING) $(BIN)/python -m coverage run -m pytest tests/journeys
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

faults: $(DEVELOPMENT)  ## Put seeded faults into copies of the project and see that the tests catch each
	$(BIN)/python -m tests.faults

kills: $(DEVELOPMENT)  ## Kill runs of every kind at random moments and see that they go on (half an hour)
	$(TESTING) $(BIN)/python -m tests.kills

bench: $(DEVELOPMENT)  ## Measure speed and memory against limits and peers
	$(BIN)/python -m benchmarks

lint: $(DEVELOPMENT)  ## Style, types and dead code
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m vulture

size: $(BIN)/python  ## Count the statements outside tests and benchmarks
	@$(BIN)/python -c 'import ast, pathlib; print(sum(isinstance(node, ast.stmt) for path in pathlib.Path().glob("**/*.py") \
		if path.parts[0] in ("app.py", "pages", "ecnas_core") for node in ast.walk(ast.parse(path.read_text()))))'

clean:  ## Remove the environment and every cache
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
