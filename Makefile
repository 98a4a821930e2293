# make run     an engine and its Asterisk, from nothing; Ctrl-C stops both.   make run ARGS="--sip-port 5080"
# make test    everything that is checked, the same on your machine and in CI
# make bench   the side-by-side measurements; takes long
# make clean   removes what the others made in this clone, but not var/: that holds calls

.DEFAULT_GOAL := help
.PHONY: help run test bench clean environment environment-test
# The recipes name nothing by its whole path, so a clone may lie anywhere, below folders with spaces too.
PYTHON ?=
export PYTHON
ARGS ?=
# One fewer than a machine's usual four: two suffice, since the tests wait for calls rather than compute.
WORKERS ?= 2
python := .venv/bin/python
pure := telefonista/kernel telefonista/pbx/wire telefonista/metrics/formulas.py \
        ivr/core acd/core agents/core recordings/core dialplans/core

help:
	@sed -n 's/^# //p' Makefile | head -4

environment:
	@packaging/environment.sh

environment-test:
	@packaging/environment.sh test

run: environment
	@exec .venv/bin/telefonista run $(ARGS)

test: environment-test
	@$(python) -m telefonista.pbx.packages asterisk sipp espeak-ng
	$(python) -m ruff check
	$(python) -m ruff format --check
	$(python) -m mypy
	.venv/bin/lint-imports
	$(python) -m pytest -n $(WORKERS) $(ARGS)

bench: environment-test
	@exec $(python) -m benchmarks $(ARGS)

clean:
	rm -rf .venv .venv.lock build dist *.egg-info .coverage .coverage.* \
	    .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
