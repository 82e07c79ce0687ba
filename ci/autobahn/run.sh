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
# The cases that the further parts of the API leave out: by default those that take long, of all cases those of
# compression, which send the same messages.
case ${AUTOBAHN_CASES:-} in
    '') excluded="5.19 5.20 6.4.* 9.2.* 9.4.* 9.5.* 9.6.* 9.7.* 9.8.*" ;;
    '*') excluded="12.* 13.*" ;;
    *) excluded= ;;
esac
export AUTOBAHN_CASES=${AUTOBAHN_CASES:-1.* 2.* 3.* 4.* 5.* 6.* 7.* 9.* 10.*}
export AUTOBAHN_EXCLUDE=${AUTOBAHN_EXCLUDE:-}
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

start echo --listen 127.0.0.1:0
record server "$here/server.sh" "$port"
stop
start echo --listen 127.0.0.1:0 --framed
record server-framed "$here/server.sh" "$port"
stop
record client "$here/client.sh" "$examples/autobahn" client recv

AUTOBAHN_EXCLUDE+=" $excluded"
for way in stream events split; do
    start autobahn server "$way"
    record "server-$way" "$here/server.sh" "$port"
    stop
    record "client-$way" "$here/client.sh" "$examples/autobahn" client "$way"
done

printf '%s\n' "${lines[@]}"
exit "$failed"
