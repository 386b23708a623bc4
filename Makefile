# The APO workspace: builds, tests, and plays rounds. `make help` explains.
# Needs GNU make 4.3 or later, for targets made together (`&:`).

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS   += --no-builtin-rules --warn-undefined-variables

.DEFAULT_GOAL := help
.DELETE_ON_ERROR: # a stage that fails leaves no target behind

# ---- settings ---------------------------------------------------------------

CONFIG   ?= mini
METHOD   ?= dpo
FEATURES ?=
CARGO    ?= cargo

# Broken inputs for readers of bytes, all together, and runs of stages with them
FUZZ_BYTES  ?= 1000000
FUZZ_STAGES ?= 10000
FUZZ_JOBS   ?= $(shell nproc)

# Where rustup puts what pipelines/setup.sh may have installed a moment ago.
export PATH := $(HOME)/.cargo/bin:$(PATH)

include pipelines/$(CONFIG).mk

# ---- verbs ------------------------------------------------------------------

.PHONY: help setup build test crash fuzz miri check-cuda clean FORCE
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  Settings, as in `make round-1 CONFIG=smollm2 METHOD=rjs`:'
	@echo '  CONFIG=$(CONFIG)    $(patsubst pipelines/%.mk,%,$(filter-out %/round.mk %/run.mk %/tables.mk %/bench.mk,$(wildcard pipelines/*.mk))): settings are pipelines/CONFIG.mk'
	@echo '  METHOD=$(METHOD)     dpo, rjs or rrhf'
	@echo '  FEATURES=       cuda or wgpu, to build that backend in'
	@echo '  HH=, MODEL=     HH folder and model directory of real text; ANSWERS=, golden answers'

build: setup ## Build all stages
	$(CARGO) build --release --workspace $(if $(FEATURES),--features $(FEATURES))

# No part of a run
test: export APO_TIMES :=
test: setup ## Formatting, lints, documentation, all tests, the mini round
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --release --workspace --no-deps --document-private-items
	$(CARGO) build --release --workspace
	pipelines/strace.sh
	python=$$(pipelines/python.sh target/python) && chromium=$$(pipelines/chromium.sh) && \
	  env $${python:+APO_PYTHON=$$PWD/$$python} $${chromium:+APO_CHROMIUM=$$chromium} \
	  $(CARGO) test --release --workspace
	$(MAKE) check-cuda

crash: build ## Break every stage at each system call that changes the disk (minutes)
	pipelines/strace.sh
	target/release/crash

fuzz: build ## Give broken files to all that reads bytes, and to every stage (a quarter of an hour)
	pipelines/strace.sh
	CARGO=$(CARGO) pipelines/fuzz.sh $(FUZZ_BYTES) '' $(FUZZ_JOBS)
	target/release/fuzz-stages --runs $(FUZZ_STAGES) --jobs $(FUZZ_JOBS)

miri: setup ## Run the kernels' tests under Miri, which finds undefined behaviour (minutes)
	rustup toolchain install nightly --profile minimal --component miri --component rust-src
	MIRIFLAGS='-Zmiri-disable-isolation -Zmiri-ignore-leaks -Zmiri-tree-borrows' RAYON_NUM_THREADS=2 \
	  cargo +nightly miri test -p apo-kernels --target-dir target/miri

check-cuda: setup ## Type-check the CUDA build, where there need be no CUDA
	DOCS_RS=1 $(CARGO) check --release --workspace --features cuda

clean: ## Remove the runs of this CONFIG
	rm -rf -- $(RUN)

setup:
	@pipelines/setup.sh

include pipelines/round.mk
include pipelines/run.mk
include pipelines/tables.mk
include pipelines/bench.mk
