#!/usr/bin/env bash
# Runs the Autobahn test suite against this crate's examples in both roles: `echo` as a
# server, `echo --framed` (the codec) as a server, `autobahn` as a client, and then
# `autobahn` in both roles with each further part of the API.
# Ends with one line for each run. Exits with 0 only when every case of every run is
# OK or INFORMATIONAL. See README.md.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
target=${CARGO_TARGET_DIR:-target}
# The cases that the runs after the first three leave out: by default those that take long. Of all cases, the runs of
# whole messages leave out compression, because the codec below them is that of the first three.
slow= compressed=
case ${AUTOBAHN_CASES:-} in
    '') slow="5.19 5.20 6.4.* 9.2.* 9.4.* 9.5.* 9.6.* 9.7.* 9.8.*" ;;
    '*') compressed="12.* 13.*" ;;
esac
export AUTOBAHN_CASES=${AUTOBAHN_CASES:-1.* 2.* 3.* 4.* 5.* 6.* 7.* 9.* 10.*}
reports=${AUTOBAHN_REPORTS:-$target/autobahn}

"$here/install.sh"
cargo build --release --all-features --example echo --example autobahn
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

# Starts the server that the arguments name and sets `port`.
start() {
    local out=$reports/server.out
    : >"$out"
    "$examples/$1" "${@:2}" >"$out" &
    server=$!
    for _ in {1..100}; do
        port=$(sed -n 's#^listening on ws://127\.0\.0\.1:\([0-9]*\).*#\1#p' "$out")
        [ -n "$port" ] && return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    echo "autobahn: $* did not start" >&2
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

# Tests the part $1 of the API in both roles, without the cases $2.
both() {
    export AUTOBAHN_EXCLUDE="$excluded $2"
    start autobahn server "$1"
    record "server-$1" "$here/server.sh" "$port"
    stop
    record "client-$1" "$here/client.sh" "$examples/autobahn" client "$1"
}

start echo --listen 127.0.0.1:0
record server "$here/server.sh" "$port"
stop
start echo --listen 127.0.0.1:0 --framed
record server-framed "$here/server.sh" "$port"
stop
record client "$here/client.sh" "$examples/autobahn" client recv

excluded=${AUTOBAHN_EXCLUDE:-}
for way in stream events split bytes; do
    both "$way" "$slow $compressed"
done
both chunks "$slow"

printf '%s\n' "${lines[@]}"
exit "$failed"
