#!/usr/bin/env bash
# The unit tests of src/simd under AddressSanitizer, and a proof that it sees what kernels read: a
# kernel is made to read one byte behind its input, and the tests must fail for it.
#
# Usage: [NIGHTLY=nightly] ci/asan.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
nightly=${NIGHTLY:-nightly}

# The fault to plant: a file and an expression for sed.
file=src/simd/chunk.rs
fault='s/let vector = unsafe { V::load(self.source.wrapping_add(at)) };/&\
        std::hint::black_box(unsafe { V::load(self.source.wrapping_add(at + 1)) });/'

# What is built here stays apart from other builds and is kept. (`target` may be relative.)
target=${CARGO_TARGET_DIR:-target}/asan
mkdir -p "$target"
CARGO_TARGET_DIR=$(cd "$target" && pwd)
export CARGO_TARGET_DIR

# Only this package is optimised; debug assertions stay on. Build scripts get the flags of the
# sanitizer too unless a target is named.
host=$(rustc "+$nightly" -vV | sed -n 's/^host: //p')
tests() {
    RUSTFLAGS="-Zsanitizer=address" ASAN_OPTIONS=detect_leaks=0 \
        cargo "+$nightly" test --lib --target "$host" \
        --config 'profile.test.opt-level=2' --config 'profile.test.package."*".opt-level=0' "$@"
}

# In a copy, with new times: cargo cannot tell its files from those of a run before by their paths.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
tar -cf - --exclude=target Cargo.toml Cargo.lock README.md src benches examples | tar -xmf - -C "$copy"
cd "$copy"

echo "asan: the tests of src/simd" >&2
tests simd

cp "$file" original
sed -i "$fault" "$file"
if cmp -s "$file" original; then
    echo "asan: the fault to plant changes nothing in $file" >&2
    exit 2
fi
echo "asan: the same with a planted fault" >&2
tests --no-run
# Only the test of exact allocations: another test may abort the run first, with a read behind a constant.
if tests simd::tests::exact >output 2>&1; then
    echo "asan: reading behind the input was not noticed" >&2
    exit 1
fi
if ! grep -q 'AddressSanitizer: heap-buffer-overflow' output; then
    tail -n 40 output >&2
    echo "asan: the tests failed for another reason" >&2
    exit 1
fi
echo "asan: clean, and the planted fault was caught" >&2
