#!/usr/bin/env bash
# Runs a command with the variables by which tests find other programs: APO_PYTORCH, a
# Python with PyTorch and transformers; APO_LLAMA_CPP, a Python with llama.cpp; and
# APO_CONVERTER, the folder of llama.cpp's own converter to GGUF, which the first one runs.
# Brings what is missing to the cache folder; with --look, it is left out. What is
# unavailable is left out, with a line on stderr.
set -eu

source "$(dirname "$0")/environments.sh"
converter=$cache/llama-cpp-converter-0.3.36
if [ "$1" = --look ]; then
    look=yes
    shift
fi

# The converter is in no package but the source of llama-cpp-python. Beside PyTorch's
# environment, it needs sentencepiece.
bring_converter() {
    local source='*/vendor/llama.cpp'
    install "$pytorch" --no-deps --target "$1" sentencepiece==0.2.1 &&
        "$pytorch/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps \
            --no-binary llama-cpp-python --dest "$1" llama-cpp-python==0.3.36 &&
        tar -xzf "$1"/llama_cpp_python-*.tar.gz -C "$1" --strip-components=3 --wildcards \
            "$source/convert_hf_to_gguf.py" "$source/conversion/*" "$source/gguf-py/gguf/*" \
            "$source/models/ggml-vocab-gpt-2.gguf" &&
        rm "$1"/llama_cpp_python-*.tar.gz
}

has_converter() {
    [ ! -e "$converter/convert_hf_to_gguf.py" ] || return 0
    [ -z "$look" ] || return 1
    echo "bringing llama.cpp's converter to $converter, once" >&2
    local partial
    partial=$(mktemp -d "$converter.XXXXXX")
    if ! { bring_converter "$partial" && mv "$partial" "$converter"; } >&2; then
        rm -rf "$partial"
        echo "llama.cpp's converter cannot be brought here: it is left out" >&2
        return 1
    fi
}

if has_pytorch; then
    export APO_PYTORCH=$pytorch/bin/python
    ! has_converter || export APO_CONVERTER=$converter
fi
! has_llama_cpp || export APO_LLAMA_CPP=$llama_cpp/bin/python
exec "$@"
