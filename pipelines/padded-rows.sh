#!/usr/bin/env bash
# Makes a workspace in the folder $1 that is this one, but for the patches of CubeCL in
# tests/padded-rows: there, its runtime for CPUs pads rows as that for CUDA does.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
patches=("$here"/tests/padded-rows/*.patch)
mkdir -p "$1"
cd "$1"

# What is older than its sources is made again, and Cargo compiles it again.
newer=$(find "$here/Cargo.toml" "$here/Cargo.lock" "$here/pipelines/padded-rows.sh" "${patches[@]}" -newer Cargo.toml 2> /dev/null || echo all)
[ -n "$newer" ] || exit 0

cargo fetch --quiet --locked --manifest-path "$here/Cargo.toml"
rm -rf ./*
for part in crates tests fixtures; do ln -s "$here/$part" .; done
cp "$here/Cargo.lock" .
manifest=$(cat "$here/Cargo.toml"; printf '\n[patch.crates-io]')
for patch in "${patches[@]}"; do
    crate=$(basename "$patch" .patch)
    version=$(awk -v name="name = \"$crate\"" '$0 == name { getline; gsub(/[^0-9.]/, ""); print }' Cargo.lock)
    cp -r "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$crate-$version" "$crate"
    (cd "$crate" && GIT_CEILING_DIRECTORIES=$(dirname "$PWD") git apply "$patch")
    manifest+=$(printf '\n%s = { path = "%s" }' "$crate" "$crate")
done
echo "$manifest" > Cargo.toml
