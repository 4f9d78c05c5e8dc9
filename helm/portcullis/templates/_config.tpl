{{/*
portcullis.yaml, one for all roles. What is secret is named by the path of its file; `_pod.tpl` mounts the files.
*/}}

{{- define "portcullis.config" -}}
{{- $v := .Values }}
{{- $servers := required "kafka.bootstrapServers: say where your Kafka is: --set kafka.bootstrapServers=host:port" $v.kafka.bootstrapServers }}
{{- include "portcullis.check" . }}

{{- $kafka := dict "bootstrap_servers" $servers }}
{{- $properties := dict }}
{{- range $name, $value := $v.kafka.properties }}
{{- $_ := set $properties $name (include "portcullis.scalar" $value) }}
{{- end }}
{{- if $v.kafka.tls.existingSecret }}
{{- range $name, $key := dict "ssl.ca.location" $v.kafka.tls.ca "ssl.certificate.location" $v.kafka.tls.certificate "ssl.key.location" $v.kafka.tls.key }}
{{- if $key }}
{{- $_ := set $properties $name (printf "/etc/portcullis/kafka-tls/%s" $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- with $properties }}
{{- $_ := set $kafka "properties" . }}
{{- end }}
{{- $files := dict }}
{{- range $name, $key := $v.kafka.secretProperties }}
{{- $_ := set $files $name (printf "/etc/portcullis/kafka/%s" $key) }}
{{- end }}
{{- with $files }}
{{- $_ := set $kafka "properties_file" . }}
{{- end }}

{{- $ingest := dict "inputs" $v.inputs }}
{{- $geoip := dict }}
{{- range $name, $path := $v.geoip }}
{{- if $path }}
{{- $_ := set $geoip $name $path }}
{{- end }}
{{- end }}
{{- with $geoip }}
{{- $_ := set $ingest "geoip" . }}
{{- end }}

{{- $transaction := dict "at_most" $v.score.transaction.atMost "records" (int64 $v.score.transaction.records) }}
{{- $score := dict "workers" (int64 $v.score.workers) "transaction" $transaction }}
{{- with $v.score.group }}
{{- $_ := set $score "group" . }}
{{- end }}

{{- $state := dict "directory" "/var/lib/portcullis/state" "cache" $v.state.cache }}
{{- with $v.state.checkpoints }}
{{- if .url }}
{{- $checkpoints := dict "url" .url "every" .every "keep" (int64 .keep) }}
{{- $options := dict }}
{{- range $name, $value := .options }}
{{- $_ := set $options $name (include "portcullis.scalar" $value) }}
{{- end }}
{{- with $options }}
{{- $_ := set $checkpoints "options" . }}
{{- end }}
{{- $files := dict }}
{{- range $name, $key := .secretOptions }}
{{- $_ := set $files $name (printf "/etc/portcullis/checkpoints/%s" $key) }}
{{- end }}
{{- with $files }}
{{- $_ := set $checkpoints "options_file" . }}
{{- end }}
{{- $_ := set $state "checkpoints" $checkpoints }}
{{- end }}
{{- end }}

{{- $gate := dict "signing_key_file" (printf "/etc/portcullis/signing-key/%s" $v.gate.signingKey.key) "issuer" $v.gate.issuer "audience" $v.gate.audience
    "sign_ends_every" $v.gate.signEndsEvery }}
{{- with $v.gate.alsoPublish }}
{{- $_ := set $gate "also_publish" . }}
{{- end }}
{{- $http := dict "listen" (printf "0.0.0.0:%d" (int64 $v.http.port)) }}
{{- with $v.http.contain }}
{{- $_ := set $http "contain" . }}
{{- end }}
{{- $output := dict "encoding" $v.output.encoding }}
{{- if $v.output.cloudevents }}
{{- $_ := set $output "cloudevents" true }}
{{- end }}
{{- with $v.output.also }}
{{- $_ := set $output "also" . }}
{{- end }}
{{- with $v.output.set }}
{{- $_ := set $output "set" . }}
{{- end }}
{{- with $v.output.framing }}
{{- $_ := set $output "framing" . }}
{{- end }}
{{- $traces := dict }}
{{- with $v.traces }}
{{- if .endpoint }}
{{- $_ := set $traces "endpoint" .endpoint }}
{{- $headers := dict }}
{{- range $name, $value := .headers }}
{{- $_ := set $headers $name (include "portcullis.scalar" $value) }}
{{- end }}
{{- with $headers }}
{{- $_ := set $traces "headers" . }}
{{- end }}
{{- $files := dict }}
{{- range $name, $key := .secretHeaders }}
{{- $_ := set $files $name (printf "/etc/portcullis/traces/%s" $key) }}
{{- end }}
{{- with $files }}
{{- $_ := set $traces "headers_file" . }}
{{- end }}
{{- end }}
{{- end }}
{{- $topics := dict "prefix" $v.topics.prefix "partitions" (int64 $v.topics.partitions) "replication" (int64 $v.topics.replication) }}
{{- $all := dict "kafka" $kafka "topics" $topics "ingest" $ingest "score" $score "state" $state "gate" $gate "output" $output "http" $http }}
{{- with $v.schemaRegistry }}
{{- $_ := set $all "schema_registry" . }}
{{- end }}
{{- with $traces }}
{{- $_ := set $all "traces" . }}
{{- end }}
{{- $all | toYaml }}
{{- end }}

{{/*
What a role has use for, so that its pods restart for a change of that alone. Others' sections are left out by name: one that is added to
the configuration restarts everybody until it stands here. Called with (dict "root" $ "role" "score").
*/}}
{{- define "portcullis.configOf" -}}
{{- $config := include "portcullis.config" .root | fromYaml }}
{{- $others := dict "ingest" (list "score" "state" "gate" "output") "score" (list "ingest" "gate") "gate" (list "ingest" "score")
    "publish" (list "ingest" "score" "state" "schema_registry") }}
{{- $own := $config }}
{{- range get $others .role }}
{{- $own = omit $own . }}
{{- end }}
{{- if ne .role "gate" }}
{{- $_ := set $own "http" (omit $own.http "contain") }}
{{- end }}
{{- if and (ne .role "publish") $own.output }}
{{- $_ := set $own "output" (omit $own.output "also" "set") }}
{{- end }}
{{- /* The pace of every role. */}}
{{- $_ := set $own "transaction" $config.score.transaction }}
{{- toYaml $own }}
{{- end }}

{{/* A scalar as text: numbers of values are floats, and would become 1e+06. */}}
{{- define "portcullis.scalar" -}}
{{- if kindIs "float64" . }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* What a schema cannot say. */}}
{{- define "portcullis.check" -}}
{{- $v := .Values }}
{{- $protocol := get $v.kafka.properties "security.protocol" | default "PLAINTEXT" | upper }}
{{- if and $v.kafka.tls.existingSecret (not (has $protocol (list "SSL" "SASL_SSL"))) }}
{{- fail (printf "kafka.tls.existingSecret: security.protocol is %s, so no TLS is spoken; set kafka.properties \"security.protocol\" to SSL or SASL_SSL" $protocol) }}
{{- end }}
{{- if ne (empty $v.kafka.tls.certificate) (empty $v.kafka.tls.key) }}
{{- fail "kafka.tls: certificate and key go together; set both for mutual TLS, or neither" }}
{{- end }}
{{- if and $v.kafka.secretProperties (not $v.kafka.existingSecret) }}
{{- fail "kafka.secretProperties: name the Secret that holds them in kafka.existingSecret" }}
{{- end }}
{{- range $name, $_ := $v.kafka.secretProperties }}
{{- if hasKey $v.kafka.properties $name }}
{{- fail (printf "kafka.secretProperties: %s is in kafka.properties too; remove one of them" $name) }}
{{- end }}
{{- end }}
{{- range $role, $secret := $v.kafka.roleSecrets }}
{{- if and $secret (not $v.kafka.existingSecret) }}
{{- fail (printf "kafka.roleSecrets.%s takes the place of kafka.existingSecret, which is empty; set both" $role) }}
{{- end }}
{{- end }}
{{- if and $v.topics.existingSecret (not $v.kafka.existingSecret) }}
{{- fail "topics.existingSecret takes the place of kafka.existingSecret, which is empty; set both" }}
{{- end }}
{{- with $v.state.checkpoints }}
{{- if and .secretOptions (not .existingSecret) }}
{{- fail "state.checkpoints.secretOptions: name the Secret that holds them in state.checkpoints.existingSecret" }}
{{- end }}
{{- end }}
{{- if and $v.traces.secretHeaders (not $v.traces.existingSecret) }}
{{- fail "traces.secretHeaders: name the Secret that holds them in traces.existingSecret" }}
{{- end }}
{{- if and (not $v.gate.signingKey.existingSecret) (not $v.gate.signingKey.generate) }}
{{- fail "gate.signingKey: the gate signs its requests and needs a key; name a Secret in existingSecret (`portcullis gate keygen` makes the key), or set generate" }}
{{- end }}
{{- if and $v.policy.content $v.policy.existingConfigMap }}
{{- fail "policy: content and existingConfigMap are both set; remove one of them" }}
{{- end }}
{{- if and $v.output.set (not (has "set" $v.output.also)) }}
{{- fail "output.set has no effect without SETs; add set to output.also" }}
{{- end }}
{{- if and $v.monitoring.podMonitor.enabled $v.monitoring.serviceMonitor.enabled }}
{{- fail "monitoring: podMonitor and serviceMonitor would count everything twice; enable one" }}
{{- end }}
{{- range $v.inputs }}
{{- if hasPrefix (printf "%s." $v.topics.prefix) .topic }}
{{- fail (printf "inputs: %s is a topic of the engine itself; name the topic that others write to" .topic) }}
{{- end }}
{{- end }}
{{- end }}
