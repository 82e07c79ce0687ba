#!/usr/bin/env bash
# Compiles src/simd with its unit tests for another CPU, runs clippy on it, and runs the tests:
#
#   run.sh neon    for aarch64, under QEMU
#   run.sh wasm    for wasm32 with simd128, in Node 20 or newer
#
# Plain rustc does it, because the module needs only the crate `bytes`, which has no dependencies. Then cargo checks
# the whole crate for the target, with 32-bit sizes on wasm32.
# The tools are those of debian.sh, which downloads about 300 MB at the first time.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

case ${1:-} in
neon)
    target=aarch64-unknown-linux-gnu
    export BACKEND=neon
    features=(--all-features)
    ;;
wasm)
    target=wasm32-wasip1
    export BACKEND=simd128
    features=(--no-default-features --features "codec deflate")
    export RUSTFLAGS="-C target-feature=+simd128"
    ;;
*)
    echo "usage: run.sh neon|wasm" >&2
    exit 2
    ;;
esac

bytes=$(cargo metadata --format-version 1 --locked |
    grep -oE '"manifest_path":"[^"]*/bytes-[0-9.]+/Cargo.toml"' | cut -d '"' -f 4)
root=$("$here/debian.sh")
PATH=$root/bin:$PATH
out=${CARGO_TARGET_DIR:-target}/cross/$1
mkdir -p "$out"

options=(--target "$target" -O -C debug-assertions=on --out-dir "$out")
if [ "$1" = neon ]; then
    link=(-C linker=aarch64-ld -C linker-flavor=ld -C target-feature=+crt-static
        -C relocation-model=static)
    run=("$root/usr/bin/qemu-aarch64")
else
    options+=(-C target-feature=+simd128 -C panic=abort)
    link=(-C linker=lld -C linker-flavor=wasm-ld)
    run=(node --no-warnings "$here/wasi.mjs")
fi

rustc "${options[@]}" --edition 2021 --cap-lints allow --crate-type rlib --crate-name bytes \
    --cfg 'feature="std"' "$(dirname "$bytes")/src/lib.rs"
options+=(--edition 2024 --extern "bytes=$out/libbytes.rlib")

# With the lints of Cargo.toml, of which no other check sees the code for these targets.
lints=$(sed -n '/^\[workspace.lints.rust\]/,/^$/ s/^\([a-z_]*\) = "\(.*\)"/--\2=\1/p
    /^\[workspace.lints.clippy\]/,/^$/ s/^\([a-z_]*\) = "\(.*\)"/--\2=clippy::\1/p' Cargo.toml)
# shellcheck disable=SC2086
CARGO_PKG_RUST_VERSION=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) \
    CLIPPY_CONF_DIR=$PWD clippy-driver "${options[@]}" $lints -D warnings --crate-type rlib \
    --emit metadata "$here/simd.rs"

rustc "${options[@]}" "${link[@]}" --cap-lints allow --test -o "$out/simd.test" "$here/simd.rs"
"${run[@]}" "$out/simd.test" --test-threads=1 --nocapture | tee "$out/log"
grep -q '^test simd::tests::.* ok$' "$out/log" || {
    echo "run.sh: none of the tests of src/simd ran" >&2
    exit 1
}

RUSTC=$root/bin/rustc RUSTFLAGS="${RUSTFLAGS:-} -D warnings" CARGO_TARGET_DIR=$out/crate \
    cargo check --quiet --target "$target" "${features[@]}"
echo "run.sh: the crate builds for $target"
