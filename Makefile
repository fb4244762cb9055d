# Each target is a script of its own in scripts/, or one command. ARGS goes to it: make test ARGS="-k block -x"
PYTHON ?= python3
ARGS ?=
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help install run test check faults bench screenshots docs lock clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## Set up .venv with the locked requirements; afterwards .venv/bin/tallystick works
	@scripts/install

run: install ## Start Tallystick on http://127.0.0.1:8000 with its data in ./tallystick-data
	@.venv/bin/tallystick up $(ARGS)

test: ## Run the tests
	@scripts/test $(ARGS)

check: ## Lint, types, import directions, freshness of generated docs; names long modules
	@scripts/check

faults: ## Run the long tests: processes killed under load; all cases and examples, every pair of queue and store
	@scripts/install dev
	@scripts/servers
	@.venv/bin/python -m pytest -m faults tests/faults $(ARGS)
	@THOROUGH=1 .venv/bin/python -m pytest -n 2 tests/attack tests/conformance tests/unit/usersql/test_check.py tests/api/test_schemathesis.py $(ARGS)

bench: install ## Measure this machine: accepted and stored events per second, latencies, memory, bytes on disk
	@.venv/bin/tallystick bench $(ARGS)

screenshots: ## Take pictures of every page of the dashboard over demo data
	@scripts/install dev
	@scripts/servers
	@.venv/bin/python -m scripts.screenshots $(ARGS)

docs: ## Write the generated docs and the dashboard's API types again
	@scripts/install dev
	@.venv/bin/python -m scripts.configuration_doc
	@.venv/bin/python -m scripts.api_types

lock: ## Resolve requirements/runtime.lock and requirements/dev.lock anew
	@scripts/lock

clean: ## Remove .venv and everything that tools left; data stays
	rm -rf .venv build dist dashboard/node_modules src/tallystick/dashboard src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
