# Other programs and where they are: environments in the cache folder, for `source`.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/apo
pytorch=$cache/pytorch-2.8.0
llama_cpp=$cache/llama-cpp-2026.10
look= # if set, nothing is made

# Makes the environment $1, which holds $2, unless it can import the modules $3. The function
# $4 installs into the folder that it is given.
environment() {
    "$1/bin/python" -c "import $3" 2> /dev/null && return
    [ -z "$look" ] || return 1
    echo "making an environment for $2 in $1, once" >&2
    rm -rf "$1"
    if ! { python3 -m venv "$1" && "$4" "$1"; } >&2; then
        rm -rf "$1"
        echo "$2 cannot be installed here: it is left out" >&2
        return 1
    fi
}

install() {
    local home=$1
    shift
    "$home/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}

install_pytorch() { install "$1" torch==2.8.0 'transformers==4.57.*' numpy; }
install_llama_cpp() { install "$1" xllamacpp==2026.10.11549 gguf numpy tokenizers; }

has_pytorch() { environment "$pytorch" 'PyTorch (6 GB)' 'torch, transformers' install_pytorch; }
has_llama_cpp() { environment "$llama_cpp" llama.cpp 'xllamacpp, gguf, tokenizers' install_llama_cpp; }
