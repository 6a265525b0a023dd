{{/* What the jobs are told of where to read: this cluster and Azure. */}}
{{- define "wiguard.sources" -}}
- --kube
- --kube-name={{ .Values.clusterName }}
- --azure
{{- range .Values.collect.azure.subscriptions }}
- --subscription={{ . }}
{{- end }}
{{- if not .Values.collect.azure.applications }}
- --no-graph
{{- end }}
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

{{/* What the jobs may do in the cluster: what `wiguard doctor --cluster-role` prints. */}}
{{- define "wiguard.reads" -}}
rules:
  - apiGroups: [""]
    resources: [namespaces, serviceaccounts, persistentvolumes, pods, replicationcontrollers]
    verbs: [get, list]
  - apiGroups: [secrets-store.csi.x-k8s.io]
    resources: [secretproviderclasses]
    verbs: [get, list]
  - apiGroups: [external-secrets.io]
    resources: [secretstores, clustersecretstores]
    verbs: [list]
  - apiGroups: [rbac.authorization.k8s.io]
    resources: [roles, rolebindings, clusterroles, clusterrolebindings]
    verbs: [get, list]
  - apiGroups: [admissionregistration.k8s.io]
    resources: [mutatingwebhookconfigurations]
    verbs: [list]
  - apiGroups: [storage.k8s.io]
    resources: [storageclasses]
    verbs: [get, list]
  - apiGroups: [cert-manager.io]
    resources: [issuers, clusterissuers]
    verbs: [get, list]
  - apiGroups: [source.toolkit.fluxcd.io]
    resources: [ocirepositories, buckets, gitrepositories, helmrepositories]
    verbs: [get, list]
  - apiGroups: [image.toolkit.fluxcd.io]
    resources: [imagerepositories]
    verbs: [get, list]
  - apiGroups: [azconfig.io]
    resources: [azureappconfigurationproviders]
    verbs: [get, list]
  - apiGroups: [velero.io]
    resources: [backupstoragelocations]
    verbs: [get, list]
  - apiGroups: [azure.upbound.io]
    resources: [providerconfigs]
    verbs: [get, list]
  - apiGroups: [azure.m.upbound.io]
    resources: [providerconfigs, clusterproviderconfigs]
    verbs: [get, list]
  - apiGroups: [generators.external-secrets.io]
    resources: [acraccesstokens]
    verbs: [get, list]
  - apiGroups: [aadpodidentity.k8s.io]
    resources: [azureidentities, azureidentitybindings, azureassignedidentities, azurepodidentityexceptions]
    verbs: [get, list]
  - apiGroups: [keda.sh]
    resources: [triggerauthentications, clustertriggerauthentications, scaledjobs]
    verbs: [get, list]
  - apiGroups: [apps]
    resources: [deployments, statefulsets, daemonsets, replicasets]
    verbs: [get, list]
  - apiGroups: [batch]
    resources: [jobs, cronjobs]
    verbs: [get, list]
  - apiGroups: [argoproj.io]
    resources: [rollouts]
    verbs: [get, list]
  - apiGroups: [serving.knative.dev]
    resources: [services]
    verbs: [get, list]
  - apiGroups: [""]
    resourceNames: [azure-wi-webhook-config]
    resources: [configmaps]
    verbs: [get]
  - nonResourceURLs: ["/.well-known/openid-configuration"]
    verbs: [get]
{{- with .Values.collect.rules }}
{{ toYaml . | indent 2 }}
{{- end }}
{{- end -}}
