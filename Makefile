# Every check of the project; `make help` lists them, and .ci/run calls them in turn.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

NIGHTLY ?= nightly
CONNECTIONS ?= 10000
FUZZ_SECONDS ?= 10
SEEDS ?= 100000
CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ_VERSION := 0.13.2
# Where the seeds that a short run of a fuzz target finds go; the committed ones stay as they are.
FUZZ_SCRATCH := $(or $(CARGO_TARGET_DIR),target)/fuzz-smoke

COMPARE_PARTS := memory loopback idle kernels instructions deflate
COMPARE = cargo run --release --manifest-path benches/compare/Cargo.toml -p compare --

.DEFAULT_GOAL := help
.PHONY: help fmt lint test doc features deny readme package fuzz-test fuzz-smoke bench-smoke bench \
	bench-work bench-neighbour \
	backends inlined asan mutants model neon wasm autobahn autobahn-full peers claimed-lengths compare compare-full \
	compare-smoke compare-guard compare-gates compare-idle-guard loom check \
	$(COMPARE_PARTS:%=compare-%)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

fmt: ## check the formatting (`cargo fmt` mends it)
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo fmt --manifest-path tests/loom/Cargo.toml --check

lint: ## clippy on all targets and features; a warning is an error
	cargo clippy --all-targets --all-features -- -D warnings

test: ## unit, integration and documentation tests, all features
	cargo test --all-features

doc: ## the documentation, private items as well; a warning is an error
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features --document-private-items
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features

features: ## builds without features (and so without tokio) and with each feature alone
	ci/features.sh

deny: ## licences, sources and versions of the dependencies (installs cargo-deny)
	cargo deny --version >/dev/null 2>&1 || \
		cargo install --locked cargo-deny --version $(CARGO_DENY_VERSION) --no-default-features
	cargo deny check --hide-inclusion-graph bans licenses sources

readme: ## the programs of the README compile in fresh projects, and relative links resolve
	ci/readme.sh

package: ## what would be published builds by itself (wants a clean work tree)
	cargo package

fuzz-test: ## the fuzz targets over their seeds, as plain tests on stable Rust
	cd fuzz && cargo test

fuzz-smoke: ## FUZZ_SECONDS=10 of each fuzz target (nightly Rust; installs cargo-fuzz)
	cargo fuzz --version >/dev/null 2>&1 || \
		cargo install --locked cargo-fuzz --version $(CARGO_FUZZ_VERSION)
	for target in $$(cargo +$(NIGHTLY) fuzz list); do \
		seeds=(); \
		[ ! -d "fuzz/corpus/$$target" ] || seeds=("fuzz/corpus/$$target"); \
		mkdir -p "$(FUZZ_SCRATCH)/$$target"; \
		cargo +$(NIGHTLY) fuzz run --features libfuzzer "$$target" "$(FUZZ_SCRATCH)/$$target" "$${seeds[@]}" \
			-- -max_total_time=$(FUZZ_SECONDS); \
	done

backends: ## the tests of the crate with each of BACKENDS (default: all) forced on the byte kernels
	ci/backends.sh $(BACKENDS)

inlined: ## the byte kernels call nothing: every intrinsic became an instruction
	ci/inlined.sh

asan: ## the byte kernels under AddressSanitizer, which must see a planted fault (nightly Rust)
	NIGHTLY=$(NIGHTLY) ci/asan.sh

mutants: ## the tests of the byte kernels notice every fault of ci/mutants.txt
	ci/mutants.sh

model: ## SEEDS=100000 random stories of two endpoints and of two connections (SEED: the first one)
	SEEDS=$(SEEDS) cargo test --release --all-features --test it -- model

loom: ## what two tasks share, in every order up to a bound
	cd tests/loom && cargo test --release --locked

neon: ## the byte kernels for aarch64: clippy, and the tests under QEMU (downloads 300 MB once)
	ci/cross/run.sh neon

wasm: ## the byte kernels for wasm32 with simd128: clippy, and the tests in Node (same download)
	ci/cross/run.sh wasm

bench-smoke: ## every benchmark once, as a test
	cargo test --all-features --benches

bench: ## the benchmarks
	cargo bench --all-features

bench-work: ## how long a poll holds its thread, in the cases that cost the most: 2 minutes
	cargo bench --all-features --bench work

bench-neighbour: ## how long a client waits for an echo beside hostile clients: 3 minutes
	cargo bench --all-features --bench neighbour

autobahn: ## the Autobahn suite in both roles, strict (installs the suite)
	ci/autobahn/run.sh

autobahn-full: ## the same with all cases of permessage-deflate: half an hour
	AUTOBAHN_CASES='*' ci/autobahn/run.sh

peers: ## Python websockets, Node ws and Chromium over loopback (installs them)
	peers=$$(ci/peers/setup.sh); \
		PEERS_HOME=$$peers cargo test --all-features --test peers -- --ignored

claimed-lengths: ## memory of a server whose CONNECTIONS=10000 claim 64 MiB each
	ci/claimed_lengths.sh $(CONNECTIONS)

compare: ## the comparison with other libraries, about 25 minutes (compare-memory, -loopback …: a part)
	$(COMPARE) run --quick

compare-full: ## the same over all scenarios and more rounds: hours
	$(COMPARE) run --full

compare-smoke: ## every contestant of the comparison echoes correctly
	$(COMPARE) smoke

compare-guard: ## instructions per message against the recorded baseline
	$(COMPARE) guard benches/results/instructions-baseline.json

compare-gates: ## the demands on this crate beside the others, about 15 minutes
	$(COMPARE) gates

compare-idle-guard: ## memory of an idle connection beside plain TCP
	$(COMPARE) idle-guard

$(COMPARE_PARTS:%=compare-%): ## one part of the comparison: memory, loopback, idle, kernels, instructions, deflate
	$(COMPARE) run --quick --part $(@:compare-%=%)

check: ## everything that CI runs
	.ci/run
