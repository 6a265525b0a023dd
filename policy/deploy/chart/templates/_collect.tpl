{{/* The containers that write what is read of this cluster (the kinds `kinds`) and of Azure to /sources. */}}
{{- define "wiguard.collect" -}}
{{- $root := .root -}}
{{- with $root.Values.collect -}}
- name: kubernetes
  image: {{ required "collect.images.kubectl: an image with kubectl and a POSIX shell" .images.kubectl | quote }}
  command: [/bin/sh, /scripts/kubernetes.sh, {{ printf "/sources/%s" $root.Values.clusterName | quote }}, {{ $.kinds | quote }}]
  env:
    - {name: HOME, value: /tmp}
  securityContext: {{- include "wiguard.containerSecurity" $root | nindent 4 }}
  resources: {{- toYaml .resources | nindent 4 }}
  volumeMounts: &mounts
    - {name: sources, mountPath: /sources}
    - {name: scripts, mountPath: /scripts, readOnly: true}
    - {name: tmp, mountPath: /tmp}
- name: azure
  image: {{ required "collect.images.azure: an image with az and a POSIX shell" .images.azure | quote }}
  command: [/bin/sh, /scripts/azure.sh, /sources/azure]
  env:
    - {name: HOME, value: /tmp}
    - {name: AZURE_CONFIG_DIR, value: /tmp/azure}
    - {name: SUBSCRIPTIONS, value: {{ join " " .azure.subscriptions | quote }}}
    - {name: APPLICATIONS, value: {{ .azure.applications | quote }}}
  securityContext: {{- include "wiguard.containerSecurity" $root | nindent 4 }}
  resources: {{- toYaml .resources | nindent 4 }}
  volumeMounts: *mounts
{{- end -}}
{{- end -}}

{{- define "wiguard.collectVolumes" -}}
- {name: sources, emptyDir: {}}
- {name: tmp, emptyDir: {}}
- name: scripts
  configMap:
    name: {{ include "wiguard.name" . }}-collect
{{- end -}}

{{/* The account of a job: it is an Azure identity too. */}}
{{- define "wiguard.jobAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "wiguard.name" .root }}-{{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "wiguard.labels" . | nindent 4 }}
  annotations:
    azure.workload.identity/client-id: {{ required "collect.azure.clientId: the client id of an identity that may read identities and their credentials" .root.Values.collect.azure.clientId | quote }}
{{- end -}}
