#!/usr/bin/env bash
# Puts LLVM where the CUDA build looks for it: CubeCL compiles its kernels to PTX by LLVM's
# NVPTX. A system's LLVM of the right version serves; otherwise two Python packages with
# LLVM as static libraries (400 MB) do. With --look, it only tells whether LLVM is there.
set -eu

# tracel-llvm-bundler would download a build of its own if this folder were not there.
version=$(awk '/^name = "tracel-llvm-bundler"$/ { getline; gsub(/[^0-9.-]/, ""); print }' Cargo.lock)
home=${XDG_DATA_HOME:-$HOME/.local/share}/tracel/tracel-llvm-$version
mark=$home/.tracel-llvm-installed
[ -e "$mark" ] && [ -x "$home/bin/llvm-config" ] && exit
[ "${1:-}" != --look ] || exit 1

major=${version%%.*}
# Whether $1 configures an LLVM of this version with NVPTX, as static libraries.
serves() {
    case $("$1" --version 2> /dev/null) in "${version%.*}".*) ;; *) return 1 ;; esac
    "$1" --targets-built | grep -qw NVPTX && "$1" --link-static --libs > /dev/null 2>&1
}

mkdir -p "$(dirname "$home")"
rm -rf "$home"
partial=$(mktemp -d "$home.XXXXXX")
trap 'rm -rf "$partial"' EXIT
for config in "llvm-config-$major" llvm-config "/usr/lib/llvm-$major/bin/llvm-config"; do
    if serves "$config"; then
        mkdir "$partial/bin"
        ln -s "$(command -v "$config")" "$partial/bin/llvm-config"
        break
    fi
done
if [ ! -e "$partial/bin" ]; then
    echo "bringing LLVM $major for the CUDA build to $home, once" >&2
    if ! { python3 -m venv "$partial/python" && "$partial/python/bin/python" -m pip install --quiet \
        --disable-pip-version-check --no-deps --target "$partial/packages" \
        mlc-llvm-static==23.1.1.post0 mlc-llvm-static-extra-targets==23.1.1.post0; } >&2; then
        echo "the Python packages mlc-llvm-static and mlc-llvm-static-extra-targets cannot be" \
            "installed here (see above), and there is no LLVM $major with NVPTX; install either" >&2
        exit 1
    fi
    mv "$partial"/packages/mlc_llvm_static/static/* "$partial"
    rm -rf "$partial/packages" "$partial/python"
fi
chmod 755 "$partial"
touch "$partial/.tracel-llvm-installed"
mv -T "$partial" "$home"
