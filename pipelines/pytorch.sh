#!/usr/bin/env bash
# Prints the options with which `bench` runs PyTorch's side, from scripts in the
# folder $1: makes an environment in the cache folder where there is none. Prints
# nothing, and says why on stderr, where PyTorch cannot be had.
set -eu

home=${XDG_CACHE_HOME:-$HOME/.cache}/apo/pytorch-2.8.0
if ! "$home/bin/python" -c 'import torch, transformers' 2> /dev/null; then
    echo "making a PyTorch environment in $home (some 6 GB, once)" >&2
    rm -rf "$home"
    if ! { python3 -m venv "$home" && "$home/bin/python" -m pip install --quiet \
        --disable-pip-version-check torch==2.8.0 'transformers==4.57.*' numpy; } >&2; then
        rm -rf "$home"
        echo "PyTorch cannot be installed here: only ours is measured" >&2
        exit 0
    fi
fi
echo "--peers $1 --python $home/bin/python"
