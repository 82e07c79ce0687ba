#!/usr/bin/env bash
# Installs the peers (Python `websockets`, Node `ws`) at the versions that
# requirements.txt and package-lock.json pin. See README.md.
#
# The folder is ${PEERS_HOME:-${CARGO_TARGET_DIR:-target}/peers}. Nothing is done for
# a peer that is already there and unchanged. Prints the folder on standard output.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
home=${PEERS_HOME:-${CARGO_TARGET_DIR:-target}/peers}
mkdir -p "$home"
home=$(cd "$home" && pwd)
exec 9>"$home/lock"
flock 9

say() { echo "peers: $*" >&2; }

# Whether the folder $1 was installed from the files that follow.
current() {
    local stamp=$home/$1/stamp
    shift
    [ "$(cat "$stamp" 2>/dev/null)" = "$(cat "$@" | sha256sum)" ]
}

install_python() {
    rm -rf "$home/python"
    python3 -m venv "$home/python"
    "$home/python/bin/python" -m pip install --quiet --disable-pip-version-check \
        --requirement "$here/requirements.txt"
    sha256sum <"$here/requirements.txt" >"$home/python/stamp"
    say "installed Python websockets $("$home/python/bin/python" -c \
        'from websockets.version import version; print(version)')"
}

install_node() {
    rm -rf "$home/node"
    mkdir "$home/node"
    cp "$here/package.json" "$here/package-lock.json" "$home/node/"
    (cd "$home/node" && npm ci --silent --no-audit --no-fund --no-update-notifier)
    cat "$here/package.json" "$here/package-lock.json" | sha256sum >"$home/node/stamp"
    say "installed Node ws $(cd "$home/node" && node -p 'require("ws/package.json").version')"
}

if ! current python "$here/requirements.txt" || ! "$home/python/bin/python" -c '' 2>/dev/null; then
    install_python
fi
if ! current node "$here/package.json" "$here/package-lock.json"; then
    install_node
fi
echo "$home"
