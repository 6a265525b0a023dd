//! The mutating webhook of a cluster is out of order, or not as it was installed.
//!
//! Pods get their token from the webhook alone. Without its MutatingWebhookConfiguration
//! `azure-wi-webhook-mutating-webhook-configuration` nobody asks it. Under `failurePolicy: Ignore` pods
//! are made without a token while it does not answer, and nothing says so; an `objectSelector` of
//! another label misses those that opt in, or takes in those that do not; `rules` that do not name CREATE of
//! pods never ask it about a new one, and where they are not read they are taken for right; without a
//! `caBundle` the API server does not trust it. It runs twice, so that one of them may go down: with one
//! replica ready there is no other, with none no labelled pod is made. And two webhooks in one cluster, as
//! when it is installed by hand beside the add-on, write one configuration, and the one that loses answers
//! nobody.
//!
//! A cluster without a workload that opts in, nor one whose pods bring tokens of their own, misses
//! nothing. Manifests have no `caBundle`, which the webhook writes itself, and no status: both are judged
//! only where they carry a `uid`. The `namespaceSelector` is not judged here: the chart has a value for
//! it, and the Admissions Enforcer of AKS adds to it; nor is what an `objectSelector` merely keeps
//! out. Where workload identity is off on AKS, that is what `cluster-not-enabled` (AWI701) says. The
//! operator of OpenShift registers the webhook under another name and its own rules, and sees to it. A
//! list that holds another live configuration is taken for the whole list: do not filter it.
//!
//! # Fails
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! {apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: aks-node-mutating-webhook, uid: 5f0c}, webhooks: [{name: aks-node-mutating-webhook.azmk8s.io}]}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Ignore
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: kube-system, path: /mutate-v1-pod}}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: kube-system, path: /mutate-v1-pod}}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}
//!   rules: [{operations: [UPDATE], apiGroups: [""], apiVersions: [v1], resources: [pods]}]
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: kube-system, path: /mutate-v1-pod}}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: enabled}}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: kube-system, path: /mutate-v1-pod}}
//!   objectSelector: {}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {service: {name: azure-wi-webhook-webhook-service, namespace: kube-system, path: /mutate-v1-pod}}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: kube-system, path: /mutate-v1-pod}}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: kube-system, uid: 5f0d}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]}}}
//! status: {}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: kube-system, path: /mutate-v1-pod}}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: kube-system, uid: 5f0d}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]}}}
//! status: {readyReplicas: 1}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: kube-system, path: /mutate-v1-pod}}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: kube-system, uid: 5f0d}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]}}}
//! status: {readyReplicas: 2}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system, uid: 5f0d}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]}}}
//! status: {readyReplicas: 2}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # as it is installed, and what the Admissions Enforcer added
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: kube-system, path: /mutate-v1-pod}}
//!   namespaceSelector: {matchExpressions: [{key: control-plane, operator: NotIn, values: ["true"]}]}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: kube-system, uid: 5f0d}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]}}}
//! status: {readyReplicas: 2}
//! ```
//!
//! ```yaml
//! # OpenShift's operator registers it
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! {issuer: "https://oidc.example.com/prod", jwks_uri: "https://oidc.example.com/prod/jwks"}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: pod-identity-webhook, uid: 5f0c}
//! webhooks:
//! - name: pod-identity-webhook.azure.mutate.io
//!   failurePolicy: Ignore
//!   clientConfig: {service: {name: pod-identity-webhook, namespace: openshift-cloud-credential-operator, path: /mutate-v1-pod}}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}
//! ```
//!
//! ```yaml
//! # nobody opts in
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {template: {spec: {containers: [{name: app}]}}}}
//! ---
//! {apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: aks-node-mutating-webhook, uid: 5f0c}, webhooks: [{name: aks-node-mutating-webhook.azmk8s.io}]}
//! ```
//!
//! ```yaml
//! # its pods bring a token of their own
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}], volumes: [{name: azure, projected: {sources: [{serviceAccountToken: {audience: "api://AzureADTokenExchange", path: token}}]}}]}}}}
//! ---
//! {apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: aks-node-mutating-webhook, uid: 5f0c}, webhooks: [{name: aks-node-mutating-webhook.azmk8s.io}]}
//! ```
//!
//! ```yaml
//! # manifests: the webhook is not there yet
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {service: {name: azure-wi-webhook-webhook-service, namespace: kube-system, path: /mutate-v1-pod}}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: kube-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]}}}
//! ```
//!
//! ```yaml
//! # it keeps some pods out by another label
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: kube-system, path: /mutate-v1-pod}}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}, matchExpressions: [{key: team.example.com/legacy, operator: DoesNotExist}]}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: kube-system, uid: 5f0d}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]}}}
//! status: {readyReplicas: 2}
//! ```
use crate::model::registration::{CONFIGURATION, CONTROLLER};
use crate::model::{ClusterIx, Platform, Registration, Webhook};
use crate::prelude::*;
use crate::repair::{shell, subscription};
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "the mutating webhook of a cluster is out of order, or not as it was installed",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Named,
    aadsts: &[],
    frameworks: &["MCSB IM-3"],
    yields_to: &["AWI701"],
    since: "0.1.0",
    checks: &[Check::Cluster(check)],
};

/// The field that says of which requests a webhook is asked.
const RULES: &str = "rules";

/// A flaw: how bad, where, what, and what to do.
struct Flaw {
    severity: Severity,
    field: String,
    message: String,
    /// What the field would have to be and what it is, where no labelled pod gets a token because of it.
    breaks: Option<(&'static str, Option<&'static str>)>,
    fix: String,
}

/// A flaw of a registration: where, what, what to do, and what breaks.
type OfRegistration = (&'static str, String, String, Option<(&'static str, Option<&'static str>)>);

fn check(cluster: &Cluster, trust: &Trust<'_>) -> Verdict {
    let Some((index, _)) = trust.clusters().find(|(_, known)| core::ptr::eq(*known, cluster)) else { return Ok(None) };
    let needs = |it: &Workload| it.opts_in() && !it.projects_azure_token() && !it.has_ended();
    let is_needed = trust.workloads(index).any(needs);
    let mut flaws: Vec<Flaw> = trust.registrations(index).flat_map(registration).collect();
    if trust.registrations(index).flat_map(|it| &it.webhooks).any(|webhook| !webhook.ignores_new_pods) {
        // Another is asked.
        flaws.iter_mut().filter(|flaw| flaw.field.ends_with(RULES)).for_each(|flaw| flaw.breaks = None);
    }
    flaws.extend(runners(index, trust));
    if trust.registrations(index).next().is_none() && trust.knows_registrations(index) {
        flaws.insert(0, missing(cluster));
    }
    if !is_needed && !flaws.is_empty() {
        // No list proves that there are no pods but those that were seen.
        return Err(Unknown(Key::Value("whether a pod of the cluster opts in".into())));
    }
    flaws.sort_by_key(|flaw| (core::cmp::Reverse(flaw.severity), flaw.breaks.is_none()));
    let is_grave = flaws.first().is_some_and(|flaw| flaw.severity == RULE.severity);
    if !is_grave && !trust.knows_registrations(index) {
        return Err(Unknown(Key::Registrations(index)));
    }
    if !is_grave && !trust.knows_deployments(index) {
        return Err(Unknown(Key::Deployments(index)));
    }
    let mut flaws = flaws.into_iter();
    let Some(Flaw { severity, field, message, breaks, fix }) = flaws.next() else { return Ok(None) };
    let others: Vec<String> = flaws.map(|flaw| flaw.message).collect();
    let finding = Finding::new(severity, field, message).fix(fix);
    let finding = match breaks {
        Some((expected, actual)) => finding.breaks(Hop::Webhook).expected(expected, actual),
        None => finding,
    };
    Ok(Some(if others.is_empty() { finding } else { finding.with("alsoWrong", others) }))
}

fn missing(cluster: &Cluster) -> Flaw {
    let fix = match cluster.platform {
        Platform::Aks => {
            let group = if cluster.resource_group.is_empty() { "RESOURCE_GROUP" } else { &cluster.resource_group };
            let subscription =
                subscription(&cluster.id).map_or_else(String::new, |id| format!(" --subscription {}", shell(id)));
            format!(
                "az aks update --name {} --resource-group {}{subscription} --enable-oidc-issuer --enable-workload-identity; if that is on already, off and on again",
                shell(&cluster.name),
                shell(group)
            )
        }
        _ => "install the webhook of azure-workload-identity (anew)".into(),
    };
    Flaw {
        severity: RULE.severity,
        field: "webhooks".into(),
        message: format!("there is no MutatingWebhookConfiguration `{CONFIGURATION}`: no labelled pod gets a token"),
        breaks: Some((CONFIGURATION, None)),
        fix,
    }
}

fn registration(it: &Registration) -> impl Iterator<Item = Flaw> + '_ {
    it.webhooks.iter().zip(0..).filter(|(webhook, _)| !webhook.is_of_openshift()).flat_map(move |(webhook, index)| {
        let at = move |flaw: OfRegistration| Flaw {
            severity: RULE.severity,
            field: format!("webhooks[{index}].{}", flaw.0),
            message: format!("MutatingWebhookConfiguration `{}`: {}", it.name, flaw.1),
            breaks: flaw.3,
            fix: format!("in MutatingWebhookConfiguration `{}`, {}", it.name, flaw.2),
        };
        let all = [asked(webhook), selection(webhook), failure(webhook), trusted(webhook, it.live)];
        all.into_iter().flatten().map(at)
    })
}

fn asked(webhook: &Webhook) -> Option<OfRegistration> {
    let message = "its `rules` do not ask about pods that are created, so that none gets a token".into();
    let fix = "set `rules` to operations: [CREATE], apiGroups: [\"\"], apiVersions: [v1], resources: [pods]".into();
    webhook.ignores_new_pods.then_some((RULES, message, fix, Some(("CREATE of pods", None))))
}

fn selection(webhook: &Webhook) -> Option<OfRegistration> {
    let message = if let Some(unmet) = webhook.misses_by() {
        format!("it misses pods that opt in, of which its `objectSelector` wants `{unmet}`")
    } else if webhook.takes_unlabelled() {
        format!("it takes in pods that do not opt in: its `objectSelector` does not ask for `{}`", label::USE)
    } else {
        return None;
    };
    let fix = format!("set `objectSelector.matchLabels` to `{}: \"true\"` and nothing else", label::USE);
    // Which pods it misses hangs on their other labels.
    Some(("objectSelector", message, fix, None))
}

fn failure(webhook: &Webhook) -> Option<OfRegistration> {
    let message = "`failurePolicy` is `Ignore`: while the webhook does not answer, pods start without a token".into();
    let fix = "set `failurePolicy: Fail`, which the webhook has had since v1.0.0".into();
    webhook.is_passed_over().then_some(("failurePolicy", message, fix, None))
}

fn trusted(webhook: &Webhook, live: bool) -> Option<OfRegistration> {
    let message = "`caBundle` is empty: the API server does not trust the webhook, and no labelled pod is made".into();
    let namespace = shell(webhook.service.as_ref().map_or("NAMESPACE", |(namespace, _)| namespace));
    let fix = format!(
        "have the webhook write `caBundle` anew: kubectl rollout restart deployment {CONTROLLER} -n {namespace}"
    );
    let breaks = Some(("the certificate of who signed the webhook's", None));
    (live && webhook.service.is_some() && !webhook.has_ca).then_some(("clientConfig.caBundle", message, fix, breaks))
}

/// What is wrong with the Deployments of the webhook. One that is scaled to nothing is out of use if
/// another may run.
fn runners(index: ClusterIx, trust: &Trust<'_>) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let all = || trust.webhooks(index);
    let alone = all().count() == 1 && trust.knows_deployments(index);
    let in_use: Vec<&Workload> = all().filter(|it| it.replicas != Some(0) || alone).collect();
    if let [first, second, ..] = in_use.as_slice() {
        let [first, second] = [first, second].map(|it| it.namespace.as_str());
        flaws.push(Flaw {
            severity: RULE.severity,
            field: "spec.replicas".into(),
            message: format!(
                "the webhook is installed twice, in `{first}` and `{second}`, and both write the same configuration"
            ),
            breaks: None,
            fix: "remove the one that you installed, if the add-on of AKS or the extension of Arc runs the other".into(),
        });
    }
    for it in in_use {
        let Some(ready) = it.ready.filter(|ready| *ready < 2) else { continue };
        let namespace = &it.namespace;
        let (severity, message) = if ready < 1 {
            (RULE.severity, format!("no replica of the webhook in `{namespace}` is ready: no labelled pod is made"))
        } else {
            (
                Severity::Medium,
                format!(
                    "one replica of the webhook in `{namespace}` is ready: when it goes down, no labelled pod is made"
                ),
            )
        };
        let few = it.replicas.is_some_and(|wanted| wanted < 2);
        let fix = if few && !it.is_managed_webhook() {
            format!("kubectl scale deployment {CONTROLLER} -n {} --replicas 2", shell(namespace))
        } else {
            format!("see why its pods are not ready: kubectl describe deployment {CONTROLLER} -n {}", shell(namespace))
        };
        let breaks = (ready < 1).then_some(("1 or more", Some("0")));
        flaws.push(Flaw { severity, field: "status.readyReplicas".into(), message, breaks, fix });
    }
    flaws
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use crate::inventory::{Extent, Inventory};
    use crate::manifest::{Manifest, read};
    use crate::model::Origin;
    use crate::parameters::Parameters;
    use crate::sample::{OPTS_IN, cluster, pod, workload};

    #[test]
    fn a_graver_flaw_may_be_of_a_deployment_that_was_not_read() {
        let configuration = format!(
            r#"{{"apiVersion":"admissionregistration.k8s.io/v1","kind":"MutatingWebhookConfiguration","metadata":{{"name":"{CONFIGURATION}"}},"webhooks":[{{"name":"mutation.azure-workload-identity.io","failurePolicy":"Fail","clientConfig":{{"caBundle":"QQ==","service":{{"name":"s","namespace":"n"}}}},"objectSelector":{{"matchLabels":{{"azure.workload.identity/use":"true"}}}}}}]}}"#
        );
        let configuration = read(configuration.as_bytes(), None, ClusterIx(0), Origin::default()).unwrap();
        let Manifest::Registration(registration) = configuration.manifest else { panic!() };
        let verdict = |ready: u8, deployments: Extent| {
            let runner = workload(&format!(
                r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"{CONTROLLER}","namespace":"n","uid":"5f0d"}},"spec":{{"replicas":2,"template":{{"spec":{{"containers":[{{"name":"manager"}}]}}}}}},"status":{{"readyReplicas":{ready}}}}}"#
            ));
            let mut inventory = Inventory { workloads: vec![pod(OPTS_IN, ""), runner], ..cluster() };
            inventory.registrations.push(registration.clone());
            let of = inventory.coverage.cluster(ClusterIx(0));
            (of.registrations, of.deployments) = (Extent::Everything, deployments);
            let parameters = Parameters::default();
            let found = check(&inventory.clusters[0], &Trust::join(&inventory, &parameters));
            found.map(|found| found.map(|found| found.severity))
        };
        let unread = || Err(Unknown(Key::Deployments(ClusterIx(0))));
        assert_eq!(verdict(1, Extent::Everything), Ok(Some(Severity::Medium)));
        assert_eq!(verdict(1, Extent::Nothing), unread());
        assert_eq!(verdict(2, Extent::Nothing), unread());
        assert_eq!(verdict(0, Extent::Nothing), Ok(Some(Severity::High)));
    }
}
