# Two commands: `make run` and `make test`. `make help` lists the rest.
# Each sets up what it needs; nothing but make and Python 3.11 or newer has to be there before.

VENV := .venv
PY := $(VENV)/bin/python
# Each list is complete, so pip has nothing to add by itself, and takes only what has the hash that stands in it.
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
INSTALL := $(PIP) --no-deps --require-hashes -r
UV := uv==0.13.9
PYTEST_ARGS ?= -n 4 --dist loadscope --no-loadscope-reorder $(PYTEST_CI_$(CI))
# On a shared machine a browser or a killed worker may be held up for seconds: such a test gets a second chance there,
# and the run says which ones needed it.
PYTEST_CI_true := --reruns 2 --reruns-delay 2
# The system's own Python first, which is built for speed and gets its corrections with the system: one that was compiled
# from source without a profile makes each page a fifth slower. Another one: make run PYTHON=python3.14
PYTHON = $(shell for p in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run sandbox test check bench lock

help: ## Say what each word does
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

run: $(VENV)/.runtime ## Start the app and its local bunq, ready to sign in
	@exec $(PY) -m bunqflask.devserver

sandbox: $(VENV)/.runtime ## Start the local bunq alone, for any client
	@exec $(PY) -m bunqflask.devserver --only-sandbox

test: $(VENV)/.dev ## Run every test: unit, protocol, browser
	@sh tests/support/prepare.sh $(PY)
	@$(PY) -m compileall -q bunqflask tests # tests start hundreds of processes, which may not write what they compile
	@exec env PYTHONDONTWRITEBYTECODE= $(PY) -m pytest $(PYTEST_ARGS) # keeps the rewritten assertions for the next run

check: $(VENV)/.dev ## Style, types, templates, migrations against models, what is installed against what is asked for
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m djlint --quiet --lint templates bunqflask/sandbox/pages/templates
	$(PY) -m tests.support.migrations
	$(PY) -m tests.support.requirements check

bench: $(VENV)/.dev ## Measure pages, imports, memory and starts beside their goals (PEERS=1, SOAK=1, ONLY=word)
	@exec $(PY) -m tests.bench

lock: $(VENV)/.dev ## For maintainers: compile requirements*.in into .txt; LOCK_ARGS=--upgrade takes the newest versions
	@$(PIP) $(UV)
	@$(PY) -m tests.support.requirements lock $(LOCK_ARGS)

# A stamp is older than the requirements it stands for only when they changed since.
$(VENV)/.runtime: requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (Debian: apt-get install python3-venv)." >&2; exit 1; }
	@$(PY) -c "" 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing what requirements.txt lists into $(VENV) ..."
	@$(INSTALL) requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	@echo "Installing what requirements-dev.txt lists into $(VENV) ..."
	@$(INSTALL) requirements-dev.txt
	@touch $@
