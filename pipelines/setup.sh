#!/usr/bin/env bash
# Makes sure that a Rust toolchain and a C compiler are installed; if they cannot
# be, says what to install.
set -eu

missing=()
command -v cc > /dev/null || missing+=(gcc libc6-dev)
command -v c++ > /dev/null || missing+=(g++)
command -v cargo > /dev/null || [ -x "$HOME/.cargo/bin/cargo" ] || missing+=(rustup)
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
        echo "missing: ${missing[*]}; install them (these are Debian's names) and run make again" >&2
        exit 1
    fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "${missing[@]}" > /dev/null
fi

if command -v rustup > /dev/null; then
    rustup show active-toolchain > /dev/null 2>&1 || rustup default stable
    for component in rustfmt clippy; do
        rustup component list --installed | grep -q "^$component" || rustup component add "$component"
    done
fi
