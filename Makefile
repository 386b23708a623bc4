# The APO workspace: builds, tests and runs rounds. `make help` lists the goals.
# Needs GNU make 4.3 or later.

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

# Number of broken inputs for readers of bytes, and of runs of stages with them
FUZZ_BYTES  ?= 1000000
FUZZ_STAGES ?= 10000
FUZZ_JOBS   ?= $(shell nproc)

# Where `make test-values` runs the kernels of GPUs
BACKENDS ?= wgpu cubecl-cpu

# pipelines/setup.sh may just have installed Rust, which rustup puts there.
export PATH := $(HOME)/.cargo/bin:$(PATH)

# Stops for a setting that is missing, with the message $(1), unless all goals are among
# those that need none: help, builds, and those in $(2).
required = $(if $(filter-out help setup build test $(2),$(or $(MAKECMDGOALS),help)),$(error $(1)))

include pipelines/$(CONFIG).mk

# ---- verbs ------------------------------------------------------------------

.PHONY: help setup build test crash fuzz miri test-peers test-cuda test-values check-cuda clean FORCE
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  Settings, as in `make round-1 CONFIG=smollm2 METHOD=rjs`:'
	@echo '  CONFIG=$(CONFIG)    $(patsubst pipelines/%.mk,%,$(shell grep -l '^START' pipelines/*.mk)): settings are pipelines/CONFIG.mk'
	@echo '  METHOD=$(METHOD)     dpo, rjs or rrhf'
	@echo '  FEATURES=       cuda or wgpu, to build that backend in'
	@echo '  HH=, MODEL=     HH folder and model directory of real text, or names on the hub; ANSWERS=, golden answers'

build: setup ## Build all stages
	$(CARGO) build --release --workspace $(if $(FEATURES),--features $(FEATURES))

# Tests do not belong to a run.
test: export APO_TIMES :=
test: setup ## Formatting, lints, documentation, all tests, the mini round
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --release --workspace --no-deps --document-private-items
	$(CARGO) build --release --workspace
	pipelines/strace.sh
	python=$$(pipelines/python.sh target/python) && chromium=$$(pipelines/chromium.sh) && \
	  env $${python:+APO_PYTHON=$$PWD/$$python} $${chromium:+APO_CHROMIUM=$$chromium} \
	  pipelines/with-peers.sh --look $(CARGO) test --release --workspace
	$(MAKE) check-cuda

crash: build ## Kill every stage at each system call that changes the disk, or fail the call (minutes)
	pipelines/strace.sh
	target/release/crash

fuzz: build ## Feed broken files to everything that reads bytes, and to every stage (15 minutes)
	pipelines/strace.sh
	CARGO=$(CARGO) pipelines/fuzz.sh $(FUZZ_BYTES) '' $(FUZZ_JOBS)
	target/release/fuzz-stages --runs $(FUZZ_STAGES) --jobs $(FUZZ_JOBS)

miri: setup ## Run the kernels' tests under Miri, which finds undefined behaviour (minutes)
	@$(CARGO) +nightly miri --version > /dev/null 2>&1 || \
	  rustup toolchain install nightly --profile minimal --component miri --component rust-src || \
	  { echo 'Miri is not installed, and rustup could not install it (see above)' >&2; exit 2; }
	MIRIFLAGS='-Zmiri-disable-isolation -Zmiri-ignore-leaks -Zmiri-tree-borrows' RAYON_NUM_THREADS=2 \
	  $(CARGO) +nightly miri test -p apo-kernels --target-dir target/miri

test-peers: build ## Load what the stages write in transformers and llama.cpp, sample by its server, compare
	pipelines/with-peers.sh $(CARGO) test --release --workspace --test peers --test llama_cpp_server -- --nocapture

test-cuda: FEATURES := cuda
test-cuda: setup ## Link the CUDA build and run the stages under a stand-in for the driver
	tools=$$(pipelines/cuda-tools.sh target/cuda-tools) && \
	  $(CARGO) build --release --workspace --features cuda --lib --bins --test cuda && \
	  APO_CUDA=$$PWD/$$tools $(CARGO) test --release --workspace --features cuda --test cuda -- --nocapture

# Kernels of GPUs without one: by Vulkan in software, and by CubeCL's compiler for CPUs, with
# rows padded as on CUDA. There, threads wait for each other so long that generation is left out.
test-values: FEATURES := $(if $(filter cubecl-cpu,$(BACKENDS)),cuda)
test-values: MANIFEST := $(if $(filter cubecl-cpu,$(BACKENDS)),target/padded/)Cargo.toml
test-values: setup ## Compare what GPUs compute with PyTorch's values, on backends that need no GPU
	$(if $(filter cubecl-cpu,$(BACKENDS)),pipelines/padded-rows.sh target/padded)
	vulkan=$$(pipelines/vulkan.sh) && for backend in $(BACKENDS); do \
	  [ "$$backend" != wgpu ] || [ -n "$$vulkan" ] || continue; \
	  VK_DRIVER_FILES=$$vulkan XDG_RUNTIME_DIR=$${XDG_RUNTIME_DIR:-/tmp} APO_DEVICE=$$backend \
	    $(CARGO) test --release --manifest-path $(MANIFEST) --target-dir target -p apo-decoder \
	    --features '$(BACKENDS)' --test oracles --test ropes --test bf16 \
	    $$([ "$$backend" = cubecl-cpu ] || echo --test generation) || exit; \
	done

# What Cargo built with LLVM, it would build again without.
check-cuda: setup ## Type-check the CUDA build; needs neither CUDA nor LLVM
	pipelines/llvm.sh --look || export DOCS_RS=1; \
	  $(CARGO) check --release --workspace --features cuda

clean: ## Remove the runs of this CONFIG
	rm -rf -- $(RUN)

setup:
	@pipelines/setup.sh
	@$(if $(filter cuda,$(FEATURES)),pipelines/llvm.sh)

include pipelines/round.mk
include pipelines/run.mk
include pipelines/tables.mk
include pipelines/seeds.mk
include pipelines/map.mk
include pipelines/bench.mk
