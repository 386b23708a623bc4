#!/usr/bin/env bash
# Prints the folder of NVIDIA's libdevice, which the CUDA build's exponentials need, and of
# ptxas, which assembles its kernels. Two Python packages bring them to the folder $1 (250
# MB) unless they are there.
set -eu

home=$1
tools=$home/packages/nvidia/cu13
if [ ! -x "$tools/bin/ptxas" ] || [ ! -e "$tools/nvvm/libdevice/libdevice.10.bc" ]; then
    rm -rf "$home"
    if ! { python3 -m venv "$home" && "$home/bin/python" -m pip install --quiet \
        --disable-pip-version-check --no-deps --target "$home/packages" \
        nvidia-nvvm==13.5.37 nvidia-cuda-nvcc==13.5.37; } >&2; then
        rm -rf "$home"
        echo "the Python packages nvidia-nvvm and nvidia-cuda-nvcc cannot be installed here" \
            "(see above)" >&2
        exit 1
    fi
fi
echo "$tools"
