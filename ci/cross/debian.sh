#!/usr/bin/env bash
# Unpacks the tools of run.sh from Debian packages, and prints the folder: a Rust compiler
# with clippy, its standard library for this machine, aarch64 and wasm32, the linker LLD, the start
# files and static C library of aarch64, and QEMU for programs of aarch64.
#
# All come from one release, so that their versions agree: Debian's testing, where Rust is
# as recent as this crate wants. Downloads about 300 MB once and keeps about 750 MB in
# ${CROSS_HOME:-wsimd-cross in the user's cache directory}. Nothing is installed on the
# system: apt runs with folders of its own, and the programs with the libraries unpacked
# beside them. CROSS_SUITE names another release; remove the folder for newer packages.
#
# Does nothing when all is there and this script unchanged.
set -euo pipefail

suite=${CROSS_SUITE:-testing}
home=${CROSS_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/wsimd-cross}
mkdir -p "$home"
home=$(cd "$home" && pwd)
exec 9>"$home/lock"
flock 9

say() { echo "cross: $*" >&2; }

stamp="$suite $(sha256sum <"${BASH_SOURCE[0]}")"
if [ "$(cat "$home/root/stamp" 2>/dev/null)" = "$stamp" ]; then
    echo "$home/root"
    exit 0
fi
for tool in apt-get apt-cache dpkg-deb; do
    command -v "$tool" >/dev/null || { say "wants a Debian machine: no $tool"; exit 1; }
done
[ "$(dpkg --print-architecture)" = amd64 ] || { say "wants an amd64 machine"; exit 1; }

# Everything is built in root.new, which takes root's place once it works.
new=$home/root.new
apt=$new/apt
rm -rf "$new"
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
trap 'rm -rf "$new"' EXIT

# Signatures are checked as apt always does, but none of apt's own state is used or changed.
: >"$apt/status"
cat >"$apt/apt.conf" <<END
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Architectures { "amd64"; "arm64"; };
APT::Sandbox::User "";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$apt/lists";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
END
apt_get() { apt-get -qq -c "$apt/apt.conf" "$@" >>"$apt/log" 2>&1; }

# The packages that the packages given depend on, themselves included, as name:amd64.
closure() {
    apt-cache -c "$apt/apt.conf" depends --recurse --no-recommends --no-suggests --no-conflicts \
        --no-breaks --no-replaces --no-enhances "$@" | sed -n 's/^[a-z][^:]*/&:amd64/p' | sort -u
}

# The package that $1 depends on and the expression $2 matches.
dependency() {
    apt-cache -c "$apt/apt.conf" depends "$1" | sed -nE "s/^ .*: ($2)\$/\1/p"
}

# Fetches all packages from the mirror $1.
fetch() {
    echo "deb ${key:+[signed-by=$key] }$1 $suite main" >"$apt/sources.list"
    apt_get update || return 1
    local std lld gcc
    std=$(dependency libstd-rust-dev 'libstd-rust-[0-9.]+') &&
        lld=$(dependency libstd-rust-dev-wasm32 'lld-[0-9]+') &&
        gcc=$(dependency gcc 'gcc-[0-9]+') || return 1
    # Of the compiler's dependencies only the libraries: it links nothing for this machine.
    # shellcheck disable=SC2046
    (cd "$apt/debs" && apt_get download rustc:amd64 rust-clippy:amd64 $(closure "$std" "$lld") \
        libstd-rust-dev:amd64 libstd-rust-dev:arm64 libstd-rust-dev-wasm32 libc6-dev:arm64 "lib$gcc-dev:arm64" \
        qemu-user:amd64)
}

for key in /usr/share/keyrings/debian-archive-keyring.{gpg,pgp} ''; do
    [ -e "$key" ] && break
done
say "downloading packages of Debian $suite"
# The mirrors of this machine's configuration, without those of updates.
for mirror in $(apt-get --print-uris update 2>/dev/null |
    sed -n "s#^'\(.*\)/dists/[^/-]*/InRelease'.*#\1#p" | sort -u) ''; do
    [ -z "$mirror" ] || ! fetch "$mirror" || break
done
if [ -z "$mirror" ]; then
    say "apt has no packages of Debian $suite for this machine:"
    tail -n 5 "$apt/log" >&2
    exit 1
fi

for deb in "$apt/debs"/*.deb; do
    dpkg-deb -x "$deb" "$new"
done
find "$new/usr/bin" -name 'qemu-*' ! -name qemu-aarch64 -delete
(cd "$new/usr" && rm -rf include share lib/rustlib/wasm32-unknown-unknown)

# The programs are newer than this machine's C library: each is started by their own.
mkdir "$new/bin"
program() {
    cat >"$new/bin/$1" <<END
#!/bin/sh
usr=\$(dirname "\$(dirname "\$(readlink -f "\$0")")")/usr
exec "\$usr/lib64/ld-linux-x86-64.so.2" --library-path "\$usr/lib/x86_64-linux-gnu" "\$usr/$2" $3"\$@"
END
    chmod +x "$new/bin/$1"
}
program rustc bin/rustc "--sysroot \"\$usr\" "
program clippy-driver bin/clippy-driver "--sysroot \"\$usr\" "
program lld "$(cd "$new/usr" && echo lib/llvm-*/bin/lld)" ''
# Links static programs of aarch64, as the driver of a C compiler does.
cat >"$new/bin/aarch64-ld" <<'END'
#!/bin/sh
root=$(dirname "$(dirname "$(readlink -f "$0")")")
lib=$root/usr/lib/aarch64-linux-gnu
gcc=$(echo "$root"/usr/lib/gcc/aarch64-linux-gnu/*)
exec "$root/bin/lld" -flavor gnu --sysroot="$root" "-L$lib" "-L$gcc" \
    "$lib/crt1.o" "$lib/crti.o" "$gcc/crtbeginT.o" "$@" "$gcc/crtend.o" "$lib/crtn.o"
END
chmod +x "$new/bin/aarch64-ld"
say "unpacked $("$new/bin/rustc" --version) in $home"

rm -rf "$apt"
echo "$stamp" >"$new/stamp"
rm -rf "$home/root"
mv "$new" "$home/root"
echo "$home/root"
