#!/usr/bin/env bash
# The unit tests of src/simd and the tests of lent messages and JSON under AddressSanitizer, and a proof that it
# sees reads behind the input: a kernel and the JSON parser are made to read one byte too far, and the tests must
# fail for it.
#
# Usage: [NIGHTLY=nightly] ci/asan.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
nightly=${NIGHTLY:-nightly}

# What is built here stays apart from other builds and is kept. (`target` may be relative.)
target=${CARGO_TARGET_DIR:-target}/asan
mkdir -p "$target"
CARGO_TARGET_DIR=$(cd "$target" && pwd)
export CARGO_TARGET_DIR

# Debug assertions stay on. Build scripts get the flags of the sanitizer too unless a target is named.
host=$(rustc "+$nightly" -vV | sed -n 's/^host: //p')
tests() {
    RUSTFLAGS="-Zsanitizer=address" ASAN_OPTIONS=detect_leaks=0 \
        cargo "+$nightly" test --features json --target "$host" --config 'profile.test.package."*".opt-level=0' "$@"
}

# The tests of the kernels are many, and the others take long to compile.
optimised=(--config 'profile.test.opt-level=2')

# Plants a fault: a file and an expression for sed. The test has to fail for it. Its name follows the arguments of
# cargo.
expect_caught() {
    local file=$1 fault=$2
    shift 2
    cp "$file" original
    sed -i "$fault" "$file"
    if cmp -s "$file" original; then
        echo "asan: the fault to plant changes nothing in $file" >&2
        exit 2
    fi
    echo "asan: the same with a planted fault in $file" >&2
    tests "${@:1:$#-1}" --no-run
    if tests "$@" >output 2>&1; then
        echo "asan: reading behind the input was not noticed" >&2
        exit 1
    fi
    if ! grep -q 'AddressSanitizer: heap-buffer-overflow' output; then
        tail -n 40 output >&2
        echo "asan: the tests failed for another reason" >&2
        exit 1
    fi
    # With a new time, as below.
    cp original "$file"
}

# In a copy, with new times: cargo cannot tell its files from those of a run before by their paths.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
tar -cf - --exclude=target Cargo.toml Cargo.lock README.md src benches examples tests | tar -xmf - -C "$copy"
cd "$copy"

echo "asan: the tests of src/simd, of lent messages and of JSON" >&2
tests "${optimised[@]}" --lib -- simd json message_ref
tests --test it -- connection::lending json::closures json::connection json::parsers json::places

# Only one test each: another test may abort the run first, with a read behind a constant.
expect_caught src/simd/chunk.rs \
    's/let vector = unsafe { V::load(self.source.wrapping_add(at)) };/&\
        std::hint::black_box(unsafe { V::load(self.source.wrapping_add(at + 1)) });/' \
    "${optimised[@]}" --lib simd::tests::exact
expect_caught src/json/parser.rs \
    's/^    let mut tape = mem::replace(kept/    #[allow(unsafe_code)]\
    std::hint::black_box(unsafe { bytes.as_ptr().add(bytes.len()).read() });\
&/' \
    "${optimised[@]}" --lib json::parser::tests
echo "asan: clean, and the planted faults were caught" >&2
