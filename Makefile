# Needs: git, make, Python 3.11 or newer with its venv module (Debian, Ubuntu: apt install python3-venv).
# Another Python: make demo PYTHON=python3.12

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --require-virtualenv

# Of pip's output only the lines that show progress. pipefail: a failure of pip must not be lost in the filter.
SHELL  := /bin/bash
.SHELLFLAGS := -o pipefail -c
INSTALL = $(PIP) install -c constraints.txt
STEPS   = sed -unE 's/^ *((Downloading|Building|Installing|Successfully).{0,90}).*/\1/p'

.DEFAULT_GOAL := help
.PHONY: help demo test test-medium test-slow lint style clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.installed  ## train a small model on the embedded corpus (minutes), test it, translate some sentences
	$(BIN)/mt-train experiment=demo
	@echo; echo "A few sentences through: mt-translate runs/demo"
	@for sentence in \
	    "The woman bought a lamp, but it is expensive." \
	    "The woman bought a key, but it is expensive." \
	    "I know that she knows the teacher." \
	    "The child eats the cheese because the mouse eats the bread." \
	    "When the child slept, the mother opened the window." \
	    "When the child sleeps, the mother opens the window." \
	    "The boy must not eat the cake before the concert." \
	    "The friend whom we wanted to visit got up before the meal."; \
	do printf '%s\n' "$$sentence"; done > runs/demo/sentences.txt; \
	$(BIN)/mt-translate runs/demo --quiet < runs/demo/sentences.txt > runs/demo/sentences.out.txt && \
	paste -d '\n' runs/demo/sentences.txt runs/demo/sentences.out.txt | sed 'n; s/^/    /'
	@echo; echo "Your turn: $(BIN)/mt-translate runs/demo \"The cat sleeps in the garden.\""

test: style  ## run the quick tests, after the checks of style, format, contract of imports
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-medium: $(VENV)/.installed-dev  ## run the tests of some seconds each, which make test omits
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile -m 'medium and not slow'

test-slow: $(VENV)/.installed-dev  ## run the slow tests, which make test and test-medium omit
	$(BIN)/python -m pytest -m slow

lint: style  ## the quick checks, and types
	$(BIN)/mypy

style: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

clean:  ## remove the environment and caches; runs/ stays
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v $(PYTHON) > /dev/null || { echo "error: $(PYTHON) not found: install Python 3.11 or newer, or name it: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "error: $$($(PYTHON) --version) is too old: mt needs Python 3.11 or newer; name another one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
	    echo "error: $(PYTHON) has no venv module: apt install python3-venv" >&2; exit 1; }
	@echo "creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing mt into $(VENV): PyTorch is large, the first time takes some minutes"
	@$(INSTALL) -e . | $(STEPS)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing mt and the test tools into $(VENV): PyTorch is large, the first time takes some minutes"
	@$(INSTALL) -e '.[dev,ctranslate2,onnx,serve,detect]' | $(STEPS)
	@touch $@ $(VENV)/.installed
