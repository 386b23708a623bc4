#!/usr/bin/env bash
# Runs a stage: diverged.sh STAGE ARGUMENTS... If it ends because a number is not finite, a
# line in RUN/diverged says which.
set -u

messages=$(mktemp)
trap 'rm -f -- "$messages"' EXIT
{
    "$@" 2>&1 >&3 | tee -- "$messages" >&2
    status=${PIPESTATUS[0]}
} 3>&1
problem=$(grep -E -o '[^:]*: [^:;]* is -?(NaN|inf); expected a finite number' -- "$messages" | tail -n 1)
if [ "$status" -ne 0 ] && [ -n "$problem" ]; then
    out=
    while [ $# -gt 0 ]; do
        [ "$1" != --out ] || out=$2
        shift
    done
    problem=${out#"$RUN"/}:${problem%; expected*}
    # A setting is written between single quotes.
    printf '%s\n' "${problem//\'/’}" >> "$RUN/diverged"
fi
exit "$status"
