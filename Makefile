# setup, dev, test, check, fix, bench, soak, docs, image: the whole vocabulary.
#
#   make dev     a server that keeps its data under .dev/, in the foreground
#   make test    the whole test suite            (ARGS="-k policy" narrows it)
#   make check   formatter, linters, types, import contracts, docs, in seconds
#   make fix     what the formatter and the linter can mend by themselves
#   make bench   Custody beside OpenBao (BAO=/path/to/bao) and the bare listener
#   make soak    the crash tests, 200 rounds of each
#   make docs    the reference from the code, every link checked, the site built into site/
#   make image   the container image, built and tried out, as root (BASE=an image with Python)
#   make setup   .venv with the command `custody`; every other target calls it

BIN := .venv/bin
ROUNDS ?= 200

.DEFAULT_GOAL := help
.PHONY: help setup dev test check fix bench soak docs image

help:
	@sed -n 's/^#   //p' Makefile

setup:
	@tools/setup.sh

dev: setup
	@exec $(BIN)/python -m tools.dev

test: setup
	@tools/packages.sh test
	@$(BIN)/pytest -q -n 2 --dist loadscope --no-loadscope-reorder $(ARGS)

check: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tools.docs --check

fix: setup
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup
	@tools/packages.sh bench
	@$(BIN)/python -m bench.run $(ARGS)

soak: setup
	@tools/packages.sh test
	@$(BIN)/pytest -q tests/crash --rounds=$(ROUNDS) $(ARGS)

docs: setup
	@$(BIN)/python -m tools.docs

image: setup
	@tools/packages.sh image
	@BASE=$(BASE) $(BIN)/python -m tools.image
