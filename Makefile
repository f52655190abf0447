# Everything a developer needs. Each target sets up what it needs by itself; `make help` lists them.

# Python 3.11 or newer. If this one is missing, python3 is taken if it is new enough.
PYTHON ?= python3.11
export PYTHON

# The Airflow release that we work with; tools/releases.py lists all that we support.
AIRFLOW := 3.3.2
OLDEST_AIRFLOW := 2.11.2

VENV := .venv
OLDEST_VENV := .venv-2.11
DOCS_VENV := .venv-docs
PRODUCTION_VENV := .venv-production
RUN := $(VENV)/bin/python -m
SHELL := bash

# What mypy checks. Not the example DAGs: Airflow's own types do not know that `operator.output["key"]` works.
TYPED := airflow_provider_theeye tools

.DEFAULT_GOAL := help
# Targets share the virtual environment and the machine: one at a time, also with -j.
.NOTPARALLEL:
.PHONY: help venv venv-oldest docs-venv docs demo ui screenshots lint test test-slow test-all test-oldest test-production production-venv conformance faults matrix matrix-quick dist bench constraints clean

help: ## show this list
	@echo "make demo runs an example against a TheEye on this machine. All targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: ## set up .venv: Airflow, this package, the tools
	@tools/make_venv.sh $(VENV) constraints/airflow-$(AIRFLOW).txt sandbox,test,openlineage

venv-oldest:
	@tools/make_venv.sh $(OLDEST_VENV) constraints/airflow-$(OLDEST_AIRFLOW).txt

docs-venv: venv
	@tools/make_docs_venv.sh $(DOCS_VENV) $(VENV) constraints/docs.txt

production-venv:
	@tools/make_venv.sh $(PRODUCTION_VENV) constraints/production.txt production

docs: docs-venv ## build the documentation into docs/_build/html
	@$(DOCS_VENV)/bin/python -m sphinx -q -W --keep-going -n -b html docs docs/_build/html
	@echo "open docs/_build/html/index.html"

demo: venv ## run the example DAGs through real Airflow and show what happened
	@$(RUN) tools.demo

ui: venv ## Airflow's web pages with the example DAGs and the sandbox, until Ctrl-C
	@$(RUN) tools.ui

screenshots: venv ## take the documentation's pictures of Airflow's web pages anew (needs Chromium)
	@$(RUN) tools.screenshots

lint: venv ## ruff and mypy --strict alone
	@echo "ruff, mypy --strict ..."
	@$(RUN) ruff check --quiet .
	@$(RUN) ruff format --quiet --diff .
	@$(RUN) mypy --strict --no-error-summary $(addprefix -p ,$(TYPED))

# Tests wait more than they compute. Those of a file stay in one process: they share what takes long to start.
PARALLEL ?= -n 4 --dist loadfile

# Which tests `make test` runs; "not slow and not system" leaves out those that start a whole Airflow.
MARKS ?= not slow

test: lint docs-venv ## ruff, mypy, then all tests but the slow ones
	@$(RUN) pytest -q $(PARALLEL) -m "$(MARKS)"

# pytest's status 5 says that no test is marked slow, which is no failure.
test-slow: docs-venv
	@$(RUN) pytest -q -m slow || [ $$? -eq 5 ]

test-all: conformance test-slow test ## make test, and before it conformance and the slow tests

# What touches Airflow, by real sockets; `make matrix` runs more, on more releases, against the built wheel.
test-oldest: venv-oldest ## the unit tests on the oldest Airflow that we support
	@$(OLDEST_VENV)/bin/python -m pytest -q $(PARALLEL) -m "not slow and not system" \
		tests/hooks tests/jobs tests/operators tests/provider tests/sensors tests/triggers

# Rows and options as tests/production knows them: make test-production ROWS="--rows 5,6"
test-production: production-venv ## PostgreSQL, Celery, two of each part: 108 tasks wait while parts fail; half an hour
	@$(PRODUCTION_VENV)/bin/python -m tests.production $(ROWS)

faults: venv ## disturb every kind of run at every point, with processes that are really killed
	@$(RUN) tests.faults

conformance: venv ## ask the sandbox what was asked of the real server, and compare
	@$(RUN) tools.conformance

# Rows and options as tools/matrix.py knows them: make matrix ROWS="3.0.6 lowest"
matrix: venv ## the built wheel on every Airflow and Python that we support
	@$(RUN) tools.matrix $(ROWS)

# Without the tests that start a whole Airflow.
matrix-quick: venv ## the built wheel on two old Airflows, in part
	@$(RUN) tools.matrix --quick $(ROWS)

dist: venv ## wheel and source distribution into dist/, the same bytes each time
	@$(RUN) tools.dist

constraints: venv ## make constraints/ anew from today's releases
	@$(RUN) tools.make_constraints

bench: venv ## measure what waiting, one job and parsing cost; half an hour on a machine with nothing else to do
	@$(RUN) benchmarks.waiting --all
	@$(RUN) benchmarks.triggerer
	@$(RUN) benchmarks.one_job
	@$(RUN) benchmarks.parse
	@$(RUN) benchmarks.sandbox

clean: ## remove what the other targets made
	@rm -rf .venv .venv-* .run dist build docs/_build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
