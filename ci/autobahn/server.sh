#!/usr/bin/env bash
# Runs the Autobahn test suite against the WebSocket echo server that listens on
# 127.0.0.1:PORT. See README.md.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    fail "usage: server.sh PORT [CASES]"
fi
port=$1
cases=${2:-${AUTOBAHN_CASES:-*}}

prepare
wait_for_port "$port" || fail "no server listens on port $port"
specification "$cases" \
    "\"servers\": [{\"agent\": \"server\", \"url\": \"ws://127.0.0.1:$port\"}]" >"$reports/spec.json"

status=0
timeout --foreground "$limit" "${wstest[@]}" --mode fuzzingclient --spec "$reports/spec.json" \
    >"$log" 2>&1 || status=$?
if [ $status -ne 0 ]; then
    tail -n 20 "$log" >&2
    fail "the suite $(ending $status) (its log: $log)"
fi
summary
