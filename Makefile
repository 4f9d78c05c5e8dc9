# The two commands are `make demo` and `make test`. The rest are thin lines over cargo.
#
# Everything is built in the release profile and with the features of the whole workspace, so that nothing is compiled twice.

# Outside the clone, so that a fresh clone finds what another one compiled.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/portcullis/target

PORTCULLIS := $(CARGO_TARGET_DIR)/release/portcullis
SEED       ?= 1
EVENTS     ?= 100000
OUT        ?= ./out/demo
DRAIN_EVENTS ?= 1000000
# Seeds 1 to 99 are for tuning, 1001 to 1099 for testing.
SEEDS        ?= 1001-1004
EVENTS_EACH  ?= 300000
TIMES        ?= 3

.PHONY: demo test build lint bench-core bench-drain bench-quality install bootstrap

demo: build
	@"$(PORTCULLIS)" demo --seed $(SEED) --events $(EVENTS) --out "$(OUT)"

test: lint
	cargo test --release --locked --workspace

build: bootstrap
	cargo build --release --locked --workspace --bin portcullis
	@echo "built $(PORTCULLIS)"

lint: bootstrap
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings

bench-core: bootstrap
	cargo bench --locked -p portcullis-benches

# SCORE and the bare echo on a real Kafka, pinned apart: broker on core 0, the engine on core 1.
bench-drain: bootstrap
	cargo build --release --locked --workspace --bins
	@.ci/drain "$(CARGO_TARGET_DIR)/release" $(DRAIN_EVENTS)

# How good the verdicts are, as Markdown. No Kafka, no RocksDB: only what it needs is built. For more: QUALITY="--scenario NAME --policy FILE".
bench-quality:
	@cargo build --quiet --release --locked -p portcullis-quality
	@"$(CARGO_TARGET_DIR)/release/quality" --seeds $(SEEDS) --events-each $(EVENTS_EACH) --times $(TIMES) $(QUALITY)

# Into ~/.cargo/bin, so that the commands of the README can be typed as they stand.
install: build
	install -D -m 755 "$(PORTCULLIS)" "$${CARGO_HOME:-$$HOME/.cargo}/bin/portcullis"

bootstrap:
	@.ci/bootstrap
