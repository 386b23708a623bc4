#!/usr/bin/env bash
# Runs a stage: diverged.sh STAGE ARGUMENTS... If a number is not finite (exit code 5), a line
# in RUN/diverged says what the stage told of it.
set -u

messages=$(mktemp)
trap 'rm -f -- "$messages"' EXIT
{
    "$@" 2>&1 >&3 | tee -- "$messages" >&2
    status=${PIPESTATUS[0]}
} 3>&1
if [ "$status" -eq 5 ]; then
    out=
    problem=$(grep "^${1##*/}: " -- "$messages" | tail -n 1)
    problem=${problem#*: }
    while [ $# -gt 0 ]; do
        [ "$1" != --out ] || out=$2
        shift
    done
    problem="${out#"$RUN"/}: ${problem%%;*}"
    # A setting is written between single quotes.
    printf '%s\n' "${problem//\'/’}" >> "$RUN/diverged"
fi
exit "$status"
