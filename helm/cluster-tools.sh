#!/usr/bin/env bash
# Builds a Kubernetes control plane with its etcd, and kwok, which plays the nodes, into ~/.cache/portcullis/tools, once, and prints the folder.
# Versions are pinned here. Ten minutes on two cores and 5 GB while it builds, 0.5 GB for good. Needs Go.
set -euo pipefail

KUBERNETES=1.37.2 KWOK=v0.8.0 OPERATOR=v0.85.0
tools=${XDG_CACHE_HOME:-$HOME/.cache}/portcullis/tools/cluster-$KUBERNETES-$KWOK-$OPERATOR
mkdir -p "$tools"

if [ ! -e "$tools/complete" ]; then
    command -v go > /dev/null || { echo "cluster: Go 1.26 is missing, which builds the control plane: https://go.dev/dl" >&2; exit 1; }
    # Of no use to anything else, and large: removed once everything is built.
    export GOCACHE=$tools/building GOBIN=$tools GOTOOLCHAIN=local GOFLAGS=-mod=mod
fi

# The folder of a module's sources.
sources() { go mod download -json "$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])'; }

# Kubernetes replaces modules by its own, so its commands are built from a module with the same lines.
build_kubernetes() {
    local module lines; module=$(mktemp -d)
    cd "$module"
    lines=$(sources "k8s.io/kubernetes@v$KUBERNETES")/go.mod
    {
        echo 'module cluster'
        grep -E '^(go|godebug) ' "$lines"
        sed -n '/^godebug (/,/^)/p' "$lines"
        echo "require k8s.io/kubernetes v$KUBERNETES"
        echo 'replace ('
        sed -n '/^replace/,/^)/p' "$lines" | awk -v version="v0.${KUBERNETES#1.}" '/=>/ { print "\t" $1 " => " $1 " " version }'
        echo ')'
    } > go.mod
    # Its own etcd: kwok's watches need more than Debian's 3.4.
    local commands=(go.etcd.io/etcd/server/v3 k8s.io/kubernetes/cmd/{kubectl,kube-scheduler,kube-controller-manager,kube-apiserver}) command package
    { printf '//go:build tools\npackage cluster\nimport (\n'; printf ' _ "%s"\n' "${commands[@]}"; echo ')'; } > tools.go
    go mod tidy
    # Clients read the version.
    local flags='-s -w'
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        flags+=" -X $package.gitVersion=v$KUBERNETES -X $package.gitMajor=1 -X $package.gitMinor=$(cut -d. -f2 <<< "$KUBERNETES") -X $package.gitTreeState=clean"
    done
    for command in "${commands[@]}"; do
        local name=${command##*/}; [ "$name" != v3 ] || name=etcd
        [ -x "$tools/$name" ] || go build -ldflags "$flags" -o "$tools/$name" "$command"
    done
    cd / && rm -rf "$module"
}

if [ ! -e "$tools/complete" ]; then
    echo "cluster: building Kubernetes $KUBERNETES and kwok $KWOK, once; about ten minutes" >&2
    (build_kubernetes) >&2
    go install -ldflags '-s -w' "sigs.k8s.io/kwok/cmd/kwok@$KWOK" >&2
    stages=$(sources "sigs.k8s.io/kwok@$KWOK")/kustomize/stage
    for stage in "$stages"/node/fast/*.yaml "$stages"/node/heartbeat-with-lease/*.yaml; do
        [[ $stage == *kustomization* ]] || { echo ---; cat "$stage"; }
    done > "$tools/nodes.yaml"
    operator=$(sources "github.com/prometheus-operator/prometheus-operator@$OPERATOR")/jsonnet/prometheus-operator
    install -m 644 "$operator"/{podmonitors,servicemonitors,prometheusrules}-crd.json "$tools"
    rm -rf "$GOCACHE"
    touch "$tools/complete"
fi
echo "$tools"
