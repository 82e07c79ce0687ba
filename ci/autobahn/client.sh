#!/usr/bin/env bash
# Runs COMMAND, a WebSocket client, against the Autobahn test suite's server, whose
# URL becomes COMMAND's last argument. See README.md.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[ $# -ge 1 ] || fail "usage: client.sh COMMAND..."

prepare
port=$("$python" -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print s.getsockname()[1]')
specification "${AUTOBAHN_CASES:-*}" "\"url\": \"ws://127.0.0.1:$port\"" >"$reports/spec.json"

server=
stop() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
        server=
    fi
}
trap stop EXIT
"${wstest[@]}" --mode fuzzingserver --spec "$reports/spec.json" --webport 0 >"$log" 2>&1 &
server=$!
if ! wait_for_port "$port"; then
    tail -n 20 "$log" >&2
    fail "the suite's server did not start (its log: $log)"
fi

status=0
timeout --foreground "$limit" "$@" "ws://127.0.0.1:$port" || status=$?
stop
right=0
summary || right=$?
if [ $status -ne 0 ]; then
    echo "autobahn: the client $(ending $status)" >&2
    right=1
fi
exit $right
