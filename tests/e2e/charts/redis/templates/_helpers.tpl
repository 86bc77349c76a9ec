{{- define "redis.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "redis.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "redis.labels" -}}
{{ include "redis.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "redis.image" -}}
{{ .Values.image.registry }}/{{ .Values.image.repository }}:{{ .Values.image.tag }}
{{- end }}

{{- define "redis.secretName" -}}
{{ .Values.auth.existingSecret | default (include "redis.fullname" .) }}
{{- end }}

{{- /* The password of an earlier install stays: what is in the cluster wins over a new one. */ -}}
{{- define "redis.password" -}}
{{- $found := lookup "v1" "Secret" .Release.Namespace (include "redis.fullname" .) -}}
{{- if $found }}{{ index $found.data "redis-password" }}{{ else }}{{ randAlphaNum 16 | b64enc }}{{ end -}}
{{- end }}

{{- define "redis.probe" -}}
exec: {command: [sh, -c, {{ printf "/health/ping_%s_local.sh %d" .kind (int .timeout) | quote }}]}
initialDelaySeconds: 1
periodSeconds: {{ .period }}
timeoutSeconds: {{ add1 .timeout }}
successThreshold: 1
failureThreshold: 5
{{- end }}

{{- define "redis.env" -}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}
- name: MEMORY_LIMIT
  valueFrom: {resourceFieldRef: {containerName: redis, resource: limits.memory}}
- name: MASTER_HOST
  value: {{ printf "%s-master-0.%s-headless.$(POD_NAMESPACE).svc.cluster.local" (include "redis.fullname" .) (include "redis.fullname" .) | quote }}
{{- if .Values.auth.enabled }}
- name: REDIS_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "redis.secretName" . }}, key: redis-password}}
- name: REDISCLI_AUTH
  value: $(REDIS_PASSWORD)
{{- end }}
{{- end }}
