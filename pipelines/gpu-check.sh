#!/usr/bin/env bash
# Checks the CUDA build on a machine with a GPU, in some ten minutes:
#
#   make build FEATURES=cuda && pipelines/gpu-check.sh [OUT] [MODEL]
#
# OUT (runs/gpu-check in the workspace) keeps what was seen: logs, kernels as PTX, tuning
# decisions, memory. MODEL is the directory of a real policy, for speeds; without it, the mini
# world's is measured. It stops at the first part that fails. PARTS names the parts to run,
# TOKENS (256) how many are decoded.
set -eu -o pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$here/runs/gpu-check}
model=${2:+$(cd "$2" && pwd)}
parts=${PARTS:-device values bytes decoding training}
bin=$here/target/release
if [ -e "$out" ] && [ ! -e "$out/summary.txt" ]; then
    echo "$out is not the work of this script; choose another folder, or remove it" >&2
    exit 2
fi
rm -rf "$out"
mkdir -p "$out"
out=$(cd "$out" && pwd)
touch "$out/summary.txt"
cd "$here"

# Prints a line, here and in the summary.
say() { echo "$*" | tee -a "$out/summary.txt"; }

# Runs the function $1, whose output goes to a log.
part() {
    local began=$SECONDS status=0
    case " $parts " in *" $1 "*) ;; *) return 0 ;; esac
    # Within a condition, Bash would go on after a command of the part that failed.
    set +e
    (set -e; "$1") > "$out/$1.log" 2>&1
    status=$?
    set -e
    if [ "$status" != 0 ]; then
        say "$1: FAILED after $((SECONDS - began)) s; the end of $out/$1.log:"
        tail -n 20 "$out/$1.log" >&2
        exit 1
    fi
    say "$1: $((SECONDS - began)) s$(if [ -s "$out/$1.txt" ]; then printf '; '; paste -sd ' ' "$out/$1.txt"; fi)"
}

# Notes a result of the part $1.
note() { local part=$1; shift; echo "$*" >> "$out/$part.txt"; }

digest() { sha256sum "$1/model.safetensors" | cut -d ' ' -f 1; }

# Tables and a policy of the mini world, made on the CPU.
prepare() {
    "$bin/hh-split" --hh fixtures/hh --take 96 --take-test 16 --rm 48 --dev 4 --quiet --out "$out/data"
    "$bin/align" sft --device cpu --model fixtures/mini --from-scratch --quiet \
        --pairs "$out/data/train-pairs.parquet" --batch 8 --learning-rate 2e-3 --out "$out/policy"
}

# The GPU is found, and computes a softmax.
device() {
    if command -v nvidia-smi > /dev/null; then nvidia-smi; fi
    "$bin/sample" --device cuda --model "$out/policy" --queries "$out/data/test-queries.parquet" \
        --samples 1 --max-new-tokens 8 --out "$out/first.parquet"
}

# Values and gradients are PyTorch's; products of f32 use no TF32.
values() {
    APO_DEVICE=cuda CUBECL_CUDA_DUMP_PTX=$out/ptx-f32 cargo test --release --workspace \
        --features cuda --test oracles --test ropes --test generation
    if ! ls "$out"/ptx-f32/*.ptx > /dev/null; then
        echo 'no kernel was compiled'
        return 1
    elif grep -l tf32 "$out"/ptx-f32/*.ptx; then
        echo 'these kernels use TF32'
        return 1
    fi
    APO_DEVICE=cuda CUBECL_CUDA_DUMP_PTX=$out/ptx-bf16 cargo test --release --workspace \
        --features cuda --test bf16
}

# A training gives the same bytes again, also when it is killed and goes on.
bytes() {
    # In place of the shell, so that a kill ends the stage.
    train() {
        exec "$bin/rm-train" --device cuda --precision "$1" --model "$out/policy" --quiet \
            --pairs "$out/data/rm-pairs.parquet" --batch 8 --epochs 3 --objective rank \
            --learning-rate 1e-3 --checkpoint-minutes 0 --tuning "$out/tuning-$1" --out "$2"
    }
    local precision run checkpoint
    for precision in f32 bf16; do
        for run in once again; do (train "$precision" "$out/$precision-$run"); done
        run=$out/$precision-killed
        checkpoint=$run.partial/checkpoints/step-00000004
        train "$precision" "$run" &
        until [ -e "$checkpoint" ]; do
            kill -0 $! || { echo 'it ended before it could be killed'; return 1; }
            sleep 0.01
        done
        kill -9 $!
        wait $! || true
        (train "$precision" "$run")
        for run in again killed; do
            if [ "$(digest "$out/$precision-once")" != "$(digest "$out/$precision-$run")" ]; then
                echo "$precision: the weights of once and $run differ"
                return 1
            fi
        done
    done
}

# Tokens per second of one row and of 64.
decoding() {
    local batch rate
    for batch in 1 64; do
        "$bin/sample" --device cuda --model "${model:-$out/policy}" --samples "$batch" \
            --queries "$out/data/test-queries.parquet" --batch "$batch" --max-new-tokens "${TOKENS:-256}" \
            --tuning "$out/tuning-decoding" --out "$out/decoded-$batch.parquet" | tee "$out/decoded-$batch.txt"
        rate=$(awk '$1 == "tokens/s" { print $2 }' "$out/decoded-$batch.txt")
        note decoding "$rate tokens/s with $batch rows"
    done
}

# The time of a reward model's training in micro-batches of 2,048 tokens.
training() {
    local began=$SECONDS
    "$bin/rm-train" --device cuda --model "${model:-$out/policy}" --pairs "$out/data/rm-pairs.parquet" \
        --objective rank --epochs 2 --micro-tokens 2048 --tuning "$out/tuning-training" --out "$out/rm"
    note training "$((SECONDS - began)) s for 2 epochs of 48 pairs"
}

prepare
if command -v nvidia-smi > /dev/null; then
    nvidia-smi --query-gpu=timestamp,memory.used --format=csv -l 1 > "$out/memory.csv" &
    trap "kill $!" EXIT
fi
for it in device values bytes decoding training; do part "$it"; done
if [ -s "$out/memory.csv" ]; then
    say "memory used on the GPU: at most $(awk -F ', ' 'NR > 1 { print $2 }' "$out/memory.csv" | sort -n | tail -n 1)"
fi
