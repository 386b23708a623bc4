#!/usr/bin/env bash
# Prints the path of a Python with pyarrow, for the test of the example in Python,
# and with tensorboard, to read curves. Makes an environment for it in the folder $1
# if there is none. If that fails, stdout stays empty and stderr says why.
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
