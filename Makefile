# Everything a user or CI needs. `make` alone prints this list.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Pinned here, because it installs everything else from requirements.lock.
UV := uv==0.13.9

export DAGSTER_HOME := $(CURDIR)

.PHONY: help install run dev test lint types unit audit screenshots bench docs lock dist stop clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s'|'

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Order Assets needs Python 3.11 or newer; try: make PYTHON=python3.12"; exit 2; }
	@echo "Installing into $(VENV) (once, and whenever requirements.lock changes) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --quiet --disable-pip-version-check install '$(UV)' 2> >(grep -v '^WARNING: Location' >&2)
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

install: $(STAMP)  ## virtual environment with the locked dependencies

run: $(STAMP)  ## the main job: crawl every account, build facts and summaries, print verdicts and revenue
	@$(BIN)/order-assets run

dev: $(STAMP)  ## Dagster UI and daemon on http://127.0.0.1:3000 over the same data
	@$(BIN)/order-assets dev

test: lint types unit  ## lint, types, the whole test suite

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

unit: $(STAMP)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

audit: $(STAMP)  ## known vulnerabilities of the locked dependencies; needs PyPI's advisories, and says so without them
	@$(BIN)/python .ci/audit.py

screenshots: $(STAMP)  ## take the pictures of the documentation anew, by the browser tests; needs chromium
	ORDER_ASSETS_SCREENSHOTS=docs/images $(BIN)/python -m pytest order_assets_tests/browser

# dlt has an environment of its own: it is what we are measured against, and nothing of ours needs it.
.venv-bench/.installed: $(STAMP) bench/requirements.lock
	@$(PYTHON) -m venv .venv-bench
	@$(BIN)/uv pip sync --quiet --python .venv-bench/bin/python --require-hashes bench/requirements.lock
	@touch $@

bench: .venv-bench/.installed  ## measure against dlt and the floor; BENCH="--orders 20000" for a short one
	@$(BIN)/python -m bench $(BENCH)

DOCS_STAMP := build/docs-venv/.installed
$(DOCS_STAMP): docs/requirements.lock $(STAMP)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/docs-venv
	@$(BIN)/uv pip sync --quiet --python build/docs-venv/bin/python --require-hashes docs/requirements.lock
	@touch $@

# The pages lie in the site as in the repository, so a link that works here works there.
docs: $(DOCS_STAMP)  ## the documentation as a site in build/site; a broken link or anchor is an error
	@rm -rf build/docs build/site
	@mkdir -p build/docs
	@git ls-files -z --cached --others --exclude-standard '*.md' docs/images $(DOCS_FILES) | xargs -0 cp --parents -t build/docs
	@build/docs-venv/bin/zensical build --strict --clean
DOCS_FILES := LICENSE accounts.example.toml .env.example

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
lock: $(STAMP)  ## renew the lock files from pyproject.toml: for the project, the container and the documentation
	$(COMPILE) pyproject.toml --extra dev -o requirements.lock
	$(COMPILE) pyproject.toml --extra celery --extra kubernetes -c requirements.lock -o deploy/requirements.lock
	$(COMPILE) --group docs -o docs/requirements.lock
	$(COMPILE) bench/requirements.in -o bench/requirements.lock

dist: $(STAMP)  ## build the wheel and the source distribution into dist/
	$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python

stop: $(STAMP)  ## stop the embedded PostgreSQL and the sandbox (data stay)
	@$(BIN)/order-assets sandbox stop
	@$(BIN)/order-assets db stop

clean: stop  ## stop, and delete the data, keys and reports of this folder
	@# as root, the data may lie elsewhere; see the embedded server
	@if [ -f .order_assets/postgres/location ]; then rm -rf "$$(cat .order_assets/postgres/location)"; fi
	rm -rf .order_assets
