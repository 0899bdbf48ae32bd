# Two commands do everything on a fresh machine: make demo, make test.
#
#   PYTHON=...      interpreter that .venv is made with, where no environment is active
#   MAX_JOBS=...    parallel compiler jobs (default: the number of cores)
#   DEMO_ARGS=...   arguments of tools/demo.py, tools/demo_ovis.py or tools/demo_cmpl.py
#   TEST_ARGS=...   arguments of pytest (make test, make sanitize)

SHELL := /bin/bash
.DEFAULT_GOAL := help

# Asked each time, because the first 'make install' may make the environment.
PY = $(shell requirements/python.sh)

.PHONY: help install install-ovis install-tests install-docs demo demo-ovis demo-cmpl test lint sanitize docs clean

help: ## Print this help
	@echo 'usage: make TARGET [DEMO_ARGS=...] [TEST_ARGS=...] [PYTHON=...] [MAX_JOBS=...]'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## Install the project (active environment, or .venv)
	@requirements/install.sh

install-ovis: ## Install the project and what vision-language models need
	@requirements/install.sh ovis

install-tests: ## Install the project and what the tests need
	@requirements/install.sh tests

install-docs: ## Install the project and what the documentation needs
	@requirements/install.sh docs

demo: install ## Train, extract and compare on OpenShapes, from nothing to the table
	$(PY) tools/demo.py $(DEMO_ARGS)

demo-ovis: install-ovis ## Learn words from captions on OpenShapes, from nothing to the tables
	$(PY) tools/demo_ovis.py $(DEMO_ARGS)

demo-cmpl: install ## Learn words from a teacher on OpenShapes, from nothing to the table
	$(PY) tools/demo_cmpl.py $(DEMO_ARGS)

test: install-tests ## Run the tests
	$(PY) -m pytest $(TEST_ARGS)

lint: install-tests ## Check style and formatting
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

sanitize: install-tests ## Run the tests of pa_lib on kernels that check every access
	PYTHON=$(PY) .ci/sanitize

docs: install-docs ## Build the documentation into docs/_build/html
	$(PY) -m sphinx -W --keep-going -b html docs docs/_build/html

clean: ## Remove what was built in the tree (neither .venv nor work_dirs)
	rm -rf build dist docs/_build .pytest_cache .ruff_cache .hypothesis
	find mmdet_ovis pa_lib tools tests configs docs requirements \
	    -type d -name __pycache__ -prune -exec rm -rf {} +
	find pa_lib -type f \( -name '*.so' -o -name '*.c' -o -name '*.cpp' \) -delete
