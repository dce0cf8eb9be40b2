# make train: install, then train FM-GAN + SNTG on digits.   make test: install, then check style and types and run the tests.
# make lint: the checks alone.   make coverage: the tests, with the lines and branches that none of them reaches.
# make docs: the site, in build/docs/index.html; a warning, such as a link that leads nowhere, is an error.
# make notebook: docs/quickstart.ipynb, run anew.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: train lint test coverage docs notebook
train: .venv/installed
	$(BIN)/gan-sntg train --config configs/digits_20/fm_gan.yaml

lint: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python

# Tests of a file share their runs: a file stays with one of the two workers.
test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

coverage: .venv/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov

docs: .venv/documented
	$(BIN)/sphinx-build --fail-on-warning --keep-going --nitpicky --quiet docs build/docs

notebook: .venv/documented
	rm -rf build/runs/quickstart
	$(BIN)/python docs/notebook.py

.venv/documented: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[docs]'
	touch $@

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 4) and "Python 3.11.4 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@
