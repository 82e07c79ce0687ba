# Every check and measurement of the project; `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

NIGHTLY ?= nightly
CONNECTIONS ?= 10000
STREAMED_MIB ?= 1024
FUZZ_SECONDS ?= 10
SEEDS ?= 100000
CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ_VERSION := 0.13.2
# Seeds that a short run of a fuzz target finds. The committed seeds stay as they are.
FUZZ_SCRATCH := $(or $(CARGO_TARGET_DIR),target)/fuzz-smoke

# The steps of `make check`, in this order.
CHECKS := fmt lint doc readme features minimal-versions public-api test backends inlined loom fuzz-test frameworks bench-smoke autobahn \
	peers interop claimed-lengths compare-smoke compare-guard compare-idle-guard deny package
COMPARE_PARTS := compare-memory compare-loopback compare-idle compare-kernels compare-json compare-instructions compare-deflate compare-tls
OURS := wsimd,wsimd-feed,wsimd-framed,wsimd-framed-batched,tcp-tokio
COMPARE = cargo run --release --manifest-path benches/compare/Cargo.toml -p compare --

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help check $(CHECKS) $(COMPARE_PARTS) bench bench-work bench-neighbour shutdown compare compare-full compare-gates \
	model streaming-memory fuzz-smoke mutants asan neon wasm autobahn-full

help:
	@echo "Times are those of two cores, without the first build."
	@awk '/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+: .*## \(/ { \
			name = $$1; sub(/:/, "", name); sub(/.*## /, ""); time = $$0; sub(/\).*/, ")", time); sub(/[^)]*\) /, ""); \
			printf "  %-30s %s\n", name " " time, $$0 \
		}' $(firstword $(MAKEFILE_LIST))

##@ Every commit

fmt: ## (1 s) the formatting; `cargo fmt` corrects it
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo fmt --manifest-path tests/loom/Cargo.toml --check

lint: ## (30 s) clippy on all targets and features; a warning is an error
	cargo clippy --workspace --all-targets --all-features -- -D warnings

doc: ## (5 s) the documentation, private items as well; a warning is an error
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features --document-private-items
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features

test: ## (1-3 min) unit, integration and documentation tests, all features
	cargo test --all-features

##@ Before a pull request

check: $(CHECKS:%=step-%) ## (6-15 min) everything that CI runs: this group and the one above

step-%:
	@printf '\n== %s\n' $*; \
		$(MAKE) --no-print-directory $* BACKENDS=scalar CONNECTIONS=2000 CONTESTANTS=$(OURS); \
		printf '== %s: ok after %d s\n' $* $$SECONDS

readme: ## (1 min) the programs of the README and of a guide compile in fresh projects; relative links resolve
	ci/readme.sh

features: ## (30 s) each set of features builds; without features nothing needs tokio (installs cargo-hack)
	ci/features.sh

minimal-versions: ## (10 s) builds with the oldest version of each dependency (nightly Rust)
	NIGHTLY=$(NIGHTLY) ci/minimal_versions.sh

public-api: ## (15 s) the public API is that of ci/public_api.txt (nightly Rust; installs cargo-public-api)
	NIGHTLY=$(NIGHTLY) ci/public_api.sh

backends: ## (1-5 min) the tests with each of BACKENDS (default: all) forced on the byte kernels
	ci/backends.sh $(BACKENDS)

inlined: ## (10 s) the byte kernels call nothing: every intrinsic became an instruction
	ci/inlined.sh

loom: ## (1 min) locks and wake-ups that tasks share, in every order up to a bound
	cd tests/loom && cargo test --release --locked

fuzz-test: ## (20 s) the fuzz targets over their seeds, as plain tests on stable Rust
	cd fuzz && cargo test

frameworks: ## (10 s) the examples with hyper and axum, over real sockets
	cargo test --package wsimd-frameworks

bench-smoke: ## (30 s) every benchmark once, as a test
	cargo test --package wsimd-benches --benches

autobahn: ## (1-2 min) the Autobahn suite in both roles, strict; installs the suite
	ci/autobahn/run.sh

peers: ## (30 s) Python websockets, Node ws and Chromium over loopback, also with TLS; installs them
	peers=$$(ci/peers/setup.sh); \
		PEERS_HOME=$$peers cargo test --all-features --test peers -- --ignored

interop: ## (25 s) nginx, HAProxy before a server, tinyproxy, microsocks for a client, a socket of systemd; unpacks proxies
	cargo build --all-features --example systemd
	proxies=$$(ci/interop/setup.sh); \
		INTEROP_HOME=$$proxies cargo test --all-features --test interop -- --include-ignored

claimed-lengths: ## (15 s) memory of a server whose CONNECTIONS=10000 claim 64 MiB each
	ci/claimed_lengths.sh $(CONNECTIONS)

compare-smoke: ## (1 min) every contestant of the comparison echoes correctly; CI takes those of this crate
	$(COMPARE) smoke $(if $(CONTESTANTS),--only $(CONTESTANTS))

compare-guard: ## (40 s) instructions per message against the recorded baseline; installs valgrind
	$(COMPARE) guard benches/results/instructions-baseline.json

compare-idle-guard: ## (30 s) memory of an idle connection beside plain TCP, and over TLS beside plain TLS
	$(COMPARE) gates --part idle,tls --only wsimd --scenario '1000 connections,4000 connections'

deny: ## (5 s) licences, sources, versions and advisories of the dependencies; installs cargo-deny
	cargo deny --version >/dev/null 2>&1 || \
		cargo install --locked cargo-deny --version $(CARGO_DENY_VERSION) --no-default-features
	cargo deny check --hide-inclusion-graph bans licenses sources
	ci/advisories.sh

package: ## (10 s) the package builds by itself; needs a clean work tree
	cargo package

##@ Measurements

bench: ## (5 min) the benchmarks of this crate alone
	cargo bench --package wsimd-benches

bench-work: ## (2 min) the time that a poll holds its thread, in the most expensive cases
	cargo bench --package wsimd-benches --bench work

bench-neighbour: ## (5 min) the wait of a client for an echo, and of a new client, beside hostile clients
	cargo bench --package wsimd-benches --bench neighbour

compare: ## (25 min) the comparison with other libraries, every figure of the README
	$(COMPARE) run --quick

compare-memory: ## (1-6 min) part of it: decoding and encoding in memory

compare-loopback: ## (1-6 min) part of it: echo servers under load

compare-idle: ## (1-6 min) part of it: memory of idle connections

compare-kernels: ## (1-6 min) part of it: masking and UTF-8 validation

compare-json: ## (1-6 min) part of it: JSON received and parsed

compare-instructions: ## (1-6 min) part of it: instructions per message

compare-deflate: ## (1-6 min) part of it: permessage-deflate

compare-tls: ## (1-6 min) part of it: echo servers and idle connections over TLS

$(COMPARE_PARTS):
	$(COMPARE) run --quick --part $(@:compare-%=%)

compare-gates: ## (15 min) the demands on this crate beside the other libraries
	$(COMPARE) gates

compare-full: ## (hours) the comparison over all scenarios, in more rounds
	$(COMPARE) run --full

##@ Long checks, which CI does not run

model: ## (4 min) SEEDS=100000 random stories of endpoints and connections beside a model; SEED is the first
	SEEDS=$(SEEDS) cargo test --release --all-features --test it -- model

streaming-memory: ## (1 min) less than 1 MiB of memory for messages of STREAMED_MIB=1024, plain and compressed
	STREAMED_MIB=$(STREAMED_MIB) cargo test --release --all-features --test streaming -- --nocapture

shutdown: ## (1 min) the end of a server with 5,000 clients, some of them stuck, deaf or in the handshake
	cargo test --all-features --test it -- serve::shutdown --ignored --nocapture

fuzz-smoke: ## (5 min) FUZZ_SECONDS=10 of each fuzz target on nightly Rust; installs cargo-fuzz
	cargo fuzz --version >/dev/null 2>&1 || \
		cargo install --locked cargo-fuzz --version $(CARGO_FUZZ_VERSION)
	for target in $$(cargo +$(NIGHTLY) fuzz list); do \
		seeds=(); \
		[ ! -d "fuzz/corpus/$$target" ] || seeds=("fuzz/corpus/$$target"); \
		mkdir -p "$(FUZZ_SCRATCH)/$$target"; \
		cargo +$(NIGHTLY) fuzz run --features libfuzzer "$$target" "$(FUZZ_SCRATCH)/$$target" "$${seeds[@]}" \
			-- -max_total_time=$(FUZZ_SECONDS); \
	done

mutants: ## (15 min) the tests of the byte kernels notice every fault of ci/mutants.txt
	ci/mutants.sh

asan: ## (5 min) the byte kernels and in-place JSON under AddressSanitizer, which must see planted faults (nightly Rust)
	NIGHTLY=$(NIGHTLY) ci/asan.sh

neon: ## (2 min) aarch64: the crate builds; the byte kernels under clippy and QEMU (downloads 300 MB once)
	ci/cross/run.sh neon

wasm: ## (2 min) wasm32, 32-bit: the crate builds; the byte kernels under clippy and in Node (same download)
	ci/cross/run.sh wasm

autobahn-full: ## (30 min) the Autobahn suite with all cases of permessage-deflate
	AUTOBAHN_CASES='*' ci/autobahn/run.sh
