{{/*
A Job of one command of the binary, run as a hook. The image has no shell, so one Job is one command.
Called with (dict "root" $ "name" "topics" "hooks" "pre-install" "config" NAME "serviceAccount" NAME "args" (list ...)) and, where they
differ, "kafkaSecret" and "policy", the name of a ConfigMap to mount.
*/}}

{{- define "portcullis.job" -}}
{{- $root := .root }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "portcullis.fullname" $root }}-{{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "portcullis.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
  annotations:
    {{- include "portcullis.hook" (dict "hooks" .hooks "weight" 0) | nindent 4 }}
spec:
  # A broker that does not answer is asked again; a refusal comes again, and its log says what to do.
  backoffLimit: 3
  activeDeadlineSeconds: 300
  template:
    metadata:
      labels:
        {{- include "portcullis.podLabels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ .name }}
    spec:
      serviceAccountName: {{ .serviceAccount }}
      {{- include "portcullis.podHead" $root | nindent 6 }}
      restartPolicy: Never
      containers:
        - name: {{ .name }}
          {{- include "portcullis.container" (dict "root" $root) | nindent 10 }}
          args:
            {{- toYaml .args | nindent 12 }}
          resources:
            requests: { cpu: 50m, memory: 64Mi }
            limits: { memory: 512Mi }
          volumeMounts:
            {{- include "portcullis.mounts" $root | nindent 12 }}
            {{- if .policy }}
            - { name: policy, mountPath: /etc/portcullis/policy, readOnly: true }
            {{- end }}
      volumes:
        {{- include "portcullis.volumes" (dict "root" $root "config" .config "kafkaSecret" .kafkaSecret) | nindent 8 }}
        {{- if .policy }}
        - name: policy
          configMap: { name: {{ .policy }} }
        {{- end }}
{{- end }}

{{/* Annotations of a hook. What has succeeded is removed; what has failed stays, with its log, until the next try. */}}
{{- define "portcullis.hook" -}}
helm.sh/hook: {{ .hooks }}
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
