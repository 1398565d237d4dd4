# make demo   set everything up, run the main job on real parts, print what came out
# make test   set everything up, run the tests
# make help   all targets

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
export MATURIN_NO_INSTALL_RUST := 1
export CARGO_TARGET_DIR ?= $(CURDIR)/build/cargo-extension
export PIP_DISABLE_PIP_VERSION_CHECK := 1

NATIVE_SOURCES := $(shell find services/native/extension services/native/hints -name '*.rs' -o -name Cargo.toml)

.DEFAULT_GOAL := help
.PHONY: help setup prover demo up test test-fast test-native test-exhaustive lint check cairo schemas bench clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(VENV)/.tools: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "error: Python 3.11 or newer is needed, this is %d.%d; set PYTHON=python3.x" % sys.version_info[:2])'
	@test -x $(PY) || { echo "==> virtual environment in $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "==> tools"
	@$(PY) -m pip install --quiet --upgrade 'pip>=25.1'
	@$(PY) -m pip install --quiet --group dev 'maturin==1.16.*'
	@touch $@

$(VENV)/.native: $(VENV)/.tools $(NATIVE_SOURCES)
	@command -v cargo >/dev/null || { echo "error: cargo was not found; the native parts are built from source. Install a stable Rust toolchain (1.88 or newer) and try again."; exit 1; }
	@echo "==> native extension: the Cairo VM and the stwo verifier (about 3 minutes the first time)"
	@PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(PY) -m pip install --quiet --no-build-isolation --editable .
	@touch $@

setup: $(VENV)/.native ## virtual environment, Python packages, native extension

prover: setup ## build the stwo prover for this host (about 6 minutes the first time)
	@$(PY) -m proofrail.proving.build

demo: prover ## the main job: proposals in, proven and audited decisions out
	@$(PY) -m proofrail demo $(ARGS)

up: prover ## broker, all services and the explorer until Ctrl-C
	@$(PY) -m proofrail up $(ARGS)

test: prover ## all tests
	@$(PY) -m pytest -n auto --dist loadgroup $(ARGS)

test-fast: setup ## the tests that need neither Kafka, prover nor browser, on all cores
	@$(PY) -m pytest -n auto --dist worksteal -m "not kafka and not prover and not docker and not browser and not slow" $(ARGS)

test-native: prover ## the native parts' own tests, for which Python's library is there to link with (about 4 minutes)
	@$(PY) -m proofrail.proving.build --test
	@cargo test --release --manifest-path services/native/extension/Cargo.toml -p proofrail-native -p proofrail-hints

test-exhaustive: setup ## every alteration of small runs, and millions of items (about half an hour)
	@$(PY) -m pytest -m exhaustive $(ARGS)

lint: setup ## style, types, import rule
	$(VENV)/bin/ruff check services tests examples deploy schemas
	$(VENV)/bin/ruff format --check services tests examples deploy
	$(VENV)/bin/mypy
	MYPYPATH=services $(VENV)/bin/mypy --strict $(addprefix examples/,allocator.py dashboard.py registrar.py)
	MYPYPATH=deploy/grafana $(VENV)/bin/mypy --strict deploy/grafana/make_dashboards.py
	$(VENV)/bin/lint-imports
	@if cargo fmt --version >/dev/null 2>&1; then for part in extension hints prover; do \
	  cargo fmt --check --manifest-path services/native/$$part/Cargo.toml || exit 1; done; fi

check: lint ## lint, generated schemas and compiled programs up to date
	$(PY) -m proofrail.wire.schemas --check
	$(PY) -m proofrail.cairo.compiler --check
	$(PY) -m proofrail.cairo.contract_compiler --check
	$(PY) -m proofrail.messaging.metric_table --check
	$(PY) -m proofrail.explorer.openapi --check
	$(PY) deploy/grafana/make_dashboards.py --check

cairo: setup ## recompile the Cairo programs and contracts
	$(PY) -m proofrail.cairo.compiler
	$(PY) -m proofrail.cairo.contract_compiler

schemas: setup ## regenerate schemas, the explorer's OpenAPI, the table of metrics and the dashboards
	$(PY) -m proofrail.wire.schemas
	$(PY) -m proofrail.explorer.openapi
	$(PY) -m proofrail.messaging.metric_table
	$(PY) deploy/grafana/make_dashboards.py

bench: prover ## our figures beside their limits
	$(PY) -m tests.bench $(ARGS)

clean: ## remove what was built here (jars and other downloads are kept)
	rm -rf $(VENV) build .proofrail services/proofrail/_native*.so
