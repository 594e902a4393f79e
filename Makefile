# `make build` and `make test` are all a fresh machine needs: make, and a Python that
# pyproject.toml names. PYTHON takes another interpreter for the virtual environment.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
STAMP  := $(VENV)/.installed

# Compiled bytecode halves the start of dbt and Great Expectations.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: build test test-all test-lake validation lint report docs site lock clean FORCE

# Where dbt fails before it can say why, the doctor can.
build: $(STAMP)
	$(BIN)/citypanel build || { $(BIN)/citypanel doctor; exit 1; }

test: lint
	$(BIN)/python -m pytest $(WORKERS) -m "not slow"

test-all: lint
	$(BIN)/python -m pytest $(WORKERS)

# The files of tests are spread over two processes; `make test WORKERS=` takes one.
WORKERS ?= -n 2 --no-loadscope-reorder

# A DuckLake on Postgres, under the DuckDB whose extensions are packages. Postgres is that
# of the machine, installed where this is Debian and root; without one the tests of it are
# skipped and say so.
LAKE := target/lake_environment

test-lake: $(LAKE)/.installed
	@if ! { command -v initdb || ls /usr/lib/postgresql/*/bin/initdb; } > /dev/null 2>&1 \
	    && command -v apt-get > /dev/null && [ "$$(id -u)" = 0 ]; then \
	    apt-get update -q && apt-get install -q -y postgresql; fi
	$(LAKE)/bin/python -m pytest tests/lake

$(LAKE)/.installed: tests/lake/requirements.lock
	$(PYTHON) -m venv $(LAKE)
	$(LAKE)/bin/python -m pip install --quiet --no-deps --require-hashes -r tests/lake/requirements.lock
	$(LAKE)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# docs/validation.md: what the tests compare with other people's software.
validation: $(STAMP)
	$(BIN)/python -m pytest tests/python/reference -m "not slow" --write-validation

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy

# With STUDY=name, all outputs of a study that brings its panel, under outputs/name. Else
# every page, table and figure of the published file under outputs/, the front page last, so
# that every link leads somewhere and the study tells the range of the specifications;
# builds the file first where there is none.
ifneq ($(filter-out pilot_zones,$(STUDY)),)
report: $(STAMP)
	test -f $(STUDY).duckdb || $(BIN)/citypanel build --study $(STUDY)
	$(BIN)/citypanel report --study $(STUDY)
else
report: $(STAMP)
	test -f citypanel.duckdb || $(BIN)/dbt build
	$(BIN)/citypanel report
	$(MAKE) --no-print-directory docs
	$(BIN)/citypanel specifications --count 2000
	for language in en zh; do \
	    $(BIN)/citypanel tables --language $$language || exit 1; \
	    $(BIN)/citypanel figures --language $$language || exit 1; \
	done
	$(BIN)/citypanel study
endif

# dbt's documentation as one page. Its own target path keeps the log of the last build,
# which `citypanel package` reads.
docs: $(STAMP)
	test -f target/citypanel_build.duckdb || $(BIN)/dbt build
	$(BIN)/dbt docs generate --static --target-path target/docs
	$(BIN)/python -m citypanel.pages.dbt_docs target/docs/static_index.html \
	    outputs/dbt_docs/index.html

# The documentation as a site, outputs/site/index.html, with what the examples return and
# the pictures of the estimators; those of the study where it has been published. Only
# the first call needs a package index.
site: $(STAMP) $(VENV)/.site
	$(BIN)/python -m docs.site.assemble
	$(BIN)/python -m sphinx -W --keep-going -q -b html -c docs/site target/site/source outputs/site

$(VENV)/.site: docs/site/requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r docs/site/requirements.lock
	touch $@

# Looked at every time: an environment that is half made, or that came here with a copied
# or moved project, would run other code than this folder's.
$(STAMP): FORCE
	@command -v $(PYTHON) > /dev/null || { echo "There is no $(PYTHON) on this machine; nothing was built. Install Python and name it: make PYTHON=... build"; exit 1; }
	@$(PYTHON) src/citypanel/doctor/environment.py

FORCE:

# The lock names exact versions and hashes for every Python that pyproject.toml names.
# Only for whoever changes a dependency; needs uv on the PATH.
lock:
	uv pip compile --universal --python-version 3.11 \
	    --extra warehouse --extra outputs --extra test --generate-hashes \
	    --no-header --no-annotate --no-strip-extras --no-emit-index-url --no-emit-find-links \
	    --output-file requirements.lock pyproject.toml
	uv pip compile --universal --python-version 3.11 --extra site --generate-hashes \
	    --no-header --no-annotate --no-strip-extras --no-emit-index-url --no-emit-find-links \
	    --constraint requirements.lock --output-file docs/site/requirements.lock pyproject.toml
	uv pip compile --universal --python-version 3.11 --extra lake --generate-hashes \
	    --no-header --no-annotate --no-strip-extras --no-emit-index-url --no-emit-find-links \
	    --output-file tests/lake/requirements.lock pyproject.toml tests/lake/requirements.in

# What was built, and an environment that is not whole: the next build sets it up.
clean:
	rm -rf target logs outputs citypanel*.duckdb citypanel*.duckdb.wal .citypanel*.duckdb.*
	-@$(PYTHON) src/citypanel/doctor/environment.py discard
