# Everything runs in .venv, which the first target creates. `make PYTHON=python3.12 demo` uses another interpreter.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# One thread per process: the tests run faster this way, above all on two cores.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test check bench test-slow test-systemd test-terminals test-gpu dist docs reference clean

demo: $(READY)
	$(BIN)/imgret demo

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not systemd and not terminals and not gpu"

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python -m benchmarks

test-slow: $(READY)
	$(BIN)/python -m pytest -m slow

test-systemd: $(READY)
	$(BIN)/python -m pytest -m systemd

test-terminals: $(READY)
	$(BIN)/python -m pytest -m terminals

# The wheel and the source distribution, checked, and the wheel installed into a new environment and used.
dist: $(READY)
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*
	packaging/smoke-test dist/*.whl

docs: $(READY)
	$(BIN)/mkdocs build --strict

# docs/configuration.md, from the settings of the program; graphs, from benchmarks/NOTES.md; imgret/cli/commands.json, from its
# commands.
reference: $(READY)
	$(BIN)/python -m testbed.command_reference
	$(BIN)/python -m testbed.graphs
	$(BIN)/python -m testbed.config_reference

# IMGRET_TEST_DEVICE=cpu runs what a processor can run. -rP shows how far half precision agrees.
test-gpu: $(READY)
	$(BIN)/python -m pytest -m gpu -rsP

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "imgret needs Python 3.11 or later; this is $$($(PYTHON) --version). Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV): the first time this takes some minutes and 7 GB, most of it torch with CUDA."
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,all,smolvlm]'
	@touch $@

clean:
	rm -rf $(VENV) build dist site
