# The two commands are `make demo` and `make test`. The rest are thin lines over cargo.
#
# Everything is built in the release profile and with the features of the whole workspace, so that nothing is compiled twice.

# Outside the clone, so that a fresh clone finds what another one compiled.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/portcullis/target

PORTCULLIS := $(CARGO_TARGET_DIR)/release/portcullis
SEED       ?= 1
EVENTS     ?= 100000
OUT        ?= ./out/demo
RUNS       ?= 5
SEEDS      ?= 200
LANES      ?= 2
TORTURE_LOG ?= ./out/torture.log
# Seeds 1 to 99 are for tuning, 1001 to 1099 for testing.
QUALITY_SEEDS ?= 1001-1004
EVENTS_EACH ?= 300000
TIMES      ?= 3
FUZZ_SECONDS ?= 600

.PHONY: demo test test-keycloak test-cluster torture fuzz deny build lint bench-core bench-drain bench-peers bench-compare bench-ingest bench-latency bench-scale bench-idle bench-takeover bench-quality coverage weights model helm-check helm-readme install bootstrap

demo: build
	@"$(PORTCULLIS)" demo --seed $(SEED) --events $(EVENTS) --out "$(OUT)"

test: lint
	cargo test --release --locked --workspace
	@helm/check.sh "$(PORTCULLIS)"

# The judge over many seeds: SEEDS of them from SEED on, LANES side by side. What the log holds already is not run again; SEED=17 SEEDS=1
# with another TORTURE_LOG runs one again.
torture: bootstrap
	cargo build --release --locked --workspace --bins
	@mkdir -p "$(dir $(TORTURE_LOG))"
	@"$(CARGO_TARGET_DIR)/release/judge" --from $(SEED) --seeds $(SEEDS) --lanes $(LANES) --log "$(TORTURE_LOG)"

# Every decoder and parser under libFuzzer, FUZZ_SECONDS each (the first build takes 8 minutes).
fuzz: bootstrap
	@.ci/fuzz $(FUZZ_SECONDS)

# Licences, sources and advisories of what is depended on. CI runs it, too.
deny: bootstrap
	@.ci/deny

build: bootstrap
	cargo build --release --locked --workspace --bin portcullis
	@echo "built $(PORTCULLIS)"

lint: bootstrap
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings

# The closed loop on a real identity provider (Keycloak) and a real secrets manager (OpenBao), fetched into the user's cache; some minutes.
test-keycloak: bootstrap
	cargo build --release --locked --workspace --bin portcullis --bin keycloak-loop
	"$(CARGO_TARGET_DIR)/release/keycloak-loop"

# What the core costs a record (targets: 0.7 us an API event, 1.5 us a log-in), and what a rule in SQL costs a row.
bench-core: bootstrap
	cargo bench --locked --workspace --bench core --bench rules

# What the engine costs, on a real Kafka: broker on core 0, engine on core 1. Each prints RESULT lines; docs/performance.md keeps them.
# RUNS=5 runs of each; BENCH_ARGS is handed on (`--events 500000` for a quick look).
BENCH = cargo build --release --locked --workspace --bins && RUNS=$(RUNS) .ci/bench "$(CARGO_TARGET_DIR)/release"

# SCORE with the whole default policy, 1 M identities, at about 3 % and at 100 % emission, against the bare echo.
bench-drain: bootstrap
	$(BENCH) drain --emit changes $(BENCH_ARGS)
	$(BENCH) drain --emit all $(BENCH_ARGS)

# The workload of Kafka Streams and Flink: default, wide, and a verdict for every event, against the bare echo.
bench-peers: bootstrap
	$(BENCH) peers $(BENCH_ARGS)
	$(BENCH) peers --wide $(BENCH_ARGS)
	$(BENCH) peers --all $(BENCH_ARGS)

# The same beside the peers themselves, on one broker, in the same session.
bench-compare: bootstrap
	$(BENCH) compare

bench-ingest: bootstrap
	$(BENCH) ingest $(BENCH_ARGS)
	$(BENCH) ingest --avro $(BENCH_ARGS)
	$(BENCH) ingest --registry $(BENCH_ARGS)

bench-latency: bootstrap
	$(BENCH) latency $(or $(RATES),5000)

bench-scale: bootstrap
	cargo build --release --locked --workspace --bins
	taskset -c 1 "$(CARGO_TARGET_DIR)/release/scale" $(BENCH_ARGS)

bench-idle: bootstrap
	$(BENCH) idle

# From a kill -9 to the next decision, a million identities in one partition.
bench-takeover: bootstrap
	cargo build --release --locked --workspace --bins
	"$(CARGO_TARGET_DIR)/release/takeover"

# How good the verdicts are, as Markdown. No Kafka, no RocksDB: only what it needs is built. For more: QUALITY="--scenario NAME --policy FILE".
bench-quality:
	@cargo build --quiet --release --locked -p portcullis-quality
	@"$(CARGO_TARGET_DIR)/release/quality" --seeds $(QUALITY_SEEDS) --events-each $(EVENTS_EACH) --times $(TIMES) $(QUALITY)

# docs/coverage.md: which signal speaks in which scenario. A test fails when it is stale.
coverage:
	@cargo build --quiet --release --locked -p portcullis-quality
	@"$(CARGO_TARGET_DIR)/release/quality" --coverage > docs/coverage.md

# What the weights are worth: counts over the tuning seeds, then the table of docs/policy.md and what it would change. Applies nothing.
weights: build
	@"$(MAKE)" --no-print-directory bench-quality QUALITY_SEEDS=20-31 QUALITY="--counted engine/policy/counted.json" > /dev/null
	@"$(PORTCULLIS)" policy calibrate --counts engine/policy/counted.json

# The figures of the model card over the test seeds, then docs/model.md. The card's figures are compiled in, so it is built between.
model:
	@"$(MAKE)" --no-print-directory bench-quality QUALITY="--measured engine/policy/measured.json" > /dev/null
	@"$(MAKE)" --no-print-directory build
	@"$(PORTCULLIS)" policy model-card > docs/model.md

# The chart, the alerts, the dashboard and their pages. Seconds, once its tools are built (Go, 4 minutes); no cluster.
helm-check: build
	@helm/check.sh "$(PORTCULLIS)"

# The chart on a real Kubernetes API: control plane and etcd are built once (Go, 10 minutes), nodes and volumes are played; six minutes.
test-cluster: build
	@helm/cluster-test.sh "$(PORTCULLIS)"

# helm/portcullis/README.md: the table of values.yaml. A check fails when it is stale.
helm-readme:
	@helm/readme.py

# Into ~/.cargo/bin, so that the commands of the README can be typed as they stand.
install: build
	install -D -m 755 "$(PORTCULLIS)" "$${CARGO_HOME:-$$HOME/.cargo}/bin/portcullis"

bootstrap:
	@.ci/bootstrap
