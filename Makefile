# Two commands on a fresh machine: `make demo` and `make test`. Everything is set up in .venv.
.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-slow test-recipes recipes-env conformance conformance-env test-engines engines-env soak-slurm test-hosts hosts-env test-browser browser-env ten-projects soak golden check format inspect bench calibrate threats agent-study sample clean

VENV := .venv
BIN := $(VENV)/bin
# What `make demo` needs, and what all other targets need besides.
INSTALLED := $(VENV)/.installed
READY := $(VENV)/.ready
# The frameworks that docs/recipes is carried out with; more than a gigabyte, so they have an environment of their own.
RECIPES_ENV := .venv-recipes
RECIPES_READY := $(RECIPES_ENV)/.ready
CONFORMANCE := tests/conformance
BROWSER := tests/browser
BROWSER_READY := $(BROWSER)/node_modules/.ready
CONFORMANCE_READY := $(CONFORMANCE)/node_modules/.ready
HOSTS := tests/hosts
HOSTS_READY := $(HOSTS)/node_modules/.ready
HAS_SSHD = PATH="$$PATH:/usr/sbin:/usr/local/sbin" command -v sshd >/dev/null
NO_SSHD := sshd was not found. On Debian and Ubuntu: apt-get install openssh-server
NO_TMUX := tmux was not found. On Debian and Ubuntu: apt-get install tmux
GOLDEN := tests/golden docs/settings.md
# The tests that write them, and no other: those may fail until it is done.
REWRITTEN := -k "golden_one or tables_of_the_page" tests/protocol/report tests/server/host/test_settings.py
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist worksteal
# Tools whose trainings take place in memory; git is seldom started.
IN_MEMORY := tests/protocol tests/test_threats.py tests/server/verify tests/server/surface/test_refusals.py \
  tests/server/surface/test_tools.py $(addprefix tests/server/service/test_, baseline_reuse.py cache.py \
	confirmation.py evidence.py fresh_seeds.py plausibility.py screening.py seed_pairs.py)

help: ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST)

$(INSTALLED): pyproject.toml constraints.txt
	@python=""; \
	for candidate in $${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do \
	  if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Seedproof needs Python 3.11 or newer, and none was found. Install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; fi; \
	if ! $$python -c 'import venv, ensurepip' 2>/dev/null; then \
	  echo "$$python has no venv module. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; fi; \
	echo "Setting up $(VENV) with $$($$python --version) ..."; \
	test -x $(BIN)/python || $$python -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(READY): $(INSTALLED)
	@echo "Installing what tests and checks need ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(INSTALLED) ## Run the whole protocol on a small real language model
	@$(BIN)/seedproof demo

test: $(READY) ## Run the tests, with a sample of the long ones
	@$(PYTEST) -rfE -m "not slow"
	@echo "All tests passed. Skipped ones need what this machine lacks ($(BIN)/pytest -rs lists them); make test-slow runs the rest."

test-fast: $(READY) ## Run the tests that start no process: the protocol, and tools in memory
	@$(PYTEST) -m "not slow and not sampled" $(IN_MEMORY)

test-slow: $(READY) recipes-env conformance-env engines-env hosts-env browser-env ## Run what `make test` leaves out
	@SEEDPROOF_AMOUNT=whole $(PYTEST) -m "slow or sampled"

test-recipes: $(READY) recipes-env ## Carry out the recipes of docs/recipes, on stand-ins and on the real frameworks
	@$(PYTEST) tests/recipes

recipes-env: $(READY) ## Install the frameworks that the recipes are carried out with
	@$(MAKE) --no-print-directory $(RECIPES_READY) || { \
	  echo "The frameworks could not be installed; their tests are left out." >&2; \
	  mkdir -p .ci && echo "the recipes on real frameworks" >> .ci/skipped; }

$(RECIPES_READY): tests/recipes/frameworks.txt tests/recipes/constraints.txt
	@echo "Setting up $(RECIPES_ENV); this takes some minutes ..."
	@rm -rf $(RECIPES_ENV)
	@$(BIN)/python -m venv $(RECIPES_ENV)
	@$(RECIPES_ENV)/bin/python -m pip install --quiet --disable-pip-version-check \
	  -c tests/recipes/constraints.txt -r tests/recipes/frameworks.txt
	@touch $@

test-engines: $(READY) engines-env ## Run the contract of engines, and the tests of Slurm on a real one
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile tests/engines

engines-env: ## Install Slurm's daemons, which the tests of engines start; needs root on Debian or Ubuntu
	@tests/engines/install.sh || { \
	  echo "Slurm could not be installed; its tests are left out." >&2; \
	  mkdir -p .ci && echo "the tests on a real Slurm (needs slurm-wlm and munge)" >> .ci/skipped; }

soak-slurm: $(READY) engines-env ## Take 200 experiments with five seeds each through a real Slurm, eight jobs at a time
	@SEEDPROOF_AMOUNT=soak $(BIN)/python -m pytest -q -s tests/engines/test_slurm_soak.py

conformance: $(READY) conformance-env ## Run the conformance suite of MCP on the server and on its tasks
	@$(PYTEST) $(CONFORMANCE)

conformance-env: ## Install the conformance suite of MCP, a tokenizer, and the Node.js that runs them
	@$(MAKE) --no-print-directory $(CONFORMANCE_READY) || { \
	  echo "The conformance suite of MCP could not be installed; its tests are left out." >&2; \
	  mkdir -p .ci && echo "the conformance suite of MCP (needs Node.js and npm)" >> .ci/skipped; }

$(CONFORMANCE_READY): $(CONFORMANCE)/package.json $(CONFORMANCE)/package-lock.json
	@node --version >/dev/null && npm --version >/dev/null || { echo "Node.js and npm were not found." >&2; exit 1; }
	@npm ci --prefix $(CONFORMANCE) --silent --no-audit --no-fund
	@$(CONFORMANCE)/node_modules/.bin/node --version >/dev/null
	@touch $@

test-hosts: $(READY) $(HOSTS_READY) ## Take real hosts from an empty project to a report, and reach the server over ssh
	@$(HAS_SSHD) || { echo "$(NO_SSHD)" >&2; exit 1; }
	@command -v tmux >/dev/null || { echo "$(NO_TMUX)" >&2; exit 1; }
	@$(PYTEST) $(HOSTS)

hosts-env: ## Install the command lines of hosts, and the Node.js that runs them (1.5 GB)
	@$(MAKE) --no-print-directory $(HOSTS_READY) || { \
	  echo "The command lines of hosts could not be installed; their tests are left out." >&2; \
	  mkdir -p .ci && echo "real hosts (needs Node.js and npm)" >> .ci/skipped; }
	@$(HAS_SSHD) || { \
	  echo "$(NO_SSHD). The tests over ssh are left out." >&2; \
	  mkdir -p .ci && echo "the server over ssh (needs sshd)" >> .ci/skipped; }
	@command -v tmux >/dev/null || { \
	  echo "$(NO_TMUX). The test in tmux is left out." >&2; \
	  mkdir -p .ci && echo "a training in tmux (needs tmux)" >> .ci/skipped; }

# The programs are optional packages, one for each system: npm passes over those that fail, and `npm ci` over none
# that the lock file lacks.
$(HOSTS_READY): $(HOSTS)/package.json $(HOSTS)/package-lock.json
	@node --version >/dev/null && npm --version >/dev/null || { \
	  echo "Node.js and npm were not found. On Debian and Ubuntu: apt-get install nodejs npm" >&2; exit 1; }
	@echo "Installing the command lines of hosts in $(HOSTS)/node_modules; this takes some minutes ..."
	@npm install --no-save --prefix $(HOSTS) --loglevel=error --no-audit --no-fund
	@home=$$(mktemp -d); for program in node claude codex gemini opencode copilot; do \
	  PATH="$(CURDIR)/$(HOSTS)/node_modules/.bin:$$PATH" HOME=$$home $$program --version </dev/null >/dev/null 2>$$home/why || { \
	    cat $$home/why; echo "$$program was installed and does not start." >&2; exit 1; }; \
	done; rm -rf $$home
	@touch $@

test-browser: $(READY) browser-env ## Look at the board with a real browser, and as a host of MCP Apps does
	@$(PYTEST) $(BROWSER)

browser-env: ## Install the driver of the browser, the check of accessibility and the host side of MCP Apps
	@$(MAKE) --no-print-directory $(BROWSER_READY) || { \
	  echo "The browser or its driver could not be installed; the board's tests in a browser are left out." >&2; \
	  mkdir -p .ci && echo "the board in a browser (needs Chromium, Node.js and npm)" >> .ci/skipped; }

$(BROWSER_READY): $(BROWSER)/package.json $(BROWSER)/package-lock.json $(BROWSER)/host.js
	@node --version >/dev/null && npm --version >/dev/null || { echo "Node.js and npm were not found." >&2; exit 1; }
	@command -v chromium chromium-browser google-chrome >/dev/null || \
	  { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq chromium >/dev/null; } || \
	  { echo "Chromium was not found. On Debian: apt-get install chromium" >&2; exit 1; }
	@npm ci --prefix $(BROWSER) --silent --no-audit --no-fund
	@$(BROWSER)/node_modules/.bin/esbuild $(BROWSER)/host.js --bundle --format=iife --log-level=warning \
	  --outfile=$(BROWSER)/node_modules/host.bundle.js
	@touch $@

ten-projects: $(READY) recipes-env ## Measure how long ten projects take to a first verdict, besides training
	@$(BIN)/python benchmarks/ten_projects.py

soak: $(READY) engines-env ## Run the tests with the large numbers: kills, faults, hostile trainings, crowds of clients
	@SEEDPROOF_AMOUNT=soak $(PYTEST)

golden: $(READY) ## Rewrite the golden files and the tables of docs/settings.md, and show the difference
	@REWRITE_GOLDEN=1 $(BIN)/python -m pytest -q -rfE $(REWRITTEN)
	@git status --short -- $(GOLDEN)
	@git --no-pager diff --stat -- $(GOLDEN)
	@git --no-pager diff -- $(GOLDEN)

check: $(READY) ## Lint, format check, types, import rules
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@cd benchmarks && ../$(BIN)/mypy --config-file ../pyproject.toml .
	@NO_COLOR=1 $(BIN)/lint-imports --no-cache 2>&1 | sed -n '/Contracts/,$$p'; $(BIN)/lint-imports --no-cache >/dev/null
	@if [ -d skills/experiment-runner ]; then $(BIN)/agentskills validate skills/experiment-runner; fi

format: $(READY) ## Format the code
	@$(BIN)/ruff check --fix --quiet . && $(BIN)/ruff format --quiet .

inspect: $(READY) ## List and call the tools with the MCP Inspector, in both protocol eras
	@./benchmarks/inspect.sh

bench: $(READY) ## Measure the costs named in docs/performance.md
	@$(BIN)/python benchmarks/run.py

calibrate: $(READY) ## Measure how often each rule errs, and write docs/calibration.md
	@$(BIN)/python benchmarks/calibrate.py

agent-study: $(READY) $(CONFORMANCE_READY) ## Record a study as an agent sees it, and write docs/agents.md with its cost
	@$(BIN)/python -m tests.agent_study

threats: $(READY) ## Write docs/threats.md from the table in tests/threats
	@$(BIN)/python -m tests.threats

sample: $(READY) ## Carry out a small study, and write its reports and figures to docs/sample
	@$(BIN)/python -m tests.sample

clean: ## Remove what the targets made
	@rm -rf $(VENV) $(RECIPES_ENV) $(CONFORMANCE)/node_modules $(HOSTS)/node_modules $(BROWSER)/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache seedproof-demo
