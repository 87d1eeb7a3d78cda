# Every task of this project. Needs make, git and Python 3.11 or later; the rest goes into a virtual
# environment.

VENV ?= .venv
ADDRESS ?= 127.0.0.1:8000

IS_RECENT := import sys; sys.exit(sys.version_info < (3, 11))
ifndef PYTHON
# By trying each: a name may be on PATH and not work (pyenv), or be too old.
PYTHON := $(shell for python in python3.11 python3 python3.12 python3.13; do \
	$$python -c '$(IS_RECENT)' 2>/dev/null && echo $$python && break; done)
endif

BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Files in the virtual environment that say what is in it. Another Python makes another one.
PYTHON_STAMP := $(VENV)/.python-$(if $(PYTHON),$(shell $(PYTHON) -c 'import platform; print(platform.python_version())'))
PRODUCTION_STAMP := $(VENV)/.requirements
DEVELOPMENT_STAMP := $(VENV)/.requirements-dev

NEW_SECRET = $(shell $(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(48))')

.DEFAULT_GOAL := help
.PHONY: help run serve test embedded long matrix drivers package compat docs browser pooler fuzz screenshots fleet fleet-up fleet-down mutants soak bench check format clean

help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(PRODUCTION_STAMP) ## Migrate, create demo users, and serve on http://127.0.0.1:8000
	$(BIN)/python -m hiremebahamas.demo $(ADDRESS)

serve: $(PRODUCTION_STAMP) ## Serve as in production, or report what is missing
	$(BIN)/python -m hiremebahamas.server

# Each of them has servers of its own; servers that were given are used by one.
TEST_PROCESSES ?= $(if $(DATABASE_URL)$(REDIS_URL),0,2)
# For all of a run: ten times what it takes on an idle machine. A process of it that dies ends it.
TEST_SECONDS ?= 5400
test embedded long package browser pooler fuzz: PYTEST := $(BIN)/python -m tests.bounded_run $(TEST_SECONDS) $(BIN)/python -m pytest \
	--numprocesses $(TEST_PROCESSES) --dist worksteal --max-worker-restart 0
test: $(DEVELOPMENT_STAMP) ## Run the tests on PostgreSQL and Redis, for five minutes
	$(PYTEST) --stack=servers

embedded: $(DEVELOPMENT_STAMP) ## Run those that use a database on SQLite, without Redis
	$(PYTEST) --stack=embedded -m "django_db and not (browser or prometheus or nginx or systemd or packaging or long or fuzz)"

long: $(DEVELOPMENT_STAMP) ## Run the tests that are long by nature, for ten minutes
	$(PYTEST) -m long --stack=servers

matrix: $(DEVELOPMENT_STAMP) ## Run the core's tests on each installed Python, and two Djangos
	$(BIN)/nox $(MATRIX)

drivers: $(DEVELOPMENT_STAMP) ## Run the core's tests with psycopg2, on MariaDB, with older redis-py, on other Redis
	@$(call HAVE,mariadbd,mariadb-server)
	@$(call HAVE,mariadb_config,libmariadb-dev)
	@$(call HAVE,gcc pkg-config)
	$(BIN)/nox --sessions psycopg2 mariadb redis_py redis_server

package: $(DEVELOPMENT_STAMP) ## Build django-usercache, and follow the README in other projects with it
	@# In one process: its tests share one virtual environment.
	$(PYTEST) --numprocesses 0 -m packaging --stack=embedded tests/packaging

compat: $(DEVELOPMENT_STAMP) ## Run other packages' tests, with ours in the place of what they replace
	$(BIN)/python -m tests.compat $(COMPAT)

browser: $(DEVELOPMENT_STAMP) ## Test the dashboard in Chromium, the metrics in Prometheus, deploy/ in nginx and systemd
	@$(call HAVE,chromium prometheus nginx pgbouncer)
	@$(call HAVE,systemd-analyze,systemd)
	$(PYTEST) -m "browser or prometheus or nginx or systemd" \
		tests/browser tests/prometheus tests/gateway tests/deploy tests/standing

pooler: $(DEVELOPMENT_STAMP) ## Run the tests of what is written to PostgreSQL behind a PgBouncer
	@$(call HAVE,pgbouncer)
	$(PYTEST) --stack=pooled tests/usercache/orm tests/usercache/postgresql \
		tests/usercache/instances tests/hiremebahamas/postgresql tests/accounts

fuzz: $(DEVELOPMENT_STAMP) ## Have schemathesis send what the OpenAPI document allows and doesn't, for two minutes
	@# In one process, whose output shows how many requests there were.
	$(PYTEST) --numprocesses 0 --capture no -m fuzz --stack=servers tests/fuzz

# Programs of Debian's that no wheel holds; the second argument names their package, if it isn't theirs.
HAVE = for program in $(1); do \
	PATH=$$PATH:/usr/sbin command -v $$program >/dev/null || missing="$$missing $$program"; done; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
			echo "Install these first:$$missing" >&2; exit 1; fi; \
		apt-get update -qq && apt-get install -qq -y --no-install-recommends $(or $(2),$$missing); fi

screenshots: $(DEVELOPMENT_STAMP) ## Take the dashboard's pictures in docs/ again, with Chromium
	$(BIN)/python -m pytest -m browser tests/browser/test_screenshots.py --pictures docs

fleet: $(DEVELOPMENT_STAMP) ## Break things under loaded servers, for a quarter of an hour; FLEET="--topology standing": of all kinds
	$(BIN)/python -m tests.play $(FLEET)

fleet-up: $(DEVELOPMENT_STAMP) ## Start the whole topology on loopback, behind nginx with TLS
	@$(call HAVE,nginx pgbouncer)
	$(BIN)/python -m tests.standing up

fleet-down: $(DEVELOPMENT_STAMP) ## End all of it, also after a crash
	$(BIN)/python -m tests.standing down

mutants: $(DEVELOPMENT_STAMP) ## Change the core in every way, one at a time; a test must fail for each
	$(BIN)/python -m tests.mutants $(MUTANTS)

soak: $(DEVELOPMENT_STAMP) ## Load 100,000 users for ten minutes, while Redis is killed every 20 seconds
	$(BIN)/python -m benchmarks.soak $(SOAK)

bench: $(DEVELOPMENT_STAMP) ## Measure against other ways to get a user, for ten minutes
	@$(call HAVE,nginx)
	$(BIN)/python -m benchmarks $(BENCH)

# As in production, with servers that no check talks to.
check: export DEBUG := False
check: export ALLOWED_HOSTS := www.example.com
check: export DATABASE_URL := sqlite://:memory:
check: export EMAIL_URL := smtp+tls://mail.example.com:587
check: export REDIS_URL := redis://127.0.0.1:6379/0
check: export SECRET_KEY = $(NEW_SECRET)
check: export JWT_SIGNING_KEY = $(NEW_SECRET)
check: export USERCACHE_SIGNING_KEY = $(NEW_SECRET)
check: export SECOND_FACTOR_KEY = $(NEW_SECRET)
check: $(DEVELOPMENT_STAMP) ## Check style, types, layers, deployment settings, migrations, API schema, docs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null
	$(BUILD_DOCS)

# Its notice of a successor is no warning of ours.
BUILD_DOCS = NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
docs: $(DEVELOPMENT_STAMP) ## Build the pages of docs/ into site/, and check their links
	$(BUILD_DOCS)

format: $(DEVELOPMENT_STAMP) ## Put the code into the house format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean: ## Remove what make and the tools created; database and uploads stay
	rm -rf .hypothesis .mutants .nox site .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	if [ -e $(VENV)/pyvenv.cfg ]; then rm -rf $(VENV); fi
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PYTHON_STAMP):
	@if [ -z "$(PYTHON)" ]; then \
		echo "Python 3.11 or later is needed: install it, or name it (make PYTHON=/path/to/python)." >&2; exit 1; fi
	@$(PYTHON) -c '$(IS_RECENT)' || { echo "$(PYTHON) is older than Python 3.11." >&2; exit 1; }
	@if [ -e $(VENV) ] && ! [ -e $(VENV)/pyvenv.cfg ]; then \
		echo "$(VENV) is no virtual environment: move it away, or choose another (make VENV=...)." >&2; exit 1; fi
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(PRODUCTION_STAMP): requirements.txt $(PYTHON_STAMP)
	$(PIP_INSTALL) --requirement requirements.txt
	@touch $@

$(DEVELOPMENT_STAMP): requirements-dev.txt $(PRODUCTION_STAMP)
	$(PIP_INSTALL) --requirement requirements-dev.txt
	@touch $@
