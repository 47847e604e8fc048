# `make` lists the targets. Everything happens in .venv and build/; `make clean` removes both.
# A fresh Debian 12 with git, make and python3 is enough: what else is needed is installed, or named in one line.

SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNNING = $(BIN)/python
# Only what a lock file names, only with the hash it names, and never a build from source: nothing unpinned is fetched.
# --no-deps: the locks are complete, and pip before 23.3 takes a dependency on `coverage[toml]` for another, unpinned package.
LOCKED = $(RUNNING) -m pip --disable-pip-version-check --no-input install --quiet --require-hashes --no-deps --only-binary=:all:

EXAMPLE := examples/frozen-5.10.log.xz
REPORT := build/demo.html
PYTEST_ARGS ?=
FUZZ_SECONDS ?= 60
BENCH_ARGS ?=

.PHONY: help demo test coverage lint format hooks docs fuzz bench build lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.runtime ## diagnose the example log and write the report as a page
	@mkdir -p $(dir $(REPORT))
	$(BIN)/unkillable diagnose $(EXAMPLE) --html $(REPORT)
	@echo "The report: $(CURDIR)/$(REPORT)"

test: $(VENV)/.dev $(VENV)/.debian ## run the tests, with the Debian packages they use; PYTEST_ARGS='-k klog' picks some
	$(RUNNING) -m pytest $(PYTEST_ARGS)

coverage: $(VENV)/.dev $(VENV)/.debian ## run the tests and show the lines they miss
	$(RUNNING) -m pytest --cov --cov-report=term-missing $(PYTEST_ARGS)

lint: $(VENV)/.dev ## check style, types and which room imports which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.dev ## rewrite the sources in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

hooks: $(VENV)/.dev ## run the quick checks before every commit
	$(BIN)/pre-commit install

docs: $(VENV)/.dev ## run the examples of README.md and docs/ and write what they print now; then look at the difference
	$(RUNNING) scripts/update_docs.py

fuzz: $(VENV)/.dev ## run tests/fuzz/fuzz_*.py for FUZZ_SECONDS each
	@if ! $(LOCKED) -r requirements/fuzz.txt || ! $(RUNNING) -c 'import atheris'; then \
	    echo "make fuzz: skipped: atheris has no wheel for this Python and processor (it wants Linux on x86_64)"; exit 0; \
	fi; \
	set -- tests/fuzz/fuzz_*.py; \
	for target do \
	    corpus=build/fuzz/$$(basename "$$target" .py); mkdir -p "$$corpus"; \
	    echo "== $$target, $(FUZZ_SECONDS) s"; \
	    $(RUNNING) "$$target" -max_total_time=$(FUZZ_SECONDS) -artifact_prefix="$$corpus." "$$corpus" || exit 1; \
	done

bench: $(VENV)/.dev ## measure how fast large logs are read (20 minutes, 1 GB in the temporary directory); BENCH_ARGS=--quick for less
	$(RUNNING) -m benchmarks $(BENCH_ARGS)

build: $(VENV)/.dev ## build the source archive and the wheel into build/dist
	$(RUNNING) -m build --no-isolation --outdir build/dist

# Pins stay as they are unless pyproject.toml rules them out; `make lock UPGRADE=--upgrade` takes the newest.
COMPILE = $(BIN)/uv --no-config pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
    --only-binary :all: $(UPGRADE)
lock: $(VENV)/.made ## write requirements/*.txt anew from pyproject.toml; UPGRADE=--upgrade for the newest
	@$(LOCKED) -r requirements/lock.txt
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) --group package -c requirements/runtime.txt -o requirements/package.txt
	$(COMPILE) pyproject.toml --extra drgn --extra fleet --extra lab --extra source --extra web --extra zig --group dev -c requirements/runtime.txt -c requirements/package.txt \
	    -o requirements/dev.txt
	$(COMPILE) --group fuzz -c requirements/dev.txt -o requirements/fuzz.txt
	$(COMPILE) --group lock -o requirements/lock.txt

clean: ## remove .venv, build/ and caches
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@tools/make-venv $(PYTHON) $(VENV)
	@touch $@

# The package itself is installed in place: a change under src/ needs no second install.
$(VENV)/.runtime: $(VENV)/.made requirements/runtime.txt requirements/package.txt pyproject.toml src/unkillable/__init__.py
	@echo "Installing the pinned packages into $(VENV)"
	@$(LOCKED) -r requirements/runtime.txt -r requirements/package.txt
	@$(RUNNING) -m pip --disable-pip-version-check --no-input install --quiet --no-index --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	@echo "Installing the pinned tools for tests and checks into $(VENV)"
	@$(LOCKED) -r requirements/dev.txt
	@touch $@

# Without these some tests skip, and say so; that is no reason to run none.
$(VENV)/.debian: packages.debian.txt | $(VENV)/.made
	@if tools/debian-packages $$(sed 's/#.*//' packages.debian.txt); then touch $@; else \
	    echo "make: going on without them; the tests that need them will skip"; fi
