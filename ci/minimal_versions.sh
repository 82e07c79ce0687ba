#!/usr/bin/env bash
# Builds the crate, without its tests, with the oldest version of each dependency that Cargo.toml allows.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/minimal-versions

git ls-files src examples benches Cargo.toml README.md | grep -v '^benches/compare' | tar -cT - | tar -xC "$work"
cd "$work"
cargo +"${NIGHTLY:-nightly}" -Z direct-minimal-versions generate-lockfile --quiet
cargo check --quiet --all-features
echo "minimal-versions: builds"
