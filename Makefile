# Everything here needs python3 and a network, and nothing else: the virtual environment is made on first use and made
# anew when requirements/ or setup.py changed.
#
#   make demo STACK=upstream        the last releases of OpenMMLab itself instead of the maintained fork
#   make demo PYTHON=python3.12     another interpreter
#   make test VENV=/somewhere/venv  another place for the environment
#   make test TESTS=tests/compat    some of the tests
#   make attack N=1000 ATTACK=files  a campaign against the program, longer than a test

# Which OpenMMLab: onedl or upstream. Each has an environment of its own.
STACK ?= onedl
VENV ?= .venvs/$(STACK)
PYTHON ?=
TESTS ?=
# Processes for the tests. Each loads all of OpenMMLab (about 1 GB) and computes in one thread.
TEST_WORKERS ?= 2
# The campaign: attempts on each subject, the subjects (none: all), and the seed.
N ?= 100
ATTACK ?=
SEED ?= 0
SHELL := /bin/bash

.DEFAULT_GOAL := help
.PHONY: help install demo test attack lint check-wheel test-matrix clean

help:
	@echo 'make demo         pre-train, look at reconstructions, detect and segment, on the data in demo/data'
	@echo 'make test         all tests'
	@echo 'make attack       damaged files, bad values and kills, N=100 of each, for as long as it takes'
	@echo 'make lint         ruff'
	@echo 'make check-wheel  the quick start of the README from a wheel in a fresh environment, away from the checkout'
	@echo 'make test-matrix  the fast tests on both OpenMMLabs, the oldest and newest PyTorch, and other Pythons'
	@echo 'make install      only the virtual environment ($(VENV))'
	@echo 'make clean        remove what the above made, the environment included'

install: $(VENV)/.installed

$(VENV)/.installed: $(wildcard requirements/*.txt) setup.py .ci/install
	@mkdir -p '$(dir $(VENV))'
	@STACK='$(STACK)' PYTHON='$(PYTHON)' .ci/install '$(VENV)'

demo: $(VENV)/.installed
	$(VENV)/bin/python demo/run_demo.py

test: $(VENV)/.installed
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(VENV)/bin/python -m pytest -q -n $(TEST_WORKERS) $(TESTS)

attack: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m tests.attack $(ATTACK) --tries $(N) --seed $(SEED)

lint: $(VENV)/.installed
	$(VENV)/bin/ruff check .

check-wheel: $(VENV)/.installed
	.ci/check_wheel '$(VENV)' '$(STACK)'

test-matrix:
	.ci/test_matrix

clean:
	rm -rf .venv .venvs build dist *.egg-info .pytest_cache .ruff_cache mmsimmim/.mim
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
