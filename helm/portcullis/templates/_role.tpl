{{/*
A role as a StatefulSet: the pod's name is its name in Kafka. It is the static member of the consumer group, so a pod that is back within
the session (10 s) causes no rebalance, and the transactional id, so a pod that was believed dead is fenced when its successor starts.
Called with (dict "root" $ "role" "score").
*/}}

{{- define "portcullis.role" -}}
{{- $root := .root }}
{{- $role := .role }}
{{- $v := get $root.Values $role }}
{{- $name := printf "%s-%s" (include "portcullis.fullname" $root) $role }}
{{- $selector := printf "%s\napp.kubernetes.io/component: %s" (include "portcullis.selectorLabels" $root) $role }}
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "portcullis.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $role }}
spec:
  replicas: {{ int64 $v.replicas }}
  serviceName: {{ $name }}
  # A pod with a partition that waits for a person must not keep the others from starting.
  podManagementPolicy: Parallel
  selector:
    matchLabels:
      {{- $selector | nindent 6 }}
  {{- if $v.persistence }}
  {{- if $v.persistence.enabled }}
  persistentVolumeClaimRetentionPolicy:
    whenDeleted: {{ $v.persistence.whenDeleted }}
    whenScaled: {{ $v.persistence.whenScaled }}
  volumeClaimTemplates:
    - apiVersion: v1
      kind: PersistentVolumeClaim
      metadata:
        name: state
        labels:
          {{- $selector | nindent 10 }}
        {{- with $v.persistence.annotations }}
        annotations:
          {{- toYaml . | nindent 10 }}
        {{- end }}
      spec:
        accessModes:
          {{- toYaml $v.persistence.accessModes | nindent 10 }}
        {{- with $v.persistence.storageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources: { requests: { storage: {{ $v.persistence.size }} } }
  {{- end }}
  {{- end }}
  template:
    metadata:
      annotations:
        checksum/config: {{ include "portcullis.configOf" . | sha256sum }}
        {{- with $v.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      labels:
        {{- include "portcullis.podLabels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ $role }}
        {{- with $v.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "portcullis.serviceAccount" $root }}
      {{- include "portcullis.podHead" $root | nindent 6 }}
      terminationGracePeriodSeconds: {{ int64 $v.terminationGracePeriodSeconds }}
      {{- with $v.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with $v.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $v.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $v.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      topologySpreadConstraints:
        {{- range $v.topologySpreadConstraints | default (list
            (dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname" "whenUnsatisfiable" "ScheduleAnyway")
            (dict "maxSkew" 1 "topologyKey" "topology.kubernetes.io/zone" "whenUnsatisfiable" "ScheduleAnyway")) }}
        {{- $spread := merge (dict) . (dict "labelSelector" (dict "matchLabels" (fromYaml $selector))) }}
        - {{- toYaml $spread | nindent 10 }}
        {{- end }}
      containers:
        - name: portcullis
          {{- include "portcullis.container" (dict "root" $root "image" $v.image) | nindent 10 }}
          args:
            - run
            - --config=/etc/portcullis/config/portcullis.yaml
            - --role={{ $role }}
            - --instance=$(POD_NAME)
            - --log-format={{ $root.Values.log.format }}
            {{- with $v.extraArgs }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            - { name: http, containerPort: {{ int64 $root.Values.http.port }} }
          # Begun: the broker answers and the topics are as planned. A fault of either ends the process, which says what to do.
          startupProbe:
            httpGet: { path: /startupz, port: http }
            periodSeconds: 2
            timeoutSeconds: 5
            failureThreshold: 60
          # Worker heartbeat alone: 503 once a loop has not turned for 90 s.
          livenessProbe:
            httpGet: { path: /livez, port: http }
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
          # Every partition assigned is live; while one is restored a rollout waits.
          readinessProbe:
            httpGet: { path: /readyz, port: http }
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 2
          resources:
            {{- toYaml $v.resources | nindent 12 }}
          volumeMounts:
            {{- include "portcullis.mounts" $root | nindent 12 }}
            {{- if $v.persistence }}
            - { name: state, mountPath: /var/lib/portcullis }
            {{- else if include "portcullis.schemas" . }}
            - { name: schemas, mountPath: {{ include "portcullis.schemas" . | quote }} }
            {{- end }}
            {{- if include "portcullis.signs" . }}
            - { name: signing-key, mountPath: /etc/portcullis/signing-key, readOnly: true }
            {{- end }}
      volumes:
        {{- include "portcullis.volumes" (dict "root" $root "config" (include "portcullis.fullname" $root) "kafkaSecret" (get $root.Values.kafka.roleSecrets $role)) | nindent 8 }}
        {{- if include "portcullis.signs" . }}
        - name: signing-key
          secret: { secretName: {{ include "portcullis.signingKey" $root }}, defaultMode: 0440 }
        {{- end }}
        {{- if $v.persistence }}
        {{- if not $v.persistence.enabled }}
        - name: state
          emptyDir: { sizeLimit: {{ $v.persistence.emptyDirLimit }} }
        {{- end }}
        {{- else if include "portcullis.schemas" . }}
        - name: schemas
          emptyDir: { sizeLimit: 256Mi }
        {{- end }}
{{- end }}
