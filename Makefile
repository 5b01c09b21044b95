# Every target makes or updates .venv by itself; nothing has to be installed first but Python 3.11+ and make.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made-from-pyproject-and-constraints
PORT ?= 3000
# threads that wait spin by default: on a machine with other work an epoch took up to ten times as long
export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
.PHONY: help demo ui test test-all check format bench clean

help: ## these lines
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: $(STAMP) ## the whole way on a sample corpus, in ./demo; a second time does no work
	@$(BIN)/python -W ignore -m crescendai_assets.sample.demo demo

ui: $(STAMP) ## the Dagster UI on your own data (DEMO=1: on the demo's; PORT=3000)
ifdef DEMO
	@test -f demo/env || { echo "there is no demo yet: run 'make demo' first"; exit 1; }
	@set -a; . demo/env; set +a; \
		exec $(BIN)/python -W ignore -m crescendai_assets.sample.site demo/videos -- $(BIN)/dagster dev -w workspace.yaml -p $(PORT)
else
	@DAGSTER_HOME="$(CURDIR)" exec $(BIN)/dagster dev -w workspace.yaml -p $(PORT)
endif

test: $(STAMP) ## fast tests
	@$(BIN)/pytest -n 2

test-all: $(STAMP) ## fast and slow tests
	@$(BIN)/pytest -n 2 -m ''

check: $(STAMP) ## format, lint, types, import contracts, definitions
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/dg check defs

format: $(STAMP) ## write the code in its format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(STAMP) ## the ratios of the README, measured side by side
	@$(BIN)/python -W ignore -m crescendai_assets.bench

clean: ## remove .venv and the demo; your data stays
	@rm -rf $(VENV) demo

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed and was not found; set PYTHON=/path/to/python3"; exit 1; }
	@echo "making $(VENV) with $(PYTHON) (some 6 GB and a few minutes the first time)"
	@if command -v uv >/dev/null 2>&1; then \
		{ test -x $(BIN)/python || uv venv -q --python "$(PYTHON)" $(VENV); } && \
		uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[dev]'; \
	else \
		{ test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV); } && \
		$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'; \
	fi
	@touch $@
