{{/*
What every pod that runs the binary has in common: its container's security, environment and mounts, and the pod's volumes.
Called with (dict "root" $ ...).
*/}}

{{/* Head of a pod's spec. */}}
{{- define "portcullis.podHead" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
automountServiceAccountToken: false
# Their variables begin as ours do where a Service is called portcullis.
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- end }}

{{/* Image, security and environment of a container. `image`: a role's own tag or digest. */}}
{{- define "portcullis.container" -}}
{{- $v := .root.Values -}}
image: {{ include "portcullis.image" . }}
imagePullPolicy: {{ $v.image.pullPolicy }}
securityContext:
  {{- toYaml $v.securityContext | nindent 2 }}
env:
  - name: POD_NAME
    valueFrom: { fieldRef: { fieldPath: metadata.name } }
  - name: PORTCULLIS_LOG
    value: {{ $v.log.filter | quote }}
  {{- with $v.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $v.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "portcullis.mounts" -}}
- { name: config, mountPath: /etc/portcullis/config, readOnly: true }
- { name: tmp, mountPath: /tmp }
{{- if .Values.kafka.existingSecret }}
- { name: kafka, mountPath: /etc/portcullis/kafka, readOnly: true }
{{- end }}
{{- if .Values.kafka.tls.existingSecret }}
- { name: kafka-tls, mountPath: /etc/portcullis/kafka-tls, readOnly: true }
{{- end }}
{{- if .Values.state.checkpoints.existingSecret }}
- { name: checkpoints, mountPath: /etc/portcullis/checkpoints, readOnly: true }
{{- end }}
{{- if .Values.traces.existingSecret }}
- { name: traces, mountPath: /etc/portcullis/traces, readOnly: true }
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* `config`: name of the ConfigMap. `kafkaSecret`: in place of kafka.existingSecret. */}}
{{- define "portcullis.volumes" -}}
{{- $v := .root.Values -}}
- name: config
  configMap: { name: {{ .config }} }
- name: tmp
  emptyDir: { sizeLimit: 256Mi }
{{- if $v.kafka.existingSecret }}
- name: kafka
  secret: { secretName: {{ .kafkaSecret | default $v.kafka.existingSecret }}, defaultMode: 0440 }
{{- end }}
{{- with $v.kafka.tls.existingSecret }}
- name: kafka-tls
  secret: { secretName: {{ . }}, defaultMode: 0440 }
{{- end }}
{{- with $v.state.checkpoints.existingSecret }}
- name: checkpoints
  secret: { secretName: {{ . }}, defaultMode: 0440 }
{{- end }}
{{- with $v.traces.existingSecret }}
- name: traces
  secret: { secretName: {{ . }}, defaultMode: 0440 }
{{- end }}
{{- with $v.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
