# The front door. `make demo` and `make test` need nothing but Linux, Python >= 3.11 with venv, make and a package index.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ARGS   ?=
# Which operations of Microsoft's the emulator answered, as tools/coverage.py reads it; also `make test` writes it.
COVERAGE := --emulator-coverage=$(VENV)/coverage.json --coverage-of=tests/unit/emulator --coverage-of=tests/contract
# Half again as many as cores: a worker waits half of its time for programs that it has started.
WORKERS ?= $(shell n=$$(nproc); echo $$((n + (n + 1) / 2)))

.PHONY: help setup demo test test-browser screenshots faults check certify bench docs languages coverage test-clients test-clients-big fuzz test-tools lock clean

help:
	@echo "make demo    see it work: emulator, gateway and a legacy application (ARGS=--once: and exit)"
	@echo "make test    all tests that need Python packages only"
	@echo "make check   style, types, layers, licences, reference pages"
	@echo "make bench   the figures of the README        make docs   write docs/reference anew"
	@echo "make test-clients      programs that we did not write (needs make test-tools); test-clients-big: and Microsoft's SDKs"
	@echo "make test-browser      the console in Chromium (needs make test-tools); make screenshots: pictures of every page"
	@echo "make fuzz    hostile bytes, five minutes at each target"
	@echo "make faults  kills, power cuts, bad days, clocks that jump: the long form (ARGS: one of its files)"
	@echo "make certify compare with a real tenant: docs/how-to/certify.md"
	@echo "make languages         collect the console's texts, compile their translations"
	@echo "make setup   only the environment          make coverage  write anew what is emulated"

setup: $(STAMP)

# The stamp is written last: an install that broke half-way is begun again.
$(STAMP): requirements/dev.txt tools/setup.sh pyproject.toml
	@VENV=$(VENV) PYTHON=$(PYTHON) sh tools/setup.sh
	@touch $@

demo: $(STAMP)
	@$(BIN)/pillarbox demo $(ARGS)

# On all cores (WORKERS); what ARGS name, in one process, as -s and a debugger need it.
test: $(STAMP)
	@$(BIN)/python -m pytest $(or $(ARGS),-n $(WORKERS) $(COVERAGE))

# The same tests as in `make test`, and those that `make test` skips as they take long; a program that is not installed
# fails here.
test-clients: $(STAMP)
	@PILLARBOX_REQUIRE_TOOLS=1 PILLARBOX_LONG=1 $(BIN)/python -m pytest $(or $(ARGS),tests/clients tests/differential)

# The console in Debian's Chromium, before a real service. They take minutes, so they are not part of `make test`.
test-browser: $(STAMP)
	@PILLARBOX_REQUIRE_TOOLS=1 $(BIN)/python -m pytest $(or $(ARGS),-n $(WORKERS) tests/browser)

# Every page in every language, theme and width, below build/screenshots. ARGS: a part of the names of pages.
screenshots: $(STAMP)
	@$(BIN)/python -m tests.browser.screenshots $(ARGS)

# Hostile bytes at the session, headers, addresses, senders and AUTH for five minutes each (tests/fuzz/targets.py), then every
# other property test with 3,000 new examples; a failure prints what repeats it. ARGS: --seconds 20, or a target.
fuzz: $(STAMP)
	@$(BIN)/python -m tests.fuzz $(ARGS)
	@$(if $(ARGS),,$(BIN)/python -m pytest -m hypothesis --hypothesis-profile=fuzz --timeout=1800 tests/unit)

# The figures that are promised, where `make test` does a little of each: tests/faults/scale.py. An hour; -s shows what
# was counted and the seed.
faults: $(STAMP)
	@PILLARBOX_FAULTS=long $(BIN)/python -m pytest -s $(or $(ARGS),tests/faults)

# Microsoft's Graph SDK for Python (half a gigabyte) and its libraries for Node, in an environment of their own; and
# PHPMailer and Jakarta Mail, with PHP and Java from Debian (make test-tools BIG=1).
test-clients-big: $(STAMP) .venv-big/.installed
	@PILLARBOX_REQUIRE_TOOLS=1 $(BIN)/python -m pytest tests/clients/big -s $(ARGS)

.venv-big/.installed: requirements/big.txt tests/clients/big/package.json
	@rm -rf .venv-big && $(PYTHON) -m venv .venv-big
	@.venv-big/bin/pip install -q --disable-pip-version-check -r requirements/big.txt
	@mkdir .venv-big/node && cp tests/clients/big/package.json .venv-big/node/
	@npm install --prefix .venv-big/node --no-audit --no-fund --no-package-lock --silent
	@touch $@

check: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python tools/licences.py
	@$(BIN)/python tools/reference.py --check

docs: $(STAMP)
	@$(BIN)/python tools/reference.py

# The console's texts: new ones into locales/*/LC_MESSAGES/console.po, and what is translated there into console.mo.
languages: $(STAMP)
	@$(BIN)/python tools/languages.py

coverage: $(STAMP)
	@$(BIN)/python -m pytest -n auto tests/unit/emulator tests/contract $(COVERAGE) $(ARGS)
	@$(BIN)/python tools/coverage.py $(VENV)/coverage.json

# Sends mail through the tenant that the variables CERTIFY_* describe.
certify: $(STAMP)
	@$(BIN)/python -m tests.contract.microsoft $(ARGS)

bench: $(STAMP)
	@$(BIN)/python -m bench $(ARGS)

# Programs that we did not write, as judges and for the strace order check. Debian or Ubuntu, root.
test-tools:
	@BIG=$(BIG) sh tools/test-tools.sh

lock:
	@PYTHON=$(PYTHON) sh tools/lock.sh

clean:
	rm -rf $(VENV) .venv-big .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist
