#!/usr/bin/env bash
# Prints a Python that has pyarrow, for the example of a stage of one's own, and
# tensorboard, to read curves: makes an environment in the folder $1 where there
# is none. Prints nothing, and says why on stderr, where it cannot be had.
set -eu

home=$1
if ! "$home/bin/python" -c 'import pyarrow, tensorboard' 2> /dev/null; then
    rm -rf "$home"
    if ! { python3 -m venv "$home" \
        && "$home/bin/python" -m pip install --quiet --disable-pip-version-check pyarrow tensorboard; } >&2; then
        rm -rf "$home"
        echo "pyarrow and tensorboard cannot be installed here: the example in Python and the curves are not tested" >&2
        exit 0
    fi
fi
echo "$home/bin/python"
