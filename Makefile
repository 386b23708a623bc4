# The APO workspace: builds, tests, and plays rounds. `make help` explains.

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS   += --no-builtin-rules --warn-undefined-variables

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SECONDARY:

CARGO ?= cargo

.PHONY: help test
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## Formatting, lints, documentation, all tests
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --release --workspace --no-deps --document-private-items
	$(CARGO) test --release --workspace
