# Everything a contributor runs. Only Python >= 3.11 with its venv module, and make, have to be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --extra practice
WORKERS ?= auto

.PHONY: practice wizard test check lint types contracts all-tests peers crash-matrix workshop bench walkthrough pictures snapshots help-text lock upgrade clean

practice: $(VENV)/.ready
	@$(BIN)/kube-registry practice

wizard: $(VENV)/.ready
	@$(BIN)/kube-registry

test: $(VENV)/.dev-ready
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow and not e2e and not peers"

check: lint types contracts all-tests

lint: $(VENV)/.dev-ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev-ready
	$(BIN)/mypy

contracts: $(VENV)/.dev-ready
	$(BIN)/lint-imports

all-tests: $(VENV)/.dev-ready
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# Holds the practice world against a real Kubernetes, which is built first (Go 1.26 or newer, some minutes).
peers: $(VENV)/.dev-ready
	bash tests/peers/install
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile tests/peers

# Every fault at every request of apply and undo; half an hour on four cores. Writes bench/results/crash-matrix.md.
crash-matrix: $(VENV)/.dev-ready
	$(BIN)/python -m tests.crash

# Fifty setups applied at once in one practice world; some minutes. Writes bench/results/workshop.md.
workshop: $(VENV)/.dev-ready
	$(BIN)/python -m bench.workshop

# Measures and writes bench/results/.
bench: $(VENV)/.dev-ready
	$(BIN)/python -m bench

# Makes tests/e2e/walkthrough.txt anew: the keys pressed and the screens seen.
walkthrough: $(VENV)/.dev-ready
	$(BIN)/python -m tests.e2e.walkthrough

# Makes the README's pictures anew, from the wizard itself.
pictures: $(VENV)/.dev-ready
	$(BIN)/python -m tests.e2e.pictures

# Takes the screens as they look now for what they are to look like; PICTURES=DIRECTORY puts SVGs there.
snapshots: $(VENV)/.dev-ready
	$(BIN)/python -m tests.pilot.album $(PICTURES)

# Puts the generated help output into the README.
help-text: $(VENV)/.dev-ready
	$(BIN)/python -m tests.unit.readme_help

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q $(VENV)/lib wizard screens || true
	@touch $@

$(VENV)/.dev-ready: requirements-dev.lock $(VENV)/.ready
	$(PIP) -r requirements-dev.lock
	@touch $@

lock: $(VENV)/.dev-ready
	$(COMPILE) --group build pyproject.toml -o requirements.lock
	$(COMPILE) --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

upgrade: $(VENV)/.dev-ready
	$(COMPILE) --upgrade --group build pyproject.toml -o requirements.lock
	$(COMPILE) --upgrade --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
