#!/usr/bin/env bash
# Pastes the programs of the README and of a guide into fresh projects, one for each page. A project has the
# dependencies of its page and must compile without a warning. Then checks the relative links of all pages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/readme RUSTFLAGS="-D warnings"

# Prints the code blocks of a language in a page, the n-th one only if n is given.
blocks() {
    awk -v lang="$2" -v wanted="${3:-0}" '
        /^```/ { inside = !inside && index($0, "```" lang) == 1; number += inside; next }
        inside && (!wanted || number == wanted)' "$1"
}

for page in README.md src/guides/axum_and_hyper.md; do
    name=$(basename "$page" .md)
    project=$work/$name
    mkdir -p "$project/src/bin"
    programs=$(grep -c '^```rust' "$page")
    for number in $(seq "$programs"); do
        blocks "$page" rust "$number" >"$project/src/bin/program-$number.rs"
    done
    {
        printf '[package]\nname = "%s"\nedition = "2024"\n\n' "${name,,}"
        blocks "$page" toml
        printf '\n[patch.crates-io]\nwsimd = { path = "%s" }\n' "$root"
    } >"$project/Cargo.toml"
    cp Cargo.lock "$project/Cargo.lock"
    (cd "$project" && cargo check --quiet)
    printf 'readme: %s programs of %s compile\n' "$programs" "$page"
done

links=0
for page in *.md benches/*.md benches/*/README.md ci/*/README.md; do
    for link in $(grep -oE '\]\([^)# ]+' "$page" | sed 's/^](//' | grep -v '^https\?:'); do
        links=$((links + 1))
        [ -e "$(dirname "$page")/$link" ] || { printf 'readme: %s: no %s\n' "$page" "$link" >&2; exit 1; }
    done
done
printf 'readme: %s relative links\n' "$links"

cargo doc --quiet --no-deps --all-features
for link in $(grep -ohE 'docs\.rs/wsimd/latest/[^)# ]+' ./*.md | sort -u); do
    [ -e "$CARGO_TARGET_DIR/doc/${link#docs.rs/wsimd/latest/}" ] || { printf 'readme: no %s\n' "$link" >&2; exit 1; }
done
echo 'readme: links to the documentation'
