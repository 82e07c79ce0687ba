#!/usr/bin/env bash
# Compares the public API with the snapshot beside this script, and its types with the crates that it may name.
# `ci/public_api.sh --record` writes the snapshot: a change of it is a change for users, and is in CHANGELOG.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
snapshot=ci/public_api.txt
# Major versions of these crates are part of the API.
crates='alloc|bytes|core|futures_core|futures_sink|http|rustls|serde_core|std|str|tokio|tokio_util|u16|wsimd'
version=0.52.0

cargo public-api --version 2>/dev/null | grep -q "$version" ||
    cargo install --quiet --locked cargo-public-api --version "$version"
# The guides are modules of the documentation only.
api=$(cargo +"${NIGHTLY:-nightly}" public-api --all-features -sss 2>/dev/null | grep -v '^pub mod wsimd::guides')
if [ "${1:-}" = --record ]; then
    printf '%s\n' "$api" >"$snapshot"
fi
if ! diff -u "$snapshot" - <<<"$api"; then
    echo "public-api: differs from $snapshot; record it with ci/public_api.sh --record" >&2
    exit 1
fi
foreign=$(grep -oE '(^|[^:a-zA-Z0-9_])[a-z_0-9]+::' <<<"$api" | grep -oE '[a-z_0-9]+' | sort -u |
    grep -vxE "$crates" || true)
if [ -n "$foreign" ]; then
    printf 'public-api: names types of other crates: %s\n' "$foreign" >&2
    exit 1
fi
echo "public-api: as recorded"
