#!/usr/bin/env bash
# Installs the peers (Python `websockets`, Node `ws`) at the versions that
# requirements.txt and package-lock.json pin, and finds or installs Chromium. See README.md.
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

# Prints the browser of this machine, if it starts.
find_browser() {
    local name path
    for name in "${PEERS_BROWSER:-}" chromium-headless-shell chromium chromium-browser google-chrome; do
        if path=$(command -v "$name") && timeout 30 "$path" --version >/dev/null 2>&1; then
            echo "$path"
            return
        fi
    done
    return 1
}

# Links `browser` to one, which is installed where that takes no more than apt. A machine without goes
# without the test that needs it.
link_browser() {
    local path why
    if ! path=$(find_browser); then
        if [ "$(id -u)" -ne 0 ]; then
            why="none is there, and installing one takes root"
        elif ! command -v apt-get >/dev/null; then
            why="none is there, and no apt to install one"
        else
            timeout 60 apt-get update -qq >/dev/null 2>&1 || true
            timeout 180 apt-get install -y -qq --no-install-recommends chromium-headless-shell \
                >"$home/browser.log" 2>&1 || true
            path=$(find_browser) || why="apt did not install one: $(tail -n 1 "$home/browser.log")"
        fi
    fi
    rm -f "$home/browser"
    if [ -n "$path" ]; then
        ln -s "$path" "$home/browser"
    else
        say "the test with a browser is skipped: $why"
    fi
}

if ! current python "$here/requirements.txt" || ! "$home/python/bin/python" -c '' 2>/dev/null; then
    install_python
fi
if ! current node "$here/package.json" "$here/package-lock.json"; then
    install_node
fi
link_browser
echo "$home"
