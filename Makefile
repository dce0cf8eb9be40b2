# make train: install, then train FM-GAN + SNTG on digits.   make test: install, then run the tests.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: train test
train: .venv/installed
	$(BIN)/gan-sntg train --config configs/digits_20/fm_gan.yaml

test: .venv/installed
	$(BIN)/python -m pytest -n 2

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 4) and "Python 3.11.4 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@
