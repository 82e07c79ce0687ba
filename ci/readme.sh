#!/usr/bin/env bash
# Pastes each program of the README into a fresh project, which has the README's dependencies and must compile
# without a warning. Then checks the relative links of all pages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/readme RUSTFLAGS="-D warnings"

# Prints the code blocks of a language, the n-th one only if n is given.
blocks() {
    awk -v lang="$1" -v wanted="${2:-0}" '
        /^```/ { inside = !inside && index($0, "```" lang) == 1; number += inside; next }
        inside && (!wanted || number == wanted)' README.md
}

programs=$(grep -c '^```rust' README.md)
for number in $(seq "$programs"); do
    project=$work/readme-$number
    mkdir -p "$project/src"
    blocks rust "$number" >"$project/src/main.rs"
    {
        printf '[package]\nname = "readme-%s"\nedition = "2024"\n\n' "$number"
        blocks toml
        printf '\n[patch.crates-io]\nwsimd = { path = "%s" }\n' "$root"
    } >"$project/Cargo.toml"
    cp Cargo.lock "$project/Cargo.lock"
    (cd "$project" && cargo check --quiet)
    printf 'readme: program %s compiles\n' "$number"
done

links=0
for page in *.md benches/*.md benches/*/README.md ci/*/README.md; do
    for link in $(grep -oE '\]\([^)# ]+' "$page" | sed 's/^](//' | grep -v '^https\?:'); do
        links=$((links + 1))
        [ -e "$(dirname "$page")/$link" ] || { printf 'readme: %s: no %s\n' "$page" "$link" >&2; exit 1; }
    done
done
printf 'readme: %s relative links\n' "$links"
