#!/usr/bin/env bash
# Installs, upgrades, rolls back, drains and removes the chart on a real Kubernetes API: etcd, API server, controllers and scheduler, with
# nodes that kwok plays. `make test-cluster`.
#
# What it shows: that the API admits every object (Pod Security `restricted` enforced), that the hooks run in their order and `--wait` comes to
# its end, that pods, claims and budgets do what they should. What it cannot: images, probes, volumes and network policies really at work.
set -euo pipefail
cd "$(dirname "$0")"
PATH=$(./tools.sh):$(./cluster-tools.sh):$PATH
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2> /dev/null || true; wait; rm -rf "$work"' EXIT

say() { echo "cluster: $*"; }
fail() { echo "cluster: $*" >&2; kubectl get pods,jobs,pvc -A >&2 || true; tail -n 20 "$work"/*.log >&2; exit 1; }
start() { "$@" > "$work/$(basename "$1").log" 2>&1 & pids+=($!); }
until_true() { # SECONDS WHAT COMMAND...
    local ends=$((SECONDS + $1)) what=$2; shift 2
    until "$@" > /dev/null 2>&1; do
        [ $SECONDS -lt $ends ] || fail "after a while still not: $what"
        sleep 1
    done
}

read -r client peer api < <(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*(s.getsockname()[1] for s in sockets))')
openssl genrsa -out "$work/sa.key" 2048 2> /dev/null
echo 'operator,operator,1,system:masters' > "$work/tokens.csv"
export KUBECONFIG=$work/kubeconfig
cat > "$KUBECONFIG" <<Y
apiVersion: v1
kind: Config
current-context: test
clusters: [{ name: test, cluster: { server: "https://127.0.0.1:$api", insecure-skip-tls-verify: true } }]
users: [{ name: operator, user: { token: operator } }]
contexts: [{ name: test, context: { cluster: test, user: operator } }]
Y

start etcd --data-dir "$work/etcd" --listen-client-urls "http://127.0.0.1:$client" --advertise-client-urls "http://127.0.0.1:$client" \
    --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" --initial-cluster "default=http://127.0.0.1:$peer"
start kube-apiserver --etcd-servers="http://127.0.0.1:$client" --bind-address=127.0.0.1 --secure-port="$api" --cert-dir="$work/certs" \
    --service-cluster-ip-range=10.0.0.0/24 --service-account-key-file="$work/sa.key" --service-account-signing-key-file="$work/sa.key" \
    --service-account-issuer=https://kubernetes.default.svc --token-auth-file="$work/tokens.csv" --authorization-mode=RBAC
until_true 120 "the API server is ready" kubectl get --raw /readyz
start kube-controller-manager --kubeconfig="$KUBECONFIG" --bind-address=127.0.0.1 --secure-port=0 --leader-elect=false --service-account-private-key-file="$work/sa.key"
start kube-scheduler --kubeconfig="$KUBECONFIG" --bind-address=127.0.0.1 --secure-port=0 --leader-elect=false
start kwok --kubeconfig="$KUBECONFIG" --manage-all-nodes=true --node-lease-duration-seconds=40 --config "$(dirname "$(command -v kwok)")/stages.yaml"

# Two nodes in two zones, and volumes without a provisioner.
for n in 1 2; do
    kubectl apply -f - > /dev/null <<Y
apiVersion: v1
kind: Node
metadata: { name: node-$n, annotations: { kwok.x-k8s.io/node: fake }, labels: { kubernetes.io/hostname: node-$n, topology.kubernetes.io/zone: zone-$n } }
status: { allocatable: { cpu: 8, memory: 32Gi, pods: 110 }, capacity: { cpu: 8, memory: 32Gi, pods: 110 } }
Y
done
for n in 1 2 3 4 5 6; do
    kubectl apply -f - > /dev/null <<Y
apiVersion: v1
kind: PersistentVolume
metadata: { name: volume-$n }
spec: { capacity: { storage: 20Gi }, accessModes: [ReadWriteOnce], persistentVolumeReclaimPolicy: Retain, hostPath: { path: /tmp/volume-$n } }
Y
done
kubectl create namespace identity > /dev/null
kubectl label namespace identity pod-security.kubernetes.io/enforce=restricted > /dev/null
until_true 60 "a namespace has its default account" kubectl -n identity get serviceaccount default

helm() { command helm --namespace identity "$@"; }
k() { kubectl --namespace identity "$@"; }
key() { k get secret portcullis-signing-key --output 'jsonpath={.data.gate\.key}'; }
released() { helm history portcullis --output json | python3 -c 'import json, sys; h = json.load(sys.stdin)[-1]; sys.exit(h["status"] != "deployed")'; }
ran() { k get events --field-selector reason=Completed --output name -o 'jsonpath={.items[*].involvedObject.name}' | grep -qw "$1"; }
ready() { [ "$(k get statefulset "portcullis-$1" --output 'jsonpath={.status.readyReplicas}')" = "$2" ]; }
all_ready() { # SECONDS
    until_true "$1" "two of INGEST ready" ready ingest 2
    until_true "$1" "three of SCORE ready" ready score 3
    until_true "$1" "two of GATE ready" ready gate 2
}

helm install portcullis portcullis --set kafka.bootstrapServers=kafka:9092 --set-file policy.content=../engine/policy/default.yaml \
    --wait --timeout 5m > "$work/notes.log" 2>&1 || fail "install: $(cat "$work/notes.log")"
! grep -i 'would violate' "$work/notes.log" || fail "Pod Security warns"
all_ready 60
ran portcullis-topics || fail "topics were not made"
ran portcullis-policy || fail "no policy was applied"
[ -z "$(k get jobs --output name)" ] || fail "Jobs that succeeded are still there"
[ "$(k get pvc --output name | wc -l)" = 5 ] || fail "not five claims"
[ "$(k get pods -l app.kubernetes.io/component=score --output 'jsonpath={.items[*].spec.nodeName}' | tr ' ' '\n' | sort -u | wc -l)" = 2 ] || fail "SCORE's pods are on one node"
first=$(key)
say "installed: 7 pods, 5 claims, topics before and a policy after, admitted as restricted"

[ "$(kubectl auth can-i --as=system:serviceaccount:identity:portcullis get secrets --namespace identity || true)" = no ] || fail "the account has rights"
say "its account may nothing"

helm upgrade portcullis portcullis --reuse-values --set score.replicas=4 --set score.transaction.atMost=50ms --wait --timeout 5m > "$work/upgrade.log" 2>&1 || fail "upgrade: $(cat "$work/upgrade.log")"
until_true 60 "four of SCORE ready" ready score 4
[ "$(key)" = "$first" ] || fail "an upgrade made another key"
say "upgraded: one pod more, the same key"

helm rollback portcullis 1 --wait --timeout 5m > "$work/rollback.log" 2>&1 || fail "rollback: $(cat "$work/rollback.log")"
until_true 60 "three of SCORE ready" ready score 3
released || fail "not deployed after the rollback"
[ "$(key)" = "$first" ] || fail "a rollback made another key"
say "rolled back"

# A drain takes one pod of a role at a time and comes to its end.
kubectl drain node-1 --ignore-daemonsets --delete-emptydir-data --force --timeout=180s > "$work/drain.log" 2>&1 || fail "drain: $(cat "$work/drain.log")"
all_ready 120
# Two of a role at once are refused.
evict() { kubectl create --raw "/api/v1/namespaces/identity/pods/$1/eviction" -f - <<< "{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{\"name\":\"$1\",\"namespace\":\"identity\"}}"; }
kubectl cordon node-2 > /dev/null
evict portcullis-score-0 > "$work/evict.log" 2>&1 || fail "the first eviction: $(cat "$work/evict.log")"
until_true 60 "one of SCORE is away" ready score 2
! evict portcullis-score-1 > "$work/evict.log" 2>&1 || fail "a second pod of SCORE was evicted beside the first"
grep -q 'disruption budget' "$work/evict.log" || fail "the second eviction: $(cat "$work/evict.log")"
kubectl uncordon node-1 node-2 > /dev/null
until_true 120 "three of SCORE ready" ready score 3
say "drained: one pod of a role at a time"

helm uninstall portcullis --wait > /dev/null
[ "$(key)" = "$first" ] || fail "the key has gone with the release"
[ "$(k get pvc --output name | wc -l)" = 6 ] || fail "claims have gone with the release"
[ -z "$(k get statefulsets,networkpolicies,configmaps,serviceaccounts -l app.kubernetes.io/instance=portcullis --output name)" ] || fail "something has stayed"
helm install portcullis portcullis --set kafka.bootstrapServers=kafka:9092 --wait --timeout 5m > "$work/again.log" 2>&1 || fail "again: $(cat "$work/again.log")"
[ "$(key)" = "$first" ] || fail "the key that stayed was not taken up again"
say "removed and installed again: the key and the claims stayed"
