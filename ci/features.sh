#!/usr/bin/env bash
# The crate builds without any feature, and so without tokio, and with each feature alone.
# The features are those of Cargo.toml. A warning is an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

lint() {
    echo "features: ${*:-none}" >&2
    cargo clippy --no-default-features "$@" -- -D warnings
}

cargo check --no-default-features
lint
tree=$(cargo tree --no-default-features --edges normal --prefix none)
if grep '^tokio' <<<"$tree"; then
    echo "features: a build without features depends on tokio" >&2
    exit 1
fi

features=$(cargo metadata --no-deps --format-version 1 | python3 -c '
import json, sys
for feature in sorted(json.load(sys.stdin)["packages"][0]["features"]):
    if feature != "default":
        print(feature)')
for feature in $features; do
    lint --features "$feature"
done
