{{- define "mq.fullname" -}}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{- end }}
{{- define "mq.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "mq.labels" -}}
{{ include "mq.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
{{- define "mq.image" -}}{{ .Values.image.registry }}/{{ .Values.image.repository }}:{{ .Values.image.tag }}{{- end }}
{{- /* key and given value: what is in the cluster stays, so that an upgrade changes no secret. */ -}}
{{- define "mq.kept" -}}
{{- $found := lookup "v1" "Secret" .context.Release.Namespace (include "mq.fullname" .context) -}}
{{- if $found }}{{ index $found.data .key }}{{ else }}{{ .given | default (randAlphaNum 24) | b64enc }}{{ end }}
{{- end }}
