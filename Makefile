# Each target is a script of its own in scripts/, or one command. ARGS goes to it: make test ARGS="-k block -x"
PYTHON ?= python3
ARGS ?=
SERVERS ?= install
export PYTHON SERVERS

.DEFAULT_GOAL := help
.PHONY: help install run test check faults faults-soak fresh bench screenshots docs lock clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## Set up .venv with the locked requirements; afterwards .venv/bin/tallystick works
	@scripts/install

run: install ## Start Tallystick on http://127.0.0.1:8000 with its data in ./tallystick-data
	@.venv/bin/tallystick up $(ARGS)

test: ## Run the tests; as root it installs the servers they start, unless SERVERS=skip
	@scripts/test $(ARGS)

check: ## Lint, types, import directions, freshness of generated docs; names long modules
	@scripts/check

faults: ## Run the long tests: processes killed under load; all cases and examples, every pair of queue and store; bare systems
	@scripts/install dev
	@scripts/install fuzz
	@scripts/servers
	@THOROUGH=1 .venv/bin/python -m pytest -p tests.faults.matrix.plugin tests/faults tests/simulation tests/fuzz $(ARGS)
	@THOROUGH=1 .venv/bin/python -m pytest -p tests.faults.matrix.plugin -n 2 tests/unit/queue/test_sqlite_fsync.py tests/attack tests/conformance tests/outside tests/unit/usersql/test_check.py tests/api tests/browser tests/docs/test_install_snippets.py $(ARGS)
	@scripts/fresh || [ $$? = 77 ] # 77: this machine may not build a bare Debian, which it says

faults-soak: ## An hour under load with a fault every 20 s; a report with a picture in build/soak. ARGS="--help" lists servers
	@scripts/install dev
	@scripts/servers
	@.venv/bin/python -m tests.faults.soak $(ARGS)

fresh: ## Try `make run` and `make test` on bare Debian systems, built in a folder and removed again (as root)
	@scripts/fresh $(ARGS)

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

lock: ## Resolve the lock files anew; what fits stays as it is. ARGS="--upgrade" takes newest versions
	@scripts/lock $(ARGS)

clean: ## Remove .venv and everything that tools left; data stays
	rm -rf .venv build dist dashboard/node_modules src/tallystick/dashboard src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
