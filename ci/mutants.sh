#!/usr/bin/env bash
# The unit tests of src/simd notice faults: each mutant of ci/mutants.txt is a change of one
# file, made in a copy of the project, for which the tests must fail. A mutant that changes nothing
# or does not compile proves nothing, and is an error. Reading behind a chunk without using what was
# read is not for this script: ci/asan.sh sees that.
#
# Usage: ci/mutants.sh [NAME...]      (default: all)
# Exits with 0 when every mutant was killed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
table=$PWD/ci/mutants.txt
# Seconds after which tests are taken to run for ever, which is noticed too.
limit=900

# Apart from other builds, and kept; `target` may be relative to this folder.
target=${CARGO_TARGET_DIR:-target}/mutants
mkdir -p "$target"
CARGO_TARGET_DIR=$(cd "$target" && pwd)
export CARGO_TARGET_DIR

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/original" "$scratch/mutant"
# With new times: cargo cannot tell these files from those of a run before by their paths.
tar -cf - --exclude=target Cargo.toml Cargo.lock README.md src benches examples |
    tar -xmf - -C "$scratch/mutant"
cp -R "$scratch/mutant/src" "$scratch/original"
cd "$scratch/mutant"

# Linking takes most of the time of a release build, so it is made easy.
tests() {
    timeout "$limit" cargo test --release --lib --no-default-features \
        --config 'profile.release.lto="off"' --config 'profile.release.codegen-units=16' \
        "$@" >"$scratch/output" 2>&1
}

compiles() { tests --no-run; }
passes() { tests simd; }

# Prints what became of a mutant: killed, survived, or why it proves nothing.
verdict() {
    local file=src/simd/$1 expression=$2
    sed -i "$expression" "$file"
    if cmp -s "$file" "$scratch/original/$file"; then
        echo "changes nothing"
    elif ! compiles; then
        grep -m 1 -A 6 '^error' "$scratch/output" >&2 || true
        echo "does not compile"
    elif passes; then
        echo survived
    else
        echo killed
    fi
    cp "$scratch/original/$file" "$file"
}

if ! { compiles && passes; }; then
    cat "$scratch/output"
    echo "mutants: the tests fail without a mutant" >&2
    exit 2
fi
bad=0
count=0
while read -r -u 3 name file expression || [ -n "$name" ]; do
    case $name in '' | '#'*) continue ;; esac
    [[ $# = 0 || " $* " = *" $name "* ]] || continue
    count=$((count + 1))
    verdict=$(verdict "$file" "$expression")
    printf '%-40s %s\n' "$name" "$verdict"
    if [ "$verdict" != killed ]; then
        bad=$((bad + 1))
    fi
done 3<"$table"
echo "mutants: $count, not killed: $bad" >&2
[ "$count" -gt 0 ] && [ "$bad" -eq 0 ]
