#!/usr/bin/env bash
# Begins a run with hard links to what other runs made: link-run.sh RUN FROM...
# Stages replace files and never change them, so what the new run makes stays its own.
set -eu

run=$1
shift
rm -rf -- "$run"
mkdir -p -- "$run/settings"
for from in "$@"; do
    for it in "$from"/*; do
        case ${it##*/} in
        settings | tensorboard | times.jsonl | run.json) continue ;;
        diverged) cp -a -- "$it" "$run/" ;; # it is written in its place, as settings are
        *) [ -e "$run/${it##*/}" ] || cp -al -- "$it" "$run/" ;;
        esac
    done
    for it in "$from"/settings/*; do
        [ -e "$run/settings/${it##*/}" ] || cp -a -- "$it" "$run/settings/"
    done
done
# A working folder is changed in its place.
find "$run" -name '*.partial' -prune -exec rm -rf {} +
