#!/usr/bin/env bash
# The crate builds with each feature and with each set of features, and without any feature it does not depend on tokio.
# A warning is an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=0.6.46

cargo hack --version 2>/dev/null | grep -q "$version" ||
    cargo install --quiet --locked cargo-hack --version "$version"
cargo hack clippy --quiet --each-feature --exclude-features default -- -D warnings
# The features of the last group only add implementations: with all of them, or with none.
cargo hack clippy --quiet --feature-powerset --group-features json,serde,stream,tracing \
    --include-features client,server,codec,deflate,tokio,json,serde,stream,tracing -- -D warnings
cargo hack clippy --quiet --feature-powerset --include-features client,server,rustls,proxy,reconnect -- -D warnings
# Only a client has root certificates.
cargo hack clippy --quiet --each-feature --features client \
    --include-features ring,aws-lc-rs,rustls-platform-verifier,rustls-native-roots,rustls-webpki-roots -- -D warnings
# The errors of a build without a feature name it.
cargo test --quiet --test it --features proxy -- names_the_features
tree=$(cargo tree --no-default-features --edges normal --prefix none)
if grep '^tokio' <<<"$tree"; then
    echo "features: a build without features depends on tokio" >&2
    exit 1
fi
