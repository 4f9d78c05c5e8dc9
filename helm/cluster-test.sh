#!/usr/bin/env bash
# Installs, upgrades, rolls back, scales, drains and removes the chart on a real Kubernetes API: `make test-cluster`.
#   cluster-test.sh PORTCULLIS
# Six minutes, and once ten more for its tools (tools.sh, cluster-tools.sh). Servers are on loopback and end with it.
#
# What it shows: that the API admits every object with Pod Security `restricted` enforced; that hooks run in their order and `--wait` comes to
# its end; which pods restart for which change; that claims, budgets and names hold in scaling, drains and when a node is lost. What it cannot,
# because cluster-start.sh plays nodes and volumes and cluster-stages.yaml says when a pod is ready: images, containers, probes, a network
# policy or a volume at work. No Portcullis runs on it; the binary reads the configuration and the key that the API hands out, as files.
set -euo pipefail
portcullis=$(realpath "${1:?the portcullis binary}")
cd "$(dirname "$0")"
for tool in python3 openssl; do
    command -v $tool > /dev/null || { echo "cluster: $tool is missing: apt-get install --no-install-recommends $tool" >&2; exit 1; }
done
tools=$(./tools.sh)
cluster_tools=$(./cluster-tools.sh)
PATH=$tools:$cluster_tools:$PATH
SECONDS=0
# shellcheck source=helm/cluster-start.sh
. ./cluster-start.sh
say "$(kubectl version --output json | python3 -c 'import json, sys; print("Kubernetes", json.load(sys.stdin)["serverVersion"]["gitVersion"])'), ${#nodes[@]} nodes"

# Words of the checks. All look at one namespace and the release `portcullis`, unless they are told another.
namespace=identity
k() { kubectl --namespace "$namespace" "$@"; }
refused() { # WHY COMMAND...: fails, and says why
    local why=$1; shift
    if "$@" > "$work/refused" 2>&1; then fail "not refused: $*"; fi
    grep -qF -- "$why" "$work/refused" || fail "refused, but not because of '$why': $(cat "$work/refused")"
}
make_namespace() {
    namespace=$1
    kubectl create namespace "$1" > /dev/null
    kubectl label namespace "$1" pod-security.kubernetes.io/{enforce,warn,audit}=restricted > /dev/null
    until_true 60 "the namespace $1 has its account" k get serviceaccount default
}
least=(--set kafka.bootstrapServers=kafka-0.kafka:9092)
helm_() { # install|upgrade|rollback ARGS...: waits for its end, and bears no warning
    helm "$1" --namespace "$namespace" --wait --timeout 5m portcullis "${@:2}" > "$work/helm.out" 2>&1 || fail "helm $*: $(cat "$work/helm.out")"
    ! grep 'Warning: ' "$work/helm.out" >&2 || fail "the API warns of helm $*"
}
upgrade() { helm_ upgrade portcullis --reset-then-reuse-values "$@"; }
status() { helm status --namespace "$namespace" portcullis --output json | python3 -c 'import json, sys; print(json.load(sys.stdin)["info"]["status"])'; }
pods() { # ROLE JSONPATH: name=VALUE of each pod of a role, one a line
    k get pods --selector "app.kubernetes.io/component=$1" --sort-by=.metadata.name --output "jsonpath={range .items[*]}{.metadata.name}={$2}{\"\n\"}{end}"
}
uids() { pods "$1" .metadata.uid; }
claims() { k get pvc --output 'jsonpath={range .items[*]}{.metadata.name}={.metadata.uid}={.spec.volumeName}={.status.phase}{"\n"}{end}'; }
ready() { # ROLE COUNT
    [ "$(k get statefulset "portcullis-$1" --output 'jsonpath={.status.readyReplicas}/{.status.replicas}')" = "$2/$2" ]
}
all_ready() { # SECONDS
    until_true "$1" "two of INGEST ready" ready ingest 2
    until_true "$1" "three of SCORE ready" ready score 3
    until_true "$1" "two of GATE ready" ready gate 2
}
restarts() { # "ROLE..." COMMAND...: restarts every pod of these roles and none of the others
    local expected=$1 role; shift
    local -A ids
    for role in ingest score gate; do ids[$role]=$(uids $role); done
    "$@"
    for role in ingest score gate; do
        local same; same=$(comm -12 <(sort <<< "${ids[$role]}") <(uids $role | sort) | wc -l)
        if [[ " $expected " == *" $role "* ]]; then
            [ "$same" = 0 ] || fail "not every pod of $role was restarted by: $*"
        else
            [ "${ids[$role]}" = "$(uids $role)" ] || fail "pods of $role were restarted by: $*"
        fi
    done
}
key() { k get secret portcullis-signing-key --output 'jsonpath={.data.gate\.key}'; }
release() { # every object of the release, and what is there besides, as JSON
    { helm get manifest --namespace "$namespace" portcullis; helm get hooks --namespace "$namespace" portcullis; } |
        kubectl create --namespace "$namespace" --dry-run=client --output json --filename -
    k get secrets,configmaps,pvc --output json
}
mounts() { release | ./cluster-mounts.py "$@"; }
# The binary reads what the pods of GATE would find. GATE, because it alone has the key.
binary_reads() {
    local root=$work/root-$namespace
    mounts StatefulSet/portcullis-gate "$root"
    sed -i "s|/etc/portcullis|$root/etc/portcullis|" "$root/etc/portcullis/config/portcullis.yaml"
    "$portcullis" validate --no-environment --config "$root/etc/portcullis/config/portcullis.yaml" > "$work/validate.log" 2>&1 ||
        fail "the binary does not read the configuration in $namespace: $(cat "$work/validate.log")"
    "$portcullis" gate jwks --key "$root/etc/portcullis/signing-key/gate.key" > "$work/jwks.json" || fail "the binary does not read the key in $namespace"
}
page() { # FILE HEADING: the commands below a heading of a page
    awk -v heading="$2" '$0 == heading { on = 1; next } on && !inside && /^#/ { exit } on && /^ *```/ { inside = !inside; next } on && inside' "../docs/$1" |
        sed 's/^ *//' | sed -e ':joined' -e '/\\$/ { N; s/ *\\\n */ /; b joined' -e '}'
}
as_they_stand() { # PAGE: runs the commands of standard input in the root of the repository
    (cd .. && bash -euo pipefail) > "$work/helm.out" 2>&1 || fail "docs/$1: $(cat "$work/helm.out")"
}

# What is wrong goes no further than to Helm; what Helm lets pass, the API would still refuse.
kubectl apply --server-side --filename "$cluster_tools/podmonitors-crd.json" --filename "$cluster_tools/servicemonitors-crd.json" \
    --filename "$cluster_tools/prometheusrules-crd.json" > /dev/null
kubectl wait --for=condition=Established crd --all --timeout=60s > /dev/null
make_namespace identity
for values in values/refused/*.yaml; do
    refused "$(sed -n '1s/^# refused: //p' "$values")" helm install --namespace identity portcullis portcullis --values "$values"
done
[ -z "$(k get secrets,configmaps,statefulsets,jobs --output name --field-selector metadata.name!=kube-root-ca.crt)" ] || fail "something was sent for values that are refused"
make_namespace rendered
k create --save-config serviceaccount portcullis > /dev/null
k create --save-config serviceaccount p-portcullis > /dev/null
render() { # VALUES ARGS...
    local policy=(--set-file policy.content=../engine/policy/default.yaml)
    ! grep -q existingConfigMap "$1" || policy=()
    helm template portcullis portcullis --kube-version 1.37.0 --namespace rendered --values "$1" "${policy[@]}" "${@:2}"
}
dry_run() { k apply --dry-run=server --validate=strict --filename - 2>&1; }
objects=0
for values in values/*.yaml; do
    render "$values" | dry_run > "$work/dry" || fail "objects of $values: $(cat "$work/dry")"
    ! grep -i warning "$work/dry" >&2 || fail "objects of $values"
    objects=$((objects + $(wc -l < "$work/dry")))
done
wrong() { render values/default.yaml "${@:2}" | sed "$1" | dry_run; }
refused 'unknown field "spec.serviceNam"' wrong 's/  serviceName:/  serviceNam:/'
refused 'violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false' wrong '' --set securityContext.allowPrivilegeEscalation=true --show-only templates/tests/ready.yaml
refused 'violates PodSecurity "restricted:latest": runAsNonRoot != true' wrong '' --set podSecurityContext.runAsNonRoot=false --show-only templates/tests/ready.yaml
say "the API takes all $objects objects of values/*.yaml, strictly and as restricted, and refuses a wrong field and a loosened pod; $(find values/refused -name '*.yaml' | wc -l) wrong values are refused before anything is sent"

namespace=identity
# Installed: a Kafka and nothing else, then what its objects have come to.
helm_ install portcullis "${least[@]}" --set-file policy.content=../engine/policy/default.yaml
all_ready 1
ran() { # HOOK: when its Job had completed, in seconds
    k get events --field-selector "involvedObject.kind=Job,involvedObject.name=portcullis-$1,reason=Completed" --output 'jsonpath={.items[0].lastTimestamp}' | date --file - +%s
}
made() { k get statefulset portcullis-score --output 'jsonpath={.metadata.creationTimestamp}' | date --file - +%s; }
[ "$(ran topics)" -le "$(made)" ] || fail "the topics came after the roles"
[ "$(ran policy)" -ge "$(made)" ] || fail "the policy came before the roles"
[ -z "$(k get jobs --output name)" ] || fail "Jobs that succeeded are still there"
[ "$(claims | grep -c '=Bound$')" = 5 ] || fail "not five claims that are bound: $(claims)"
for role in ingest score gate; do
    [ "$(pods $role .spec.nodeName | cut -d= -f2 | cut -c1 | sort -u | wc -l)" = 2 ] || fail "the pods of $role are in one zone"
    [ "$(k get pdb "portcullis-$role" --output 'jsonpath={.status.disruptionsAllowed}')" = 1 ] || fail "the budget of $role does not allow one"
done
! k get pods --output yaml | grep -E 'serviceAccountToken|kube-api-access' >&2 || fail "a pod has a token"
[ -z "$(kubectl get roles,rolebindings,clusterroles,clusterrolebindings --all-namespaces --selector app.kubernetes.io/instance=portcullis --output name)" ] || fail "the chart makes roles of its own"
for what in 'get secrets' 'list pods' 'create pods/exec' 'get configmaps'; do
    # shellcheck disable=SC2086
    [ "$(k auth can-i --as=system:serviceaccount:identity:portcullis $what 2> /dev/null)" = no ] || fail "the account of the pods may $what"
done
mounts || fail "a pod names what is not there"
binary_reads
say "installed with --wait: topics, then 7 pods in two zones, then the policy; 5 claims bound; no token, no rights; the binary reads the configuration and the key"

helm test --namespace identity portcullis > "$work/helm.out" 2>&1 || fail "helm test: $(cat "$work/helm.out")"
grep -q 'Phase: *Succeeded' "$work/helm.out" || fail "helm test: $(cat "$work/helm.out")"
# The names that it asks are those that the headless Services give to the pods.
for url in $(k get pod portcullis-test --output 'jsonpath={.spec.containers[0].args}' | grep -oE 'http://[^"]+'); do
    host=${url#http://} service=
    IFS=. read -r pod service _ <<< "$host"
    k get endpointslices --selector "kubernetes.io/service-name=$service" --output 'jsonpath={.items[*].endpoints[*].hostname}' | grep -qw "$pod" || fail "nobody answers to $host"
done
say "helm test: its hook runs, and the seven names that it asks are the pods'"

# A change restarts whom it concerns.
first=$(key)
restarts gate upgrade --set gate.audience=https://soar.example
restarts gate upgrade --set-json 'http.contain={"listen":"127.0.0.1:9465","people":[]}'
restarts score upgrade --set score.workers=4
restarts ingest upgrade --set 'inputs[0].topic=auth-log' --set 'inputs[1].topic=okta-log'
restarts "score gate" upgrade --set state.cache=1GiB
restarts "ingest score gate" upgrade --set score.transaction.atMost=50ms
restarts score upgrade --set-json 'score.extraArgs=["--accept-gap"]'
sed 's/^version: .*/version: 2/' ../engine/policy/default.yaml > "$work/policy.yaml"
restarts "" upgrade --set-file "policy.content=$work/policy.yaml"
helm package portcullis --version 0.9.9 --destination "$work" > /dev/null
restarts "" helm_ upgrade "$work/portcullis-0.9.9.tgz" --reset-then-reuse-values
[ "$(key)" = "$first" ] || fail "an upgrade made another key"
say "upgraded nine times: a change restarts the roles that read it, a policy or a chart's version nobody; the key stayed"

restarts "ingest score gate" helm_ rollback 1
k get configmap portcullis --output 'jsonpath={.data.portcullis\.yaml}' | grep -q 'at_most: 20ms' || fail "the configuration was not rolled back"
[ "$(key)" = "$first" ] || fail "a rollback made another key"
[ "$(status)" = deployed ] || fail "not deployed after the rollback"
say "rolled back to the first release"

# An image that does not start.
restarts "" refused 'job portcullis-topics failed' helm upgrade --namespace identity portcullis portcullis --reset-then-reuse-values --set image.tag=broken --wait --timeout 5m
say "a Job that fails stops the upgrade before any pod"
refused 'context deadline exceeded' helm upgrade --namespace identity portcullis portcullis --reset-then-reuse-values --set image.tag=broken --set topics.apply=false --wait --timeout 20s
broken() { [ "$(pods "$1" '.spec.containers[0].image' | grep -c ':broken$')" = "$2" ]; }
for role in ingest score gate; do broken $role 1 || fail "a rollout of $role went past a pod that is not ready: $(pods $role '.spec.containers[0].image')"; done
helm_ rollback "$(helm history --namespace identity portcullis --output json | python3 -c 'import json, sys; print(*(r["revision"] for r in json.load(sys.stdin) if r["status"] == "deployed"))')"
all_ready 60
say "an image that does not start stops the rollout at one pod of each role; a rollback mends it, nothing is done by hand"

# Scaled: a claim stays with its number.
before=$(claims)
helm_ upgrade portcullis --reset-then-reuse-values --set score.replicas=4
ready score 4 || fail "not four of SCORE"
with_fourth=$(claims)
upgrade --set score.replicas=3
until_true 60 "three of SCORE" ready score 3
[ "$(claims)" = "$with_fourth" ] || fail "a claim has gone: $(claims)"
upgrade --set score.replicas=4
[ "$(claims)" = "$with_fourth" ] || fail "the fourth pod did not take its claim again: $(claims)"
upgrade --set score.replicas=3
until_true 60 "three of SCORE" ready score 3
[ "$(comm -13 <(sort <<< "$before") <(claims | sort) | wc -l)" = 1 ] || fail "not one claim more: $(claims)"
say "scaled from 3 to 4, back, and again: every claim and its volume are kept and taken up"

# A drain takes one pod of a role at a time. While all nodes are closed, what was evicted waits.
zone_of() { echo "${1%-*}"; }
node_of() { k get pod "$1" --output 'jsonpath={.spec.nodeName}'; }
before=$(claims)
zones=$(pods score .spec.nodeName | sed 's/-[12]$//')
drained=$(node_of portcullis-score-1)
kubectl cordon "${nodes[@]}" > /dev/null
k create --raw "/api/v1/namespaces/identity/pods/portcullis-score-0/eviction" --filename - > /dev/null <<< '{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"portcullis-score-0","namespace":"identity"}}'
away() { [ "$(k get pod portcullis-score-0 --output 'jsonpath={.status.phase}')" = Pending ]; }
until_true 60 "one of SCORE is away" away
uid=$(k get pod portcullis-score-1 --output 'jsonpath={.metadata.uid}')
kubectl drain "$drained" --ignore-daemonsets --delete-emptydir-data --timeout=180s > "$work/drain.out" 2>&1 & drain=$!
until_true 60 "the drain is refused" grep -q 'portcullis-score-1.*disruption budget' "$work/drain.out"
[ "$(k get pod portcullis-score-1 --output 'jsonpath={.metadata.uid}')" = "$uid" ] || fail "a second pod of SCORE was evicted beside the first"
for node in "${nodes[@]}"; do [ "$node" = "$drained" ] || kubectl uncordon "$node" > /dev/null; done
wait "$drain" || fail "drain: $(cat "$work/drain.out")"
all_ready 60
[ -z "$(k get pods --field-selector "spec.nodeName=$drained" --selector 'app.kubernetes.io/component in (ingest,score,gate)' --output name)" ] || fail "$drained is not empty"
[ "$(pods score .spec.nodeName | sed 's/-[12]$//')" = "$zones" ] || fail "a pod of SCORE left the zone of its volume"
[ "$(claims)" = "$before" ] || fail "claims changed in a drain"
kubectl uncordon "$drained" > /dev/null
say "drained: refused while one pod of SCORE is away, done as soon as it is back; volumes are in their zones, and so are their pods"

# A node is lost: nobody knows whether its pods still run, so no second one of the same name (and transactional id) starts until somebody says so.
lost=$(node_of portcullis-score-0)
uid=$(k get pod portcullis-score-0 --output 'jsonpath={.metadata.uid}')
kill -9 "${pids[node-$lost]}"
stop "node-$lost"
kubectl wait --for=condition=Ready=Unknown "node/$lost" --timeout=120s > "$work/lost.out" 2>&1 || fail "a lost node is still ready: $(cat "$work/lost.out")"
leaving() { [ -n "$(k get pod portcullis-score-0 --output 'jsonpath={.metadata.deletionTimestamp}')" ]; }
until_true 60 "the pod of the lost node is given up" leaving
sleep 10
[ "$(k get pod portcullis-score-0 --output 'jsonpath={.metadata.uid}')" = "$uid" ] || fail "a second portcullis-score-0 was started while the first may still run"
page operations.md '### A node is lost' | sed "s/NODE/$lost/" | as_they_stand operations.md
all_ready 90
now=$(node_of portcullis-score-0)
{ [ "$now" != "$lost" ] && [ "$(zone_of "$now")" = "$(zone_of "$lost")" ]; } || fail "portcullis-score-0 was on $lost and is on $now"
[ "$(claims)" = "$before" ] || fail "claims changed when a node was lost"
kubectl taint nodes "$lost" node.kubernetes.io/out-of-service- > /dev/null
play "$lost"
kubectl wait --for=condition=Ready "node/$lost" --timeout=60s > /dev/null
say "a node was lost: its pods are not doubled; once it is said to be out of service they are back on another node, same names, same claims"

# The pages' own commands.
namespace=portcullis
page quickstart.md '## Kubernetes' > "$work/quickstart.sh"
[ "$(grep -cE '^(helm|kubectl) ' "$work/quickstart.sh")" = 4 ] || fail "docs/quickstart.md has other commands than this script knows"
make_namespace portcullis
grep -vE '^docker |kubectl .* exec ' "$work/quickstart.sh" | as_they_stand quickstart.md
all_ready 60
binary_reads
grep -E 'kubectl .* exec ' "$work/quickstart.sh" | sed -e "s|^kubectl .* -- portcullis|$portcullis|" -e "s|/etc/portcullis|$work/root-portcullis/etc/portcullis|" | bash -euo pipefail > "$work/jwks.again"
cmp -s "$work/jwks.json" "$work/jwks.again" || fail "docs/quickstart.md shows another key: $(cat "$work/jwks.again")"
say "docs/quickstart.md: its commands install, watch, test and show the key as they stand"

images() { for role in gate score ingest; do pods $role '.spec.containers[0].image' | sed 's/.*://' | sort -u | paste -sd,; done | paste -sd' '; }
upgrade --set image.tag=1.0.0
expected=("2.0.0 1.0.0 1.0.0" "2.0.0 2.0.0 1.0.0" "2.0.0 2.0.0 2.0.0") step=0
while read -r command; do
    as_they_stand operations.md <<< "$command"
    [ "$(images)" = "${expected[step]}" ] || fail "after $command the images of GATE, SCORE and INGEST are $(images)"
    step=$((step + 1))
done < <(page operations.md '### Readers before writers' | sed -e 's|CHART|helm/portcullis|; s/=OLD/=1.0.0/g; s/=NEW/=2.0.0/g')
[ "$step" = 3 ] || fail "docs/operations.md has $step commands for an upgrade, readers before writers"
say "docs/operations.md, readers before writers: GATE, then SCORE, then INGEST"

before=$(claims | cut -d= -f1-3)
refused 'spec.volumeClaimTemplates: Invalid value' helm upgrade --namespace portcullis portcullis portcullis --reset-then-reuse-values --set score.persistence.size=30Gi
larger() { page operations.md '### Larger volumes' | sed -e 's|CHART|helm/portcullis|; s/SIZE/30Gi/g' | as_they_stand operations.md; }
restarts "" larger
[ "$(k get pvc --selector app.kubernetes.io/component=score --output 'jsonpath={.items[*].spec.resources.requests.storage}')" = "30Gi 30Gi 30Gi" ] || fail "the claims did not grow"
[ "$(k get statefulset portcullis-score --output 'jsonpath={.spec.volumeClaimTemplates[0].spec.resources.requests.storage}')" = 30Gi ] || fail "new claims would be as small as before"
[ "$(claims | cut -d= -f1-3)" = "$before" ] || fail "claims are others"
all_ready 60
say "docs/operations.md, larger volumes: claims grow without a restart"

# Removed: what cannot be had again stays.
first=$(key) before=$(claims)
helm uninstall --namespace portcullis portcullis --wait > /dev/null
[ "$(key)" = "$first" ] || fail "the key has gone with the release"
[ "$(claims)" = "$before" ] || fail "claims have gone with the release: $(claims)"
rest=$(k get statefulsets,services,networkpolicies,configmaps,serviceaccounts,pdb,jobs --output name | grep -vE '/(kube-root-ca.crt|default)$' || true)
[ -z "$rest" ] || fail "this has stayed: $rest"
no_pods() { [ -z "$(k get pods --selector 'app.kubernetes.io/component in (ingest,score,gate)' --output name)" ]; }
until_true 60 "no pod is left" no_pods
helm_ install portcullis "${least[@]}" --set score.persistence.size=30Gi
[ "$(key)" = "$first" ] || fail "the key that stayed was not taken up"
[ "$(claims)" = "$before" ] || fail "the claims that stayed were not taken up: $(claims)"
say "removed and installed again: the key and the claims stayed and were taken up"

# Every values file, with what it presupposes.
make_namespace secured
helm_ install portcullis --values values/secured.yaml --set-file policy.content=../engine/policy/default.yaml \
    --set kafka.roleSecrets.ingest=kafka-ingest,kafka.roleSecrets.score=kafka-score,kafka.roleSecrets.gate=kafka-gate,kafka.roleSecrets.policy=kafka-policy
refused 'Job/portcullis-topics needs the Secret portcullis-kafka-admin' mounts
for secret in portcullis-kafka portcullis-kafka-admin kafka-{ingest,score,gate,policy}; do
    k create secret generic "$secret" --from-literal=username="$secret" --from-literal=password=secret > /dev/null
done
k create secret generic kafka-user --from-literal=ca.crt=ca --from-literal=user.crt=certificate --from-literal=user.key=key > /dev/null
k create secret generic portcullis-checkpoints --from-literal=id=id --from-literal=secret=secret > /dev/null
"$portcullis" gate keygen --out "$work/gate.key" > /dev/null
k create secret generic portcullis-gate --from-file=gate.key="$work/gate.key" > /dev/null
k create secret generic portcullis-registry --from-literal=password=secret > /dev/null
k create secret generic portcullis-traces --from-literal=token=secret > /dev/null
mounts || fail "a pod names what is not there"
binary_reads
"$portcullis" gate jwks --key "$work/gate.key" | cmp -s - "$work/jwks.json" || fail "GATE has another key than that of its Secret"
[ "$(cat "$work/root-secured/etc/portcullis/kafka/username")" = kafka-gate ] || fail "GATE has another account than its own"
for role in ingest score; do
    mounts "StatefulSet/portcullis-$role" "$work/root-$role"
    [ "$(cat "$work/root-$role/etc/portcullis/kafka/username")" = "kafka-$role" ] || fail "$role has another account than its own"
    [ ! -e "$work/root-$role/etc/portcullis/signing-key" ] || fail "$role sees the gate's key"
done
[ -z "$(k get secret portcullis-signing-key --ignore-not-found --output name)" ] || fail "a key was made beside the one that is there"

make_namespace full
kubectl apply --filename - > /dev/null <<Y
{ apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: { name: high }, value: 1000 }
---
{ apiVersion: v1, kind: ConfigMap, metadata: { name: more, namespace: full }, data: { MORE: "1" } }
Y
for claim in geoip checkpoints; do # in no zone
    kubectl apply --filename - > /dev/null <<Y
apiVersion: v1
kind: PersistentVolume
metadata: { name: $claim }
spec: { storageClassName: shared, capacity: { storage: 1Gi }, accessModes: [ReadWriteMany], hostPath: { path: /var/lib/volumes/$claim }, claimRef: { name: $claim, namespace: full } }
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: $claim, namespace: full }
spec: { storageClassName: shared, accessModes: [ReadWriteMany], resources: { requests: { storage: 1Gi } } }
Y
done
helm_ install portcullis --values values/full.yaml --set fullnameOverride=portcullis --set-file policy.content=../engine/policy/default.yaml
mounts || fail "a pod names what is not there"
[ "$(k get podmonitors,prometheusrules --output name | wc -l)" = 2 ] || fail "no PodMonitor or no PrometheusRule"
[ "$(claims | grep -c '=fast-.*=Bound$')" = 3 ] || fail "the claims of SCORE are not of their class: $(claims)"
helm uninstall --namespace full portcullis --wait > /dev/null
gone() { [ "$(k get pvc --output name | sort | paste -sd' ')" = "persistentvolumeclaim/checkpoints persistentvolumeclaim/geoip" ]; }
until_true 60 "claims that are to go with the release have gone" gone

make_namespace servicemonitor
k create configmap ours --from-file=p.yaml=../engine/policy/default.yaml > /dev/null
helm_ install portcullis --values values/servicemonitor.yaml
mounts || fail "a pod names what is not there"
[ "$(k get servicemonitors --output name | wc -l)" = 1 ] || fail "no ServiceMonitor"
[ "$(pods score .spec.serviceAccountName | cut -d= -f2 | sort -u)" = default ] || fail "pods have another account than the namespace's"
say "secured.yaml, full.yaml and servicemonitor.yaml, each installed with what it presupposes: every Secret, key and claim is found, each role has its own account"

say "passed in $SECONDS s"
