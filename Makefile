# make run     an engine and its Asterisk, from nothing; Ctrl-C stops both.   make run ARGS="--sip-port 5080"
# make test    everything that is checked, the same on your machine and in CI
# make bench   the side-by-side measurements; takes long
# make clean   removes what the others made in this clone, but not var/: that holds calls

.DEFAULT_GOAL := help
.PHONY: help run test bench clean environment environment-test
# The recipes name nothing by its whole path, so that a clone may lie anywhere, below folders with blanks too.
PYTHON ?=
export PYTHON
ARGS ?=
# More than there are cores: the tests wait for calls more than they compute.
WORKERS ?= 4
python := .venv/bin/python

help:
	@sed -n 's/^# make/make/p' Makefile

environment:
	@packaging/environment.sh

environment-test:
	@packaging/environment.sh test

run: environment
	@exec .venv/bin/telefonista run $(ARGS)

# Cheap checks first. Coverage is that of the pure parts (setup.cfg), every branch of them. Work is stolen, so that one
# worker is with Asterisk, waiting for calls, while the other computes.
test: environment-test
	@$(python) packaging/tools.py
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy
	.venv/bin/lint-imports --no-logo
	$(python) -m pytest --numprocesses $(WORKERS) --dist worksteal --cov --cov-fail-under 100 $(ARGS)

bench: environment-test
	@exec $(python) -m benchmarks $(ARGS)

clean:
	rm -rf .venv .venv.lock build dist *.egg-info .coverage .coverage.* \
	    .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
