#!/usr/bin/env bash
# Runs libFuzzer on $1 inputs, which it divides among the targets that $2 names
# (by default all of fixtures/fuzz). $3 targets run at once. libFuzzer is a crate
# that c++ compiles; the toolchain is the one that builds everything else. Inputs
# that a target gets wrong are kept in target/fuzz; put them into
# fixtures/fuzz/TARGET/, and `make test` reads them from then on.
set -eu

read -ra targets <<< "${2:-$(cd fixtures/fuzz && echo */)}"
targets=("${targets[@]%/}")
runs=$(( ($1 + ${#targets[@]} - 1) / ${#targets[@]} ))

RUSTC_WORKSPACE_WRAPPER=$PWD/pipelines/coverage.sh \
    "${CARGO:-cargo}" build --release --workspace --features apo-tests/libfuzzer --bin fuzz-bytes

run() {
    local target=$1 kept=target/fuzz/$1
    mkdir -p "$kept"
    if ! FUZZ_TARGET=$target target/release/fuzz-bytes "$kept" "fixtures/fuzz/$target" \
        -runs="$2" -seed="${FUZZ_SEED:-1}" -max_len=16384 -timeout=20 -rss_limit_mb=3000 \
        -artifact_prefix="target/fuzz/$target-" -print_final_stats=1 \
        > "target/fuzz/$target.log" 2>&1; then
        echo "$target: WRONG, see target/fuzz/$target.log; FUZZ_TARGET=$target target/release/fuzz-bytes FILE shows it again"
        return 1
    fi
    awk -v target="$target" '
        /cov: /  { for (i = 1; i < NF; i++) { if ($i == "cov:") cov = $(i + 1); if ($i == "corp:") corpus = $(i + 1) } }
        /stat::number_of_executed_units/ { n = $2 }
        /stat::average_exec_per_sec/ { speed = $2 }
        /stat::peak_rss_mb/ { mib = $2 }
        END { printf "%-16s %9d inputs, %6d per second, %5d paths, corpus %s, %d MiB\n", target, n, speed, cov, corpus, mib }
    ' "target/fuzz/$target.log"
}
export -f run

mkdir -p target/fuzz
printf '%s\n' "${targets[@]}" | xargs -P "${3:-1}" -I {} bash -c "run {} $runs" | tee target/fuzz/counts
awk '/ inputs, / { n += $2 } /WRONG/ { wrong++ } END { printf "%d inputs, %d targets wrong\n", n, wrong + 0; exit wrong > 0 }' \
    target/fuzz/counts
