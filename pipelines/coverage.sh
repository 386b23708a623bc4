#!/usr/bin/env bash
# Compiles a crate of the workspace with counters that libFuzzer reads, and with
# checks of overflow. Cargo calls it as RUSTC_WORKSPACE_WRAPPER, so other people's
# crates are compiled as in every other build.
set -eu

exec "$@" -C overflow-checks=on -C debug-assertions=on \
    -C passes=sancov-module \
    -C llvm-args=-sanitizer-coverage-level=4 \
    -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
    -C llvm-args=-sanitizer-coverage-pc-table \
    -C llvm-args=-sanitizer-coverage-trace-compares
