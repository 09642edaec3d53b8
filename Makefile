# make navigate [GOAL="find the red chair"] [HOUSE=800003] [HEADLESS=1]
# make test [TESTS="tests/layout -k pins"]
# Both install what they need into .venv first; PYTHON=python3.12 chooses the interpreter.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL: # one pip at a time in one environment

GOAL ?= find the red chair
HOUSE ?= 800003
HEADLESS ?=
TESTS ?=
# By way of the environment, quotes in the instruction reach the program as they are.
export GOAL

# A shell that has sourced another ROS would mix its libraries with those of .venv.
unexport PYTHONPATH AMENT_PREFIX_PATH LD_LIBRARY_PATH RMW_IMPLEMENTATION _ROS_WHEELS_BOOTSTRAP_COMPLETE

# An environment that exists keeps its interpreter; a new one takes the first that the ROS 2 wheels exist for.
SUITABLE := import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))
PYTHON ?= $(firstword $(foreach p,.venv/bin/python python3 python3.12 python3.11,\
  $(if $(shell $(p) -c '$(SUITABLE)' 2>/dev/null && echo yes),$(p))) python3)
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)

# --no-build-isolation: the build tools are pinned like everything else, not fetched anew at each build.
PIP := .venv/bin/python -m pip --disable-pip-version-check install --no-build-isolation --constraint constraints.txt
INTERFACES := $(shell find ros2_ws/src/vlingnav_interfaces -type f 2>/dev/null)
ROBOT := $(wildcard $(addprefix ros2_ws/src/vlingnav/,*.py *.cfg *.xml config/* config/*/* resource/*) launch/*)

.PHONY: help navigate test lint install install-test clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile
	@echo 'make lint | install | install-test | clean'

navigate: install
	@.venv/bin/vlingnav up navigate --house $(HOUSE) --goal "$$GOAL" $(if $(filter-out 0,$(HEADLESS)),--headless)

test: install-test
	@.venv/bin/pytest $(TESTS)

lint: install-test
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

# What follows leaves an empty file in .venv for each step, as old as that step.
install: .venv/.robot
install-test: .venv/.robot .venv/.test

.venv/.python$(VERSION):
	@$(PYTHON) -c '$(SUITABLE)' 2>/dev/null || { echo >&2 \
	  'VLingNav needs Python 3.11 or 3.12, and $(PYTHON) is $(or $(VERSION),not there); try: make PYTHON=python3.12 ...'; \
	  exit 1; }
	@$(PYTHON) models/vlingnav_cli/machine.py
	@echo '== making .venv with Python $(VERSION)'
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/.navigate: .venv/.python$(VERSION) pyproject.toml constraints.txt
	@echo '== installing ROS 2, the simulator and the inference engine (about 350 MB to fetch the first time)'
	@$(PIP) hatchling editables setuptools
	@$(PIP) --editable '.[ros,sim]'
	@touch $@

.venv/.interfaces: .venv/.navigate ros2_ws/build_interfaces.py $(INTERFACES)
	@echo '== building vlingnav_interfaces (half a minute)'
	@.venv/bin/python ros2_ws/build_interfaces.py
	@touch $@

# --use-pep517: the older way of Debian 12's pip would heed setup.cfg and put the programs where colcon has them.
.venv/.robot: .venv/.interfaces $(ROBOT)
	@echo '== installing the ROS package'
	@$(PIP) --no-deps --use-pep517 --editable ros2_ws/src/vlingnav
	@touch $@

# torch comes first and alone, so that nothing else chooses it. pip prefers a CPU build (2.13.0+cpu) wherever it
# is offered one; on an ordinary x86 machine, set PIP_EXTRA_INDEX_URL to the CPU index that PyTorch's page "Get
# started" names, or pip takes the build with CUDA (several GB).
.venv/.test: .venv/.navigate
	@echo '== installing torch and the test tools'
	@$(PIP) torch
	@$(PIP) --editable '.[ros,sim,train,data,dev]'
	@touch $@

clean:
	rm -rf .venv ros2_ws/build ros2_ws/install ros2_ws/log ros2_ws/src/vlingnav/*.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find models sim datasets ros2_ws launch tests -name __pycache__ -prune -exec rm -rf {} +
