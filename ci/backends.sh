#!/usr/bin/env bash
# The unit and integration tests with each backend of src/simd forced, as a user may force it. One
# that this CPU cannot run leaves the choice as it is. (The differential tests run all anyway.)
#
# Usage: ci/backends.sh [NAME...]      (default: all)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

[ $# -gt 0 ] || case $(uname -m) in
x86_64) set -- scalar sse avx2 avx512 ;;
*) set -- scalar ;;
esac

# In a folder of their own, or the other builds would begin anew.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/backends

# Without those of the network, where no byte kernel is used.
features=json,serde,stream,tracing
for backend; do
    echo "backends: $backend" >&2
    export WSIMD_BACKEND=$backend RUSTFLAGS="--cfg wsimd_backend=\"$backend\""
    cargo test --features "$features" --lib -- --skip simd::tests::
    cargo test --features "$features" --lib detects_the_fastest_or_the_one_asked_for
    cargo test --features "$features" --test it
done
