{{- define "wiguard.name" -}}
{{- .Values.fullnameOverride | default (ternary .Release.Name (printf "%s-wiguard" .Release.Name) (contains "wiguard" .Release.Name)) | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "wiguard.selector" -}}
app.kubernetes.io/name: wiguard
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "wiguard.labels" -}}
{{ include "wiguard.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | quote }}
{{- end -}}

{{- define "wiguard.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}{{ else }}{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}{{ end -}}
{{- end -}}

{{- define "wiguard.trustNamespace" -}}
{{- .Values.trust.namespace | default .Release.Namespace -}}
{{- end -}}

{{/* The settings, with the trust inventory that the chart keeps fresh. */}}
{{- define "wiguard.settings" -}}
{{- $settings := deepCopy .Values.settings -}}
{{- if and .Values.trust.enabled (not (hasKey $settings "trust")) -}}
{{- $settings = set $settings "trust" (dict "namespace" (include "wiguard.trustNamespace" .)) -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end -}}

{{/* What every container may do: nothing. */}}
{{- define "wiguard.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "wiguard.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* What is sent; of what cannot be changed, nothing is sent to be changed. */}}
{{- define "wiguard.rules" -}}
- apiGroups: [""]
  apiVersions: [v1]
  resources: {{ if .mutating }}[replicationcontrollers]{{ else }}[pods, serviceaccounts, replicationcontrollers]{{ end }}
  operations: [CREATE, UPDATE]
- apiGroups: [apps]
  apiVersions: [v1]
  resources: [deployments, statefulsets, daemonsets, replicasets]
  operations: [CREATE, UPDATE]
- apiGroups: [batch]
  apiVersions: [v1]
  resources: [jobs, cronjobs]
  operations: [CREATE, UPDATE]
{{- end -}}

{{/* Of what is sent, what is judged. */}}
{{- define "wiguard.matchConditions" -}}
{{- if kindIs "invalid" .Values.webhook.matchConditions -}}
{{ .Files.Get "files/match-conditions.yaml" }}
{{- else -}}
{{ toYaml .Values.webhook.matchConditions }}
{{- end -}}
{{- end -}}
