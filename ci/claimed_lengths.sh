#!/usr/bin/env bash
# Memory must grow with the bytes received, never with a length that a peer claims:
# many connections each claim a message of 64 MiB and send nothing of it, while the
# resident memory of the echo server is watched.
#
# Usage: ci/claimed_lengths.sh [CONNECTIONS]      (default: 10000)
# Exits with 0 when the server grew by less than 16 KiB for each connection.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/.."
target=${CARGO_TARGET_DIR:-target}
connections=${1:-10000}
max_message=$((64 * 1024 * 1024))

cargo build --release --all-features --example echo
# One descriptor for each connection, here and in the server, which inherits this.
ulimit -n "$(ulimit -Hn)"

out=$(mktemp)
server=
stop() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -f "$out"
}
trap stop EXIT

"$target/release/examples/echo" --listen 127.0.0.1:0 --max-message "$max_message" >"$out" &
server=$!
port=
for _ in {1..100}; do
    port=$(sed -n 's#^listening on ws://127\.0\.0\.1:\([0-9]*\).*#\1#p' "$out")
    [ -z "$port" ] || break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
if [ -z "$port" ]; then
    echo "claimed lengths: the echo server did not start" >&2
    exit 2
fi

python3 "$here/claimed_lengths.py" --port "$port" --pid "$server" \
    --connections "$connections" --claim "$max_message"
