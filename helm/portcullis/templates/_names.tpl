{{/* Names and labels. */}}

{{- define "portcullis.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Room is left for `-signing-key`, a pod's number and the hash that a StatefulSet adds to its pods' labels. */}}
{{- define "portcullis.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "portcullis.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "portcullis.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What never changes, so that selectors may use it. */}}
{{- define "portcullis.selectorLabels" -}}
app.kubernetes.io/name: {{ include "portcullis.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "portcullis.labels" -}}
{{ include "portcullis.selectorLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (.Chart.Version | replace "+" "_") }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Of pods: no version of the chart, or every upgrade of it would restart them. */}}
{{- define "portcullis.podLabels" -}}
{{ include "portcullis.selectorLabels" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "portcullis.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "portcullis.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Called with (dict "root" $ "image" ...): a tag or a digest of `image` takes the place of both of all roles'. */}}
{{- define "portcullis.image" -}}
{{- $image := .root.Values.image }}
{{- $own := .image | default dict }}
{{- $which := ternary $own $image (or $own.tag $own.digest | empty | not) }}
{{- if $image.registry }}{{ $image.registry }}/{{ end }}{{ $image.repository }}
{{- if $which.digest }}@{{ $which.digest }}{{ else }}:{{ $which.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "portcullis.signingKey" -}}
{{- .Values.gate.signingKey.existingSecret | default (printf "%s-signing-key" (include "portcullis.fullname" .)) }}
{{- end }}

{{/* The roles that there are, by commas. PUBLISH is one where there are further outputs. */}}
{{- define "portcullis.roles" -}}
ingest,score,gate{{ if .Values.output.also }},publish{{ end }}
{{- end }}

{{/* Whether a role signs; `dict "root" $ "role" "gate"`. */}}
{{- define "portcullis.signs" -}}
{{- if or (eq .role "gate") (and (eq .role "publish") (has "set" .root.Values.output.also)) }}true{{ end }}
{{- end }}

{{/* Where a role without a volume of its own keeps what a schema registry says; `dict "root" $ "role" "ingest"`. PUBLISH asks none. */}}
{{- define "portcullis.schemas" -}}
{{- if and .root.Values.schemaRegistry (eq .role "ingest") }}{{ get .root.Values.schemaRegistry "directory" | default "/var/lib/portcullis/schemas" }}{{ end }}
{{- end }}

{{/* The policy's ConfigMap; empty without a policy. */}}
{{- define "portcullis.policy" -}}
{{- if .Values.policy.existingConfigMap }}
{{- .Values.policy.existingConfigMap }}
{{- else if .Values.policy.content }}
{{- include "portcullis.fullname" . }}-policy
{{- end }}
{{- end }}
