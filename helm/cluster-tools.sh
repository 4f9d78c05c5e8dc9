#!/usr/bin/env bash
# Builds a Kubernetes control plane and kwok, which plays the nodes, into ~/.cache/portcullis/tools, once, and prints the folder: about
# eight minutes on two cores and 4 GB of caches while it builds, 0.5 GB for good. Needs Go and, for etcd, Debian's etcd-server.
set -euo pipefail

KUBERNETES=1.37.2 KWOK=v0.8.0
tools=${XDG_CACHE_HOME:-$HOME/.cache}/portcullis/tools/cluster-$KUBERNETES-$KWOK
mkdir -p "$tools"
export GOBIN=$tools GOTOOLCHAIN=local GOFLAGS=-mod=mod

command -v etcd > /dev/null || { echo "etcd is missing: apt-get install --no-install-recommends etcd-server" >&2; exit 1; }
command -v go > /dev/null || { echo "Go is missing, which builds the control plane: https://go.dev/dl" >&2; exit 1; }

# The module of Kubernetes replaces its own parts, so it builds from a module with the same lines alone.
build_kubernetes() {
    local module cache; module=$(mktemp -d)
    cd "$module"
    printf 'module cluster\ngo 1.26.0\nrequire k8s.io/kubernetes v%s\n' "$KUBERNETES" > go.mod
    go mod download "k8s.io/kubernetes@v$KUBERNETES"
    cache=$(go env GOMODCACHE)/cache/download/k8s.io/kubernetes/@v/v$KUBERNETES.mod
    {
        echo 'module cluster'
        grep -E '^(go|godebug) ' "$cache"
        echo "require k8s.io/kubernetes v$KUBERNETES"
        echo 'replace ('
        sed -n '/^replace/,/^)/p' "$cache" | awk -v version="v0.${KUBERNETES#1.}" '/=>/ { print "\t" $1 " => " $1 " " version }'
        echo ')'
    } > go.mod
    local commands=(kube-apiserver kube-controller-manager kube-scheduler kubectl)
    { printf '//go:build tools\npackage cluster\nimport (\n'; printf ' _ "k8s.io/kubernetes/cmd/%s"\n' "${commands[@]}"; echo ')'; } > tools.go
    go mod tidy
    local flags='-s -w' package
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        flags+=" -X $package.gitVersion=v$KUBERNETES -X $package.gitMajor=1 -X $package.gitMinor=$(cut -d. -f2 <<< "$KUBERNETES") -X $package.gitTreeState=clean"
    done
    local command
    for command in "${commands[@]}"; do
        go build -ldflags "$flags" -o "$tools/$command" "k8s.io/kubernetes/cmd/$command"
    done
    cd / && rm -rf "$module"
}

if [ ! -x "$tools/kubectl" ]; then
    echo "building Kubernetes $KUBERNETES, once" >&2
    (build_kubernetes) >&2
fi
if [ ! -s "$tools/stages.yaml" ]; then
    echo "building kwok $KWOK, once" >&2
    go install -ldflags '-s -w' "sigs.k8s.io/kwok/cmd/kwok@$KWOK" >&2
    stages=$(go env GOMODCACHE)/sigs.k8s.io/kwok@$KWOK/kustomize/stage
    for stage in "$stages"/pod/fast/*.yaml "$stages"/node/fast/*.yaml "$stages"/node/heartbeat-with-lease/*.yaml; do
        [[ $stage == *kustomization* ]] || { echo ---; cat "$stage"; }
    done > "$tools/stages.yaml"
fi
echo "$tools"
