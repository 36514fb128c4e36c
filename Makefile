# Each target makes what it needs in .venv, and again when pyproject.toml has changed.
# PYTHON=python3.13 chooses the interpreter; ARGS="-k name" goes to the command;
# VERSIONS="18 12" are the major versions of PostgreSQL that make versions runs.

PYTHON ?= $(shell for p in python3.11 python3 python3.15 python3.14 python3.13 python3.12; do \
	"$$p" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$p" && break; done)
BIN := .venv/bin
ARGS ?=
VERSIONS ?= 18 12 17 14 16 13

say = @printf '\033[1;36m==>\033[0m \033[1m%s\033[0m\n' '$(1)'

.DEFAULT_GOAL := help
.PHONY: help demo test versions bench fuzz lint types clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) \
	| while IFS='|' read -r name text; do \
		printf '  \033[1mmake %-8s\033[0m %s\n' "$$name" "$$text"; done

demo: .venv/demo.installed ## other people's programs over a shop of two tenants
	$(call say,the demo)
	@$(BIN)/python examples/demo.py $(ARGS)

test: .venv/test.installed ## the whole test suite
	$(call say,tests)
	@$(BIN)/pytest -n auto --maxprocesses 4 --dist worksteal $(ARGS)

versions: .venv/test.installed ## the tests of PostgreSQL, on each of its versions
	@for version in $(VERSIONS); do \
		printf '\033[1;36m==>\033[0m \033[1mPostgreSQL %s\033[0m\n' $$version; \
		url=$$(.ci/postgresql-version-up.sh $$version) || exit 1; \
		KYSERA_TEST_POSTGRESQL=$$url $(BIN)/pytest -n auto --maxprocesses 4 \
			--dist worksteal -k postgresql $(ARGS) tests/dialects tests/dbapi \
			tests/oracle tests/compat/test_dbapi20_psycopg.py; \
		failed=$$?; .ci/postgresql-version-up.sh $$version --stop; \
		test $$failed = 0 || exit 1; \
	done

bench: .venv/bench.installed ## measure the driver against the raw one
	$(call say,benchmarks)
	@$(BIN)/python -m benchmarks $(ARGS)

fuzz: .venv/test.installed ## random statements, for minutes
	$(call say,fuzzing)
	@$(BIN)/pytest -m fuzz $(ARGS)

lint: .venv/lint.installed ## ruff: rules and format
	$(call say,lint)
	@$(BIN)/ruff check $(ARGS)
	@$(BIN)/ruff format --check

types: .venv/types.installed ## mypy and pyright, both strict
	$(call say,mypy)
	@$(BIN)/mypy
	$(call say,pyright)
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python

clean: ## remove .venv and all that tools left behind
	$(call say,removing what was made here)
	@rm -rf .venv .tox build dist .coverage htmlcov .hypothesis \
		.mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PRECIOUS: .venv/%.installed
.venv/%.installed: pyproject.toml .venv/made
	$(call say,installing kysera and what "$*" needs (the first time takes a minute))
	@$(BIN)/python -m pip install -q -q --editable '.[all]' --group $*
	@touch $@

# tox leaves a file named .venv where there is no such folder
.venv/made:
	@test -n '$(PYTHON)' || { echo 'no Python 3.11 or newer with venv was found;' \
		'install one, or name it: make PYTHON=/path/to/python' >&2; exit 1; }
	$(call say,making .venv with $(PYTHON))
	@test -d .venv || rm -f .venv
	@'$(PYTHON)' -m venv --clear .venv
	@$(BIN)/python -m pip install -q -q --upgrade 'pip>=25.1'
	@touch $@
