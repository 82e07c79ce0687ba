#!/usr/bin/env bash
# Finds nginx, HAProxy, tinyproxy and microsocks, or unpacks Debian's packages of them. Prints the folder that has them,
# and nothing else, on standard output.
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
packages=(nginx haproxy tinyproxy-bin microsocks)

say() { echo "interop: $*" >&2; }

# Whether the program $1 of the folder starts. It then prints its name first, in the usage of microsocks as well, which
# has no option for its version.
works() { grep -qi "^$1 " <<<"$("$home/$1" -v 2>&1)"; }

# Unpacks the packages, and those of their dependencies that this machine lacks.
unpack() {
    command -v apt-get >/dev/null || { say "install ${packages[*]}: this machine has no apt"; exit 1; }
    [ "$(id -u)" -ne 0 ] || timeout 60 apt-get update -qq >/dev/null 2>&1 || true
    local new=$home/unpacked.new missing
    missing=$(apt-get install --simulate --no-install-recommends "${packages[@]}" | awk '/^Inst / { print $2 }')
    rm -rf "$new"
    mkdir -p "$new/debs"
    # shellcheck disable=SC2086
    (cd "$new/debs" && apt-get download -qq -o APT::Sandbox::User= $missing >&2)
    for deb in "$new/debs"/*.deb; do
        dpkg-deb -x "$deb" "$new"
    done
    rm -rf "$new/debs" "$home/unpacked"
    mv "$new" "$home/unpacked"
    say "unpacked" $missing
}

# Prints the path of the program $1 in the unpacked packages, if they have it.
find_unpacked() { find "$home/unpacked/usr/sbin" "$home/unpacked/usr/bin" -name "$1" 2>/dev/null || true; }

# Creates the program $1 of the folder.
link() {
    local path
    rm -f "$home/$1"
    if path=$(command -v "$1"); then
        ln -s "$path" "$home/$1"
        return
    fi
    path=$(find_unpacked "$1")
    if [ -z "$path" ]; then
        unpack
        path=$(find_unpacked "$1")
    fi
    cat >"$home/$1" <<END
#!/bin/sh
LD_LIBRARY_PATH=\$(echo '$home'/unpacked/usr/lib/*-linux-gnu) exec '$path' "\$@"
END
    chmod +x "$home/$1"
}

for program in nginx haproxy tinyproxy microsocks; do
    works "$program" || link "$program"
    works "$program" || { say "$program does not start"; "$home/$program" -v >&2 || true; exit 1; }
done
echo "$home"
