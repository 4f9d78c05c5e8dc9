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
SEEDS      ?= 200
LANES      ?= 2
TORTURE_LOG ?= ./out/torture.log

.PHONY: demo test torture build lint bench-core bench-drain install bootstrap

demo: build
	@"$(PORTCULLIS)" demo --seed $(SEED) --events $(EVENTS) --out "$(OUT)"

test: lint
	cargo test --release --locked --workspace

# The judge over many seeds: SEEDS of them from SEED on, LANES side by side. What the log holds already is not run again; SEED=17 SEEDS=1
# with another TORTURE_LOG runs one again.
torture: bootstrap
	cargo build --release --locked --workspace --bins
	@mkdir -p "$(dir $(TORTURE_LOG))"
	@"$(CARGO_TARGET_DIR)/release/judge" --from $(SEED) --seeds $(SEEDS) --lanes $(LANES) --log "$(TORTURE_LOG)"

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

# Into ~/.cargo/bin, so that the commands of the README can be typed as they stand.
install: build
	install -D -m 755 "$(PORTCULLIS)" "$${CARGO_HOME:-$$HOME/.cargo}/bin/portcullis"

bootstrap:
	@.ci/bootstrap
