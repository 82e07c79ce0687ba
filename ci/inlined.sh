#!/usr/bin/env bash
# The kernels of src/simd call nothing: no intrinsic that was not inlined (see `Vector`), no panic,
# no memcpy. Reads the assembly that a release build makes of the crate, and proves that it would
# notice: a function of the kernel is kept from being inlined, and every kernel that needs it must
# be found.
#
# Usage: ci/inlined.sh [TARGET]      (default: this machine's)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
triple=${1:-$(rustc -vV | sed -n 's/^host: //p')}

case $triple in
x86_64-*) backends='sse avx2 avx512' ;;
aarch64-*) backends=neon ;;
*)
    echo "inlined: no kernels are known for $triple" >&2
    exit 2
    ;;
esac

# The fault to plant: a file and an expression for sed.
file=src/simd/kernel.rs
fault='/^#\[inline(always)\]$/ { N; s/always\(.*fn verdict\)/never\1/ }'

# What is built here stays apart from other builds and is kept. (`target` may be relative.)
target=${CARGO_TARGET_DIR:-target}/inlined
mkdir -p "$target"
CARGO_TARGET_DIR=$(cd "$target" && pwd)
export CARGO_TARGET_DIR

# In a copy, with new times: cargo cannot tell its files from those of a run before by their paths.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
tar -cf - --exclude=target Cargo.toml Cargo.lock README.md src benches examples | tar -xmf - -C "$copy"
cd "$copy"

# Makes the assembly: without LTO, for which the compiler would leave machine code to the linker.
compile() {
    cargo rustc --release --lib --no-default-features --target "$triple" \
        --config 'profile.release.lto="off"' --config 'profile.release.codegen-units=1' \
        -- -C symbol-mangling-version=v0 "--emit=asm=$copy/wsimd.s"
}

# Prints what kernels call or jump to outside of themselves. Exits with 1 if there is anything, with 2
# if a kernel is missing.
calls() {
    # shellcheck disable=SC2086
    python3 - wsimd.s $backends <<'END'
import re
import sys

path, *backends = sys.argv[1:]
functions = ["mask", "validate", "unmask_validate"]
# What their mangled names end with: every part of a path follows its length.
kernels = {
    f"4simd{len(backend)}{backend}{len(function)}{function}": f"{backend}::{function}"
    for backend in backends
    for function in functions
}


def kernel(symbol):
    found = (name for end, name in kernels.items() if symbol.endswith(end))
    return next(found, None) if "_RNv" in symbol else None


# The instructions of each kernel: from its label to the next that is not one within a function.
bodies = {}
body = None
for line in open(path):
    label = re.match(r"([A-Za-z_.$][\w.$]*):", line)
    if label and not label[1].startswith((".L", "L")):
        name = kernel(label[1])
        body = bodies.setdefault(name, []) if name else None
    elif body is not None and re.match(r"\s+[a-z]", line):
        body.append(line.strip())

call = re.compile(r"call\w*|blr?a*[abz]*")
jump = re.compile(r"j\w+|bra*[abz]*|bc?(\.\w+)?|cbn?z|tbn?z")
bad = 0
for name in kernels.values():
    if not bodies.get(name):
        print(f"inlined: no {name} in the assembly", file=sys.stderr)
        sys.exit(2)
    has_jump_table = any(".LJTI" in line for line in bodies[name])
    for line in bodies[name]:
        mnemonic, _, operands = line.partition("\t")
        is_call, is_jump = call.fullmatch(mnemonic), jump.fullmatch(mnemonic)
        if not (is_call or is_jump):
            continue
        to = operands.split(", ")[-1].removeprefix("*").split("@")[0]
        is_register = re.fullmatch(r"%\w+|x\d+", to)
        is_local = to.startswith((".L", "LBB")) or (is_register and has_jump_table)
        if is_jump and is_local:
            continue
        bad += 1
        print(f"{name}: {mnemonic} {to}")
if bad:
    sys.exit("inlined: kernels are to call nothing")
END
}

echo "inlined: the kernels of $backends" >&2
compile
calls

cp "$file" original
sed -i "$fault" "$file"
if cmp -s "$file" original; then
    echo "inlined: the fault to plant changes nothing in $file" >&2
    exit 2
fi
echo "inlined: the same with a planted fault" >&2
compile
calls >output 2>/dev/null || true
for backend in $backends; do
    for name in "$backend::validate" "$backend::unmask_validate"; do
        if ! grep -q "^$name: call.*verdict\|^$name: bl.*verdict" output; then
            echo "inlined: a call in $name was not noticed" >&2
            exit 1
        fi
    done
done
echo "inlined: clean, and the planted fault was caught" >&2
