# Two commands matter: `make serve` and `make test`. Both install what they need into .venv first.
PYTHON ?= $(shell for p in python3 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null \
  && echo $$p && break; done)
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/pip --disable-pip-version-check -q
ARGS   ?=
NATIVE := $(wildcard gpu_worker/*/native/*)
GPU    := $(if $(shell command -v nvidia-smi),[gpu])

.PHONY: serve test lint check install install-dev format bench chaos bench-gpu eval fuzz audit clean help

help:            ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 16

serve: install   ## start the server on port 4444 (more flags: make serve ARGS="--slots 12")
	@exec $(BIN)/realtime-engine serve $(ARGS)

test: install-dev ## run every test
	$(BIN)/pytest $(ARGS)

lint: install-dev ## format, lint, types, import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/clang-format --dry-run --Werror $(NATIVE)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

check: lint      ## lint and the fast tests: three to four minutes
	$(BIN)/pytest -m "not slow and not server and not gpu" $(ARGS)

format: install-dev ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/clang-format -i $(NATIVE)

install: $(VENV)/.installed
install-dev: $(VENV)/.installed-dev

$(VENV)/bin/pip:
	@test -n "$(PYTHON)" || \
	  { echo "Python 3.11 or 3.12 is needed and none was found: install one, or make PYTHON=/path/to/it" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# The compiled sources too: what was built of older ones does not fit the code.
$(VENV)/.installed: pyproject.toml setup.py constraints.txt $(NATIVE) | $(VENV)/bin/pip
	@command -v c++ >/dev/null || command -v g++ >/dev/null || \
	  { echo "KenLM and parts of the engine are compiled during set-up and need a C++ compiler: apt-get install g++ python3-dev" >&2; exit 2; }
	$(PIP) install -c constraints.txt -e '.$(GPU)'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install -c constraints.txt -e '.[dev,bench,plot,train]'
	@touch $@

$(VENV)/.installed-eval: $(VENV)/.installed-dev
	$(PIP) install -c constraints.txt -e '.[dev,bench,plot,train,eval]'
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed-dev
	$(PIP) install -c constraints.txt -e '.[dev,bench,plot,train,peers]'
	@touch $@

bench: $(VENV)/.installed-bench ## the figures of docs/PERFORMANCE.md again, on this machine: 55 minutes
	$(BIN)/python -m bench

chaos: install-dev ## kills, overload, attacks, drain under load, every final compared: 50 minutes (ARGS="overload --seconds 20")
	$(BIN)/python -m bench.chaos $(ARGS)

bench-gpu: install-dev ## GPU tests, CUDA graphs against eager and CPU, timing table
	$(BIN)/python bench/gpu.py

eval: $(VENV)/.installed-eval ## accuracy in one table, beside two others (SPEECH=manifest.jsonl)
	$(BIN)/python -m bench.eval $(if $(SPEECH),--manifest $(SPEECH)) $(ARGS)

fuzz: install-dev ## every parser of bytes from outside, five minutes (ARGS="--seconds 3600"; .[fuzz] adds coverage)
	$(BIN)/python -m bench.fuzz $(ARGS)

# In an environment of its own: its libraries are none of the engine's.
audit: install-dev ## known vulnerabilities of the pinned packages; exits 3 where they could not be looked up
	@test -x $(VENV)-audit/bin/pip-audit || { $(PYTHON) -m venv $(VENV)-audit && \
	  $(VENV)-audit/bin/pip --disable-pip-version-check -q install -c constraints.txt pip-audit; }
	@$(VENV)-audit/bin/python -m bench.audit $(ARGS)

clean:           ## remove the virtual environment and caches
	rm -rf $(VENV) $(VENV)-audit .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
