#!/usr/bin/env bash
# Runs the Autobahn test suite against this crate's examples in both roles: `echo` as a
# server, `echo --framed` (the codec) as a server, `autobahn_client` as a client.
# Ends with one line for each run. Exits with 0 only when every case of every run is
# OK or INFORMATIONAL. See README.md.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
target=${CARGO_TARGET_DIR:-target}
export AUTOBAHN_CASES=${AUTOBAHN_CASES:-1.* 2.* 3.* 4.* 5.* 6.* 7.* 9.* 10.*}
reports=${AUTOBAHN_REPORTS:-$target/autobahn}

"$here/install.sh"
cargo build --release --example echo --example autobahn_client
examples=$target/release/examples
mkdir -p "$reports"

server=
stop() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
        server=
    fi
}
trap stop EXIT

# Starts the echo server with the options given and sets `port`.
start() {
    local out=$reports/echo.out
    : >"$out"
    "$examples/echo" --listen 127.0.0.1:0 "$@" >"$out" &
    server=$!
    for _ in {1..100}; do
        port=$(sed -n 's#^listening on ws://127\.0\.0\.1:\([0-9]*\).*#\1#p' "$out")
        [ -n "$port" ] && return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    echo "autobahn: echo $* did not start" >&2
    exit 2
}

failed=0
lines=()
# Runs the rest of its arguments with reports in a folder of their own, named $1.
record() {
    local name=$1 out=$reports/$1.out status=0
    shift
    echo "autobahn: $name" >&2
    AUTOBAHN_REPORTS=$reports/$name "$@" | tee "$out" || status=$?
    [ "$status" -eq 0 ] || failed=1
    lines+=("$name: $(tail -n 1 "$out") (exit $status)")
}

start
record server "$here/server.sh" "$port"
stop
start --framed
record server-framed "$here/server.sh" "$port"
stop
record client "$here/client.sh" "$examples/autobahn_client"

printf '%s\n' "${lines[@]}"
exit "$failed"
