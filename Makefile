# Two commands: `make run` starts the bot, `make test` runs every test. Needs python3.11+ and pip.
PYTHON ?= python3
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run test coverage check format clean

run: .venv/run
	@$(BIN)/cliffhanger run $(ARGS)

test: .venv/dev
	@$(BIN)/python -m pytest $(ARGS)

# The same, and which lines no test has run; takes four tenths longer.
coverage: .venv/dev
	@$(BIN)/python -m pytest --cov --cov-report=term $(ARGS)

# What CI checks beside the tests: format, lint, types, and who may import whom.
check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv build *.egg-info .coverage .pytest_cache .mypy_cache .ruff_cache

# Installed anew only when what is to be installed has changed.
.venv/run: pyproject.toml constraints.txt | .venv/bin/pip
	@echo "Installing (once; torch is large) ..."
	@$(PIP_INSTALL) --editable '.[worker]'
	@touch $@

.venv/dev: .venv/run
	@$(PIP_INSTALL) --editable '.[worker,train,postgres,redis,dev]'
	@touch $@

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Cliffhanger needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv \
		|| { rm -rf .venv; echo "No virtual environment could be made. On Debian: apt install python3-venv"; exit 1; }
