# shellcheck shell=bash
# What server.sh and client.sh share; sourced by both.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${AUTOBAHN_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/.autobahn}
python=$home/suite/python
# shellcheck disable=SC2034 # used by the scripts that source this one
wstest=("$python" -u "$home/suite/wstest.py")
limit=${AUTOBAHN_TIMEOUT:-3600}

fail() {
    echo "autobahn: $*" >&2
    exit 2
}

prepare() {
    "$here/install.sh" || fail "the suite could not be installed"
    if [ -n "${AUTOBAHN_REPORTS:-}" ]; then
        mkdir -p "$AUTOBAHN_REPORTS"
        reports=$(cd "$AUTOBAHN_REPORTS" && pwd)
        # Nothing of an earlier run may pass for a result of this one.
        rm -f "$reports"/*_case_*.json "$reports"/*_case_*.html "$reports"/index.{json,html}
    else
        reports=$(mktemp -d)
    fi
    log=$reports/wstest.log
}

# What the exit status $1 of a command run under timeout says.
ending() {
    if [ "$1" -eq 124 ]; then
        echo "was stopped after $limit seconds"
    else
        echo "ended with $1"
    fi
}

# "1.*, 2.3.4" as JSON: ["1.*", "2.3.4"]
json_list() {
    local item list=
    set -f
    for item in ${1//,/ }; do
        list="$list${list:+, }\"$item\""
    done
    set +f
    echo "[$list]"
}

# The specification of a run with the cases $1, and $2 for the mode's own keys.
specification() {
    cat <<END
{
    "outdir": "$reports",
    "options": {"failByDrop": false},
    $2,
    "cases": $(json_list "$1"),
    "exclude-cases": $(json_list "${AUTOBAHN_EXCLUDE:-}"),
    "exclude-agent-cases": {}
}
END
}

# Waits up to ten seconds for a server on the port $1.
wait_for_port() {
    for _ in {1..100}; do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
        sleep 0.1
    done
    return 1
}

summary() {
    local expected
    expected=$(sed -n 's/^Ok, will run \([0-9]*\) test cases.*/\1/p' "$log")
    if [ -z "$expected" ]; then
        tail -n 20 "$log" >&2
        fail "the suite did not start (its log: $log)"
    fi
    "$python" "$here/report.py" "$reports" "$expected"
}
