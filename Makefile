# The front door. `make demo` and `make test` need nothing but Linux, Python >= 3.11 with venv, make and a package index.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ARGS   ?=

.PHONY: help setup demo test check bench docs coverage test-tools lock clean

help:
	@echo "make demo    see it work: emulator, gateway and a legacy application (ARGS=--once: and exit)"
	@echo "make test    all tests that need Python packages only"
	@echo "make check   style, types, layers, licences, reference pages"
	@echo "make bench   the figures of the README        make docs   write docs/reference anew"
	@echo "make setup   only the environment          make coverage  write anew what is emulated"

setup: $(STAMP)

# The stamp is written last: an install that broke half-way is begun again.
$(STAMP): requirements/dev.txt tools/setup.sh
	@VENV=$(VENV) PYTHON=$(PYTHON) sh tools/setup.sh
	@touch $@

demo: $(STAMP)
	@$(BIN)/pillarbox demo $(ARGS)

test: $(STAMP)
	@$(BIN)/python -m pytest $(ARGS)

check: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python tools/licences.py
	@$(BIN)/python tools/reference.py --check

docs: $(STAMP)
	@$(BIN)/python tools/reference.py

coverage: $(STAMP)
	@$(BIN)/python -m pytest tests/unit/emulator tests/contract --emulator-coverage=$(VENV)/coverage.json $(ARGS)
	@$(BIN)/python tools/coverage.py $(VENV)/coverage.json

bench: $(STAMP)
	@$(BIN)/python -m bench $(ARGS)

# Programs that we did not write, as judges and for the strace order check. Debian or Ubuntu, root.
test-tools:
	@sh tools/test-tools.sh

lock:
	@PYTHON=$(PYTHON) sh tools/lock.sh

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist
