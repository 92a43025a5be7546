# `make` alone prints what it can do. Needs Python 3.11 or newer, and nothing else.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
VENV := PYTHON='$(PYTHON)' sh deploy/venv.sh
BENCHMARKS := $(filter $(patsubst bench/%.py,%,$(wildcard bench/*.py)), \
	ingest storm resync latency matching convert replay pages lists scale)

.DEFAULT_GOAL := help
.PHONY: help demo test lint format types smoke bench wheel wheel-test constraints clean venv product

help: ## print this
	@echo 'make WHAT [PYTHON=python3.12] [ARGS="more arguments"]'
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { sub(/%/, "NAME", $$1); printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo '  NAME: $(BENCHMARKS)'

demo: product ## run the whole of Debitor on this machine, with a stand-in e-conomic and invented data
	@$(BIN)/debitor demo $(ARGS)

test: venv ## run all tests (ARGS="-k name"); what needs an absent PostgreSQL or RabbitMQ is skipped, with the reason
	@$(BIN)/python -m pytest $(ARGS) $(if $(STATUS_FILE),&& echo 0 >'$(STATUS_FILE)' || echo $$? >'$(STATUS_FILE)')

lint: venv ## check style, formatting and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

format: venv ## format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: venv ## check types
	@$(BIN)/mypy

smoke: product ## one webhook in, wait for its row, in a demo of its own (ARGS=--demo: in the one that runs here)
	@$(BIN)/python deploy/smoke.py $(ARGS)

bench: $(BENCHMARKS:%=bench-%) ## run all benchmarks (BENCH_SCALE=0.1 shrinks them)

bench-%: venv ## run one benchmark
	@$(BIN)/python -m bench.$* $(ARGS)

wheel: product ## build dist/debitor-….whl
	@rm -rf build dist
	@$(BIN)/python -m pip wheel -qq --disable-pip-version-check --no-deps --wheel-dir dist .
	@rm -rf build
	@ls dist/*.whl

wheel-test: wheel ## install the wheel into a fresh environment outside this folder and run it there
	@$(BIN)/python deploy/wheel_test.py dist/*.whl

constraints: ## renew constraints.txt: the newest versions that fit pyproject.toml (use the oldest Python, 3.11)
	@rm -rf .venv-new && $(PYTHON) -m venv .venv-new
	@.venv-new/bin/python -m pip install -qq --disable-pip-version-check -e '.[dev]'
	@.venv-new/bin/python -m pip freeze --exclude-editable >constraints.txt
	@rm -rf .venv-new

clean: ## remove what was built and cached; data in var/ and .venv stay
	@rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .venv-new
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

venv:
	@$(VENV) dev

product:
	@$(VENV) product
