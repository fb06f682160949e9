# Each target is one command that a person could type.
# The first Python that fits; else python3, which says what is needed.
PYTHON ?= $(shell for name in python3.11 python3 python3.14 python3.13 python3.12; do \
	$$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null && break; \
	name=python3; done; echo $$name)
BIN := .venv/bin
PIN := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
	--no-emit-find-links --no-emit-index-url --no-emit-package credit-flow-acceptance --upgrade
# What the shell sets for another project must not reach this one's Python. Without bytecode each of the many processes
# of a run would compile every module anew.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV PYTHONDONTWRITEBYTECODE

FAULT ?=
FULL ?=
DRY_RUN ?=
# Half of the time tests wait, so that a small machine's two cores have room for more workers than there are cores.
WORKERS ?= 4

.PHONY: acceptance check test-without-sandbox test bench away mutation faults setup setup-tests lint sandbox sandbox-stop report doctor sweep pins clean

acceptance: ## install what is missing, start a sandbox or take the named deployment, run every feature, draw the report
	@started=$$(date +%s) && $(PYTHON) bootstrap.py && $(BIN)/behave -D report=yes -D started=$$started

check: ## what a changed line has to pass: style, types, the features' rules, every test that needs no sandbox
	@$(PYTHON) bootstrap.py --tests --no-sandbox
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=line lint test-without-sandbox

test-without-sandbox:
	$(BIN)/python -m pytest -n $(WORKERS) -m "not sandbox" --ignore=tests/fuzz/test_reference.py -p no:schemathesis

test: setup-tests lint ## the suite's own tests, all of them
	$(BIN)/python -m pytest -n $(WORKERS)

bench: setup-tests ## what the suite's own work costs, as ratios of two costs
	$(BIN)/python tests/bench.py

away: setup-tests ## each of the seven services failing in each of seven ways, before a run and during one, as a table
	AWAY=all $(BIN)/python -m pytest tests/away

mutation: setup-tests ## every place of the modules that judge, changed: which change does no test of theirs notice?
	$(BIN)/python tests/mutation.py

setup: ## install what the features need
	@$(PYTHON) bootstrap.py

setup-tests: ## install what the suite's own tests need
	@$(PYTHON) bootstrap.py --tests

lint: ## style, types and the features' own rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/lint-imports --cache-dir .mypy_cache/imports
	$(BIN)/mypy
	$(BIN)/python -m creditflow.run.feature_lint

sandbox: setup ## start the sandbox and keep it
	$(BIN)/python -m sandbox up --keep

sandbox-stop: ## end the sandbox that is kept
	$(BIN)/python -m sandbox down

report: setup ## draw the report of the last run
	$(BIN)/python -m creditflow.reporting.html

doctor: setup ## every service of the target: address, up or down, version, what to try next
	@$(BIN)/python -m creditflow doctor

sweep: setup ## remove what earlier runs left on the target (DRY_RUN=yes: only say what)
	@$(BIN)/python -m creditflow sweep $(if $(DRY_RUN),--dry-run)

faults: setup ## deliberate defects, one after the other (FAULT=name: that one; FULL=yes: all features with each)
	@$(BIN)/python -m sandbox.faults run $(FAULT) $(if $(FULL),--full)

pins: ## pin again what the named packages need themselves, after a change of a requirements file
	: > constraints.txt # the requirements refer to it
	$(PIN) requirements.txt tests/requirements.txt -o constraints.txt
	$(PIN) sandbox/litellm/requirements.txt -o sandbox/litellm/constraints.txt

clean: ## remove everything that was installed or made
	-$(BIN)/python -m sandbox down
	rm -rf .venv .sandbox allure-report allure-results/*
