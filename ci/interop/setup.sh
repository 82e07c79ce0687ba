#!/usr/bin/env bash
# Finds nginx and HAProxy, or unpacks Debian's packages of them. Prints the folder that has both, and nothing else, on
# standard output.
#
# The folder is ${INTEROP_HOME:-${CARGO_TARGET_DIR:-target}/interop}. Nothing is installed on the system, so that no
# service starts, and none of it takes root. tests/interop/ starts the programs and ends them.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
home=${INTEROP_HOME:-${CARGO_TARGET_DIR:-target}/interop}
mkdir -p "$home"
home=$(cd "$home" && pwd)
exec 9>"$home/lock"
flock 9
PATH=$PATH:/usr/sbin:/sbin

say() { echo "interop: $*" >&2; }

# Whether the program $1 of the folder starts.
works() { "$home/$1" -v >/dev/null 2>&1; }

# Unpacks the packages $1 and $2 with those of their dependencies that this machine lacks.
unpack() {
    command -v apt-get >/dev/null || { say "install nginx and HAProxy: this machine has no apt"; exit 1; }
    [ "$(id -u)" -ne 0 ] || timeout 60 apt-get update -qq >/dev/null 2>&1 || true
    local new=$home/unpacked.new packages
    packages=$(apt-get install --simulate --no-install-recommends "$@" | awk '/^Inst / { print $2 }')
    rm -rf "$new"
    mkdir -p "$new/debs"
    # shellcheck disable=SC2086
    (cd "$new/debs" && apt-get download -qq -o APT::Sandbox::User= $packages >&2)
    for deb in "$new/debs"/*.deb; do
        dpkg-deb -x "$deb" "$new"
    done
    rm -rf "$new/debs" "$home/unpacked"
    mv "$new" "$home/unpacked"
    say "unpacked" $packages
}

# Creates the program $1 of the folder.
link() {
    local path
    rm -f "$home/$1"
    if path=$(command -v "$1"); then
        ln -s "$path" "$home/$1"
        return
    fi
    [ -x "$home/unpacked/usr/sbin/$1" ] || unpack nginx haproxy
    cat >"$home/$1" <<END
#!/bin/sh
LD_LIBRARY_PATH=\$(echo '$home'/unpacked/usr/lib/*-linux-gnu) exec '$home/unpacked/usr/sbin/$1' "\$@"
END
    chmod +x "$home/$1"
}

for program in nginx haproxy; do
    works "$program" || link "$program"
    works "$program" || { say "$program does not start"; "$home/$program" -v >&2; exit 1; }
done
echo "$home"
