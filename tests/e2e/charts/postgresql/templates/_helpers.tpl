{{- define "pg.fullname" -}}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{- end }}
{{- define "pg.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "pg.labels" -}}
{{ include "pg.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}
{{- define "pg.image" -}}{{ .Values.image.registry }}/{{ .Values.image.repository }}:{{ .Values.image.tag }}{{- end }}
{{- define "pg.secret" -}}{{ .Values.auth.existingSecret | default (include "pg.fullname" .) }}{{- end }}
{{- define "pg.client" -}}
- {name: PGHOST, value: {{ include "pg.fullname" . }}}
- {name: PGUSER, value: {{ .Values.auth.username }}}
- {name: PGDATABASE, value: {{ .Values.auth.database }}}
- name: PGPASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "pg.secret" . }}, key: password}}
{{- end }}
{{- define "pg.containerSecurity" -}}
runAsUser: 1001
runAsGroup: 1001
runAsNonRoot: true
privileged: false
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}
