# `make build` and `make test` are all a fresh machine needs: Python 3.11+ and make.
# PYTHON names another interpreter for the virtual environment.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

# Compiled bytecode halves the start of dbt and Great Expectations.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: build test test-all validation lint report docs lock clean

# Where dbt fails before it can say why, the doctor can.
build: $(STAMP)
	$(BIN)/dbt build || { $(BIN)/citypanel doctor; exit 1; }

test: lint
	$(BIN)/python -m pytest -m "not slow"

test-all: lint
	$(BIN)/python -m pytest

# docs/validation.md: what the tests compare with other people's software.
validation: $(STAMP)
	$(BIN)/python -m pytest tests/python/reference -m "not slow" --write-validation

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

# Quality report, Data Docs, study report, dbt's documentation and the specification curve
# of the published file, under outputs/, so that every link between them leads somewhere;
# builds the file first where there is none.
report: $(STAMP)
	test -f citypanel.duckdb || $(BIN)/dbt build
	$(BIN)/citypanel report
	$(BIN)/citypanel study
	$(MAKE) --no-print-directory docs
	$(BIN)/citypanel specifications --count 2000

# dbt's documentation as one page. Its own target path keeps the log of the last build,
# which `citypanel package` reads.
docs: $(STAMP)
	test -f target/citypanel_build.duckdb || $(BIN)/dbt build
	$(BIN)/dbt docs generate --static --target-path target/docs
	mkdir -p outputs/dbt_docs
	cp target/docs/static_index.html outputs/dbt_docs/.index.html
	mv outputs/dbt_docs/.index.html outputs/dbt_docs/index.html

# The lock names exact versions and hashes for every Python from 3.11 on.
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Install one and run: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# Only for whoever changes a dependency; needs uv on the PATH.
lock:
	uv pip compile --universal --python-version 3.11 --extra test --extra cluster --generate-hashes \
	    --no-header --no-annotate --no-strip-extras --no-emit-index-url --no-emit-find-links \
	    --output-file requirements.lock pyproject.toml

clean:
	rm -rf target logs outputs citypanel.duckdb citypanel.duckdb.wal .citypanel.duckdb.*
