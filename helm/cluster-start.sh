# shellcheck shell=bash
# Starts a Kubernetes API of its own on loopback and ends it with the script that sources this; sets KUBECONFIG and $work. Real: etcd, API
# server, controllers, scheduler. Played: four nodes in two zones, each a kwok of its own, so that killing one loses one node; and volumes,
# which are there in advance, each in a zone, where a cloud would make them.

work=$(mktemp -d)
declare -A pids
end() {
    # Whoever asks ends before whom it asks.
    local name
    for name in "${!pids[@]}"; do [[ $name == api || $name == etcd ]] || stop "$name"; done
    stop api
    stop etcd
    rm -rf "$work"
}
stop() { # NAME: by force if it has not ended within ten seconds
    local pid=${pids[$1]-}
    [ -n "$pid" ] || return 0
    unset "pids[$1]"
    kill "$pid" 2> /dev/null || true
    for _ in {1..100}; do
        kill -0 "$pid" 2> /dev/null || return 0
        sleep 0.1
    done
    kill -9 "$pid" 2> /dev/null || true
}
trap end EXIT

say() { echo "cluster: $((SECONDS / 60))m$(printf %02d $((SECONDS % 60)))s $*"; }
fail() {
    echo "cluster: $*" >&2
    kubectl get nodes,pods,jobs,pvc --all-namespaces >&2 || true
    tail --lines 5 "$work"/{api,controllers,scheduler}.log | cut -c 1-300 >&2
    exit 1
}
start() { # NAME COMMAND...
    "${@:2}" > "$work/$1.log" 2>&1 &
    pids[$1]=$!
    disown # else bash says of each that it was killed
}
until_true() { # SECONDS WHAT COMMAND...
    local ends=$((SECONDS + $1)) what=$2; shift 2
    until "$@" > /dev/null 2>&1; do
        [ $SECONDS -lt "$ends" ] || fail "still not: $what"
        sleep 0.5
    done
}

read -r client peer api scheduler controllers < <(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(5)]
print(*(s.getsockname()[1] for s in sockets))')
# Helm and kubectl keep nothing in the user's folders.
export KUBECONFIG=$work/kubeconfig KUBECACHEDIR=$work/kubectl HELM_CACHE_HOME=$work/helm HELM_CONFIG_HOME=$work/helm HELM_DATA_HOME=$work/helm
token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
(
    umask 077
    openssl genrsa -out "$work/accounts.key" 2048 2> /dev/null
    echo "$token,operator,1,system:masters" > "$work/tokens.csv"
    cat > "$KUBECONFIG" <<Y
apiVersion: v1
kind: Config
current-context: test
clusters: [{ name: test, cluster: { server: "https://127.0.0.1:$api", insecure-skip-tls-verify: true } }]
users: [{ name: operator, user: { token: "$token" } }]
contexts: [{ name: test, context: { cluster: test, user: operator } }]
Y
)

start etcd etcd --data-dir "$work/etcd" --listen-client-urls "http://127.0.0.1:$client" --advertise-client-urls "http://127.0.0.1:$client" \
    --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" --initial-cluster "default=http://127.0.0.1:$peer"
# A pod bears a lost node for five minutes; here for ten seconds.
start api kube-apiserver --etcd-servers="http://127.0.0.1:$client" --bind-address=127.0.0.1 --secure-port="$api" --cert-dir="$work/certs" \
    --service-cluster-ip-range=10.0.0.0/24 --service-account-key-file="$work/accounts.key" --service-account-signing-key-file="$work/accounts.key" \
    --service-account-issuer=https://kubernetes.default.svc --token-auth-file="$work/tokens.csv" --authorization-mode=RBAC \
    --default-not-ready-toleration-seconds=10 --default-unreachable-toleration-seconds=10
until_true 120 "the API server is ready" kubectl get --raw /readyz
start controllers kube-controller-manager --kubeconfig="$KUBECONFIG" --bind-address=127.0.0.1 --secure-port="$controllers" --leader-elect=false \
    --service-account-private-key-file="$work/accounts.key" --use-service-account-credentials --node-monitor-grace-period=30s
start scheduler kube-scheduler --kubeconfig="$KUBECONFIG" --bind-address=127.0.0.1 --secure-port="$scheduler" --leader-elect=false

nodes=(a-1 a-2 b-1 b-2)
for node in "${nodes[@]}"; do
    cat <<Y
---
apiVersion: v1
kind: Node
metadata:
  name: $node
  labels: { kubernetes.io/hostname: $node, topology.kubernetes.io/zone: ${node%-*}, disk: ssd }
status: { allocatable: { cpu: "32", memory: 64Gi, pods: "110" }, capacity: { cpu: "32", memory: 64Gi, pods: "110" } }
Y
done | kubectl apply --filename - > /dev/null
play() { # NODE: until it is killed
    start "node-$1" kwok --kubeconfig="$KUBECONFIG" --manage-single-node="$1" --node-lease-duration-seconds=20 \
        --config "$(dirname "$(command -v kwok)")/nodes.yaml" --config cluster-stages.yaml
}
for node in "${nodes[@]}"; do play "$node"; done

{
    for class in zonal fast; do
        default=$([ $class = zonal ] && echo true || echo false)
        cat <<Y
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: { name: $class, annotations: { storageclass.kubernetes.io/is-default-class: "$default" } }
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
allowVolumeExpansion: true
Y
        for zone in a b; do
            for size in 2Gi 20Gi 100Gi; do
                for n in 1 2 3 4 5 6; do
                    name=$class-$zone-${size,,}-$n
                    cat <<Y
---
apiVersion: v1
kind: PersistentVolume
metadata: { name: $name }
spec:
  storageClassName: $class
  capacity: { storage: $size }
  accessModes: [ReadWriteOnce, ReadOnlyMany, ReadWriteMany]
  persistentVolumeReclaimPolicy: Retain
  hostPath: { path: /var/lib/volumes/$name }
  nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ key: topology.kubernetes.io/zone, operator: In, values: [$zone] }] }] } }
Y
                done
            done
        done
    done
} | kubectl apply --server-side --filename - > /dev/null
kubectl wait --for=condition=Ready nodes --all --timeout=60s > "$work/nodes.log" 2>&1 || fail "nodes: $(cat "$work/nodes.log")"
