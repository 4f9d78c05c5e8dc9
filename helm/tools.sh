#!/usr/bin/env bash
# Fetches what the checks of the chart need into ~/.cache/portcullis/tools, once, and prints the folder. Versions are pinned here.
set -euo pipefail

HELM=v3.22.0 KUBECONFORM=v0.7.0 UNITTEST=v1.1.2
tools=${XDG_CACHE_HOME:-$HOME/.cache}/portcullis/tools/helm-$HELM-$KUBECONFORM-$UNITTEST
mkdir -p "$tools"
export GOBIN=$tools GOTOOLCHAIN=local GOFLAGS=-mod=mod

need() { # FILE, then the command that makes it
    [ -x "$tools/$1" ] || { echo "building $1, once" >&2; "${@:2}" >&2; }
}

# Its command cannot be installed from outside, because its go.mod replaces a module; so from a module with the same line.
build_unittest() {
    local module; module=$(mktemp -d)
    (
        cd "$module"
        printf 'module checks\ngo 1.26.0\nrequire github.com/helm-unittest/helm-unittest %s\n' "$UNITTEST" > go.mod
        echo 'replace github.com/vmware-labs/yaml-jsonpath v0.3.2 => github.com/helm-unittest/yaml-jsonpath v0.4.0' >> go.mod
        printf '//go:build tools\npackage checks\nimport _ "github.com/helm-unittest/helm-unittest/cmd/helm-unittest"\n' > tools.go
        go mod tidy && go build -ldflags '-s -w' -o "$tools/helm-unittest" github.com/helm-unittest/helm-unittest/cmd/helm-unittest
    )
    rm -rf "$module"
}

need helm go install -ldflags '-s -w' "helm.sh/helm/v3/cmd/helm@$HELM"
need kubeconform go install -ldflags '-s -w' "github.com/yannh/kubeconform/cmd/kubeconform@$KUBECONFORM"
need helm-unittest build_unittest
echo "$tools"
