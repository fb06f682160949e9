# Each target is one command that a person could type.
# The first supported Python; else python3, which prints what is needed.
PYTHON ?= $(shell for name in python3.11 python3 python3.14 python3.13 python3.12; do \
	$$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null && break; \
	name=python3; done; echo $$name)
BIN := .venv/bin
PIN := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	--no-emit-find-links --no-emit-index-url --no-emit-package credit-flow-acceptance --upgrade
# Settings of the shell for other projects must not reach this one's Python. Without bytecode every process of a run
# would compile every module again.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV PYTHONDONTWRITEBYTECODE

FAULT ?=
FULL ?=
USERS ?=
TIME ?=
DRY_RUN ?=
FORMAT ?=
# Tests wait half of the time, so a small machine has room for more workers than cores.
WORKERS ?= 4
RUNS ?= 1
MINUTES ?= 10
SEED ?=
FOCUS ?=

.PHONY: acceptance qualities check test-without-sandbox test bench performance load explore resilience away mutation faults setup setup-tests lint sandbox sandbox-stop report scenarios doctor sweep pins clean

acceptance: ## install what is missing, start a sandbox or use the named deployment, run all features, draw the report
	@started=$$(date +%s) && $(PYTHON) bootstrap.py && $(BIN)/behave -D report=yes -D started=$$started

check: ## style, types, the features' rules, and the tests without a sandbox: run it after each change
	@$(PYTHON) bootstrap.py --tests --no-sandbox
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=line lint test-without-sandbox

test-without-sandbox:
	$(BIN)/python -m pytest -n $(WORKERS) -m "not sandbox" --ignore=tests/fuzz/test_reference.py -p no:schemathesis

test: setup-tests lint ## all tests of the suite itself
	-$(BIN)/python -m creditflow.checks.change_points
	-$(BIN)/python tests/reporting/browser.py
	$(BIN)/python -m pytest -n $(WORKERS)

qualities: setup ## only performance, load, resilience and speed over time
	$(BIN)/behave -D report=yes --tags=@qualities

bench: setup-tests ## benchmark the suite's own work, as ratios of two times
	$(BIN)/python tests/bench.py

performance: setup ## run the performance features (RUNS=n: so often), and print the medians with their spread
	@$(BIN)/python -m creditflow.run.performance_runs $(RUNS)

away: setup-tests ## a table of runs with each of the seven services failing in each of seven ways, before and during a run
	AWAY=all $(BIN)/python -m pytest tests/away

mutation: setup-tests ## mutation tests of the modules with checks: which changes does no test notice?
	$(BIN)/python tests/mutation.py

setup: ## install what the features need
	@$(PYTHON) bootstrap.py

setup-tests: ## install what the suite's own tests need
	@$(PYTHON) bootstrap.py --tests

lint: ## style, types and the features' rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/lint-imports --cache-dir .mypy_cache/imports
	$(BIN)/mypy
	$(BIN)/python -m creditflow.run.feature_lint

sandbox: setup ## start the sandbox and keep it running
	$(BIN)/python -m sandbox up --keep

sandbox-stop: ## stop the sandbox
	$(BIN)/python -m sandbox down

report: setup ## make the reports of the last run again (FORMAT=json, markdown or github: print it)
	@$(BIN)/python -m creditflow.run.reports $(FORMAT)

scenarios: setup ## write docs/scenarios.md, the table of contents of the features
	@$(BIN)/python -m creditflow.run.contents

doctor: setup ## show every service of the target: address, state, version, what to try next
	@$(BIN)/python -m creditflow doctor

sweep: setup ## remove what earlier runs left on the target (DRY_RUN=yes: only show it)
	@$(BIN)/python -m creditflow sweep $(if $(DRY_RUN),--dry-run)

faults: setup ## run with each deliberate fault (FAULT=name: only this one; FULL=yes: all features with each)
	@$(BIN)/python -m sandbox.faults run $(FAULT) $(if $(FULL),--full)

load: setup ## a load test by hand: USERS=500 TIME=5m WORKERS=4
	$(BIN)/behave -D opt_in=yes -D report=yes -D load_users=$(or $(USERS),100) -D load_time=$(or $(TIME),30s) \
		-D load_workers=$(if $(filter command line,$(origin WORKERS)),$(WORKERS),1) \
		-D step_timeout_s=86400 -D scenario_timeout_s=86400 -D run_timeout_s=86400 \
		--tags="@N3 and @opt-in" features/qualities/2_load.feature

explore: setup ## random histories: MINUTES=10, SEED=4711 (SEED=4711/17: only its history 17), FOCUS=quota
	@$(BIN)/behave -D opt_in=yes -D report=yes -D explore_minutes=$(MINUTES) -D explore_seed=$(SEED) \
		-D explore_focus=$(FOCUS) -D step_timeout_s=86400 -D scenario_timeout_s=86400 -D run_timeout_s=86400 \
		--tags=@opt-in features/qualities/5_random_histories.feature

resilience: setup ## let every service fail in every way while users work, and show what they notice
	$(BIN)/behave -D opt_in=yes -D report=yes --tags=@N4

pins: ## pin all dependencies again, after a change of a requirements file
	: > constraints.txt # the requirements refer to it
	$(PIN) requirements.txt tests/requirements.txt -o constraints.txt
	$(PIN) sandbox/litellm/requirements.txt -o sandbox/litellm/constraints.txt

clean: ## remove everything that was installed or generated
	-$(BIN)/python -m sandbox down
	rm -rf .venv .sandbox allure-report allure-results/*
