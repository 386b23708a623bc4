#!/usr/bin/env bash
# Compiles a crate of the workspace with counters that libFuzzer reads, and with
# checks of overflow: cargo's RUSTC_WORKSPACE_WRAPPER. Other people's crates are
# left as every other build has them.
set -eu

exec "$@" -C overflow-checks=on -C debug-assertions=on \
    -C passes=sancov-module \
    -C llvm-args=-sanitizer-coverage-level=4 \
    -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
    -C llvm-args=-sanitizer-coverage-pc-table \
    -C llvm-args=-sanitizer-coverage-trace-compares
