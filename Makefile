# The only front door. `make help` lists what is behind it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SEEDS ?= 200
WORLDS ?= 10000
# Two processors have work for three: much of what tests do is waiting for sockets and processes.
WORKERS ?= 3
UV ?= uv

# The newest interpreter that really starts (a shim may exist and still refuse) and is new enough.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; \
	done)

# The compiled parts (ADR 23): built where there is a C compiler, again when their source changes.
# PITWIRE_NATIVE=0 leaves them out.
PARTS := $(VENV)/.parts

# Another version of Python than the environment's, to hold what must not depend on it against it.
OTHER := .venv-other
ANOTHER ?= $(shell for p in python3.13 python3.12 python3.11 $$HOME/.pyenv/versions/3.1[123].*/bin/python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	[ "$$($$p -c 'import sys; print(*sys.version_info[:2])')" = \
	  "$$($(BIN)/python -c 'import sys; print(*sys.version_info[:2])' 2>/dev/null)" ] || { echo $$p; break; }; \
	done)

# A stranger that needs other versions than ours has an environment of its own.
NAUTILUS := .venv-nautilus

.PHONY: help install demo board test check soak bench native conformance fuzz lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.dev $(PARTS) ## the virtual environment with everything for tests and checks

demo: $(VENV)/.run $(PARTS) ## a market, a desk and a cut connection on this machine, nothing else needed
	$(BIN)/pitwire demo

board: $(VENV)/.board $(PARTS) ## the demonstration with its live page, until Ctrl-C
	$(BIN)/pitwire demo --board --stay

# Compiled once, and not again by each process that a test starts.
test: $(VENV)/.dev $(OTHER)/.run $(NAUTILUS)/.run ## every test but the long ones
	$(BIN)/python -m compileall -q src
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --second-look 3 $(ARGS)

check: $(VENV)/.dev ## lint, format, types, import contracts, house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict src
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_house_rules.py

soak: $(VENV)/.dev $(OTHER)/.run ## desks over many seeds and scripts (SEEDS=200), sessions in drawn worlds (WORLDS=10000)
	SEEDS=$(SEEDS) WORLDS=$(WORLDS) $(BIN)/python -m pytest -m soak --timeout 0 -n $(WORKERS) $(ARGS)

bench: $(VENV)/.dev $(PARTS) ## every claim of speed, measured here
	$(BIN)/python -m bench $(ARGS)

native: $(VENV)/.run ## the compiled parts anew, and an error where they cannot be; nothing needs them
	$(BIN)/python hatch_build.py

conformance: $(VENV)/.dev ## RFC 6455 judged by the Autobahn suite, where a Python 2.7 is (PYTHON27=path)
	$(BIN)/python -m conformance $(if $(PYTHON27),--python $(PYTHON27)) $(ARGS)

fuzz: $(VENV)/.dev ## every decoder against mutated frames
	$(BIN)/python -m fuzz $(ARGS)

lock: ## pin every dependency again, by hash (needs uv)
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--extra fast pyproject.toml requirements/build.in -o requirements/run.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--extra dev pyproject.toml requirements/build.in -c requirements/run.txt -o requirements/dev.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		requirements/board.in -c requirements/dev.txt -o requirements/board.txt
	$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		requirements/nautilus.in -o requirements/nautilus.txt

clean: ## everything that was built, the virtual environment included
	rm -rf $(VENV) $(OTHER) $(NAUTILUS) build dist .coverage htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache \
		.import_linter_cache src/*.egg-info
	find src -name "_*.so" -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "pitwire needs Python 3.11 or newer" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/run.txt pyproject.toml | $(BIN)/python
	$(PIP) --require-hashes --requirement requirements/run.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.board: requirements/board.txt $(VENV)/.run
	$(PIP) --require-hashes --requirement requirements/board.txt
	@touch $@

$(PARTS): hatch_build.py $(wildcard src/pitwire/*/_*.c src/pitwire/*/*/_*.c) $(VENV)/.run
	@$(BIN)/python hatch_build.py --if-possible
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run | $(BIN)/python
	$(PIP) --require-hashes --requirement requirements/dev.txt
	@touch $@

$(OTHER)/.run: requirements/run.txt | $(VENV)/.dev
	@if [ -z "$(ANOTHER)" ]; then \
		echo "only one Python here: replays are compared between hash seeds alone"; \
	else \
		$(ANOTHER) -m venv $(OTHER) && $(OTHER)/bin/python -m pip install --quiet \
			--disable-pip-version-check --require-hashes --requirement requirements/run.txt \
		&& touch $@ || { rm -rf $(OTHER); echo "$(ANOTHER) cannot be used: replays are compared between hash seeds alone"; }; \
	fi

$(NAUTILUS)/.run: requirements/nautilus.txt | $(VENV)/.dev
	@$(BIN)/python -m venv $(NAUTILUS) && $(NAUTILUS)/bin/python -m pip install --quiet \
		--disable-pip-version-check --require-hashes --requirement $< && touch $@ \
		|| { rm -rf $(NAUTILUS); echo "nautilus_trader cannot be had: its tests will be skipped"; }
