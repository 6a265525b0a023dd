//! The mutating webhook of a cluster is out of order, or not as it was installed.
//!
//! Pods get their token from the webhook alone. Without its MutatingWebhookConfiguration
//! `azure-wi-webhook-mutating-webhook-configuration` nobody asks it. Under `failurePolicy: Ignore` pods
//! are made without a token while it does not answer, and nothing says so; an `objectSelector` of
//! another label misses those that opt in and lack it, or takes in those that do not opt in; `rules` that do
//! not name CREATE of pods never ask it about a new one, and where they are not read they are taken for
//! right; nor does it hear of any under a condition of its `matchConditions` that is `false`; without a
//! `caBundle` the API server does not trust it. It runs twice, so that one of them may go down: with one
//! replica ready there is no other, with none no labelled pod is made. And two webhooks in one cluster, as
//! when it is installed by hand beside the add-on, write one configuration, and the one that loses answers
//! nobody.
//!
//! A selector may also keep out pods that have some label. Where one does that opts in, the finding is that
//! pod's or its template's, and medium: somebody may have meant it, but one of both labels is there in vain.
//!
//! A cluster without a workload that opts in, nor one whose pods bring tokens of their own, misses
//! nothing; nor do pods that have the other label too, but whether all of them do no list proves. What
//! controllers add to pods, as `pod-template-hash`, and whatever those of custom kinds do, is not known.
//! Conditions are CEL: what hangs on the namespace alone `namespace-out-of-sight` (AWI706) judges, and of
//! what hangs on more, as the user, nobody is accused. Manifests have no `caBundle`, which the webhook writes
//! itself, and no status: both are judged only where they carry a `uid`. The `namespaceSelector` is not
//! judged here: the chart has a value for it, and the Admissions Enforcer of AKS adds to it; nor are
//! `reinvocationPolicy` and `timeoutSeconds`, by which no pod that opts in loses its token unseen. Where
//! workload identity is off on AKS or Arc, that is what `cluster-not-enabled` (AWI701) says. The operator of
//! OpenShift registers the webhook under another name and its own rules, and sees to it; what pods are kept
//! out of the webhook of AKS or Arc is not judged, whose registration Azure sets back; one in `kube-system` is of AKS
//! where the cluster is, and its workload identity is not off. A list that holds
//! another live configuration is taken for the whole list: do not filter it. Manifests, even where they are said to
//! be all there is (`--assume-complete`), do not hold what Azure installs: that they lack the webhook is known to
//! matter only of a cluster whose workload identity Azure does not run. The policy leaves it to the audit.
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
//!   matchConditions: [{name: never, expression: "false"}]
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true", tier: back}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: kube-system, path: /mutate-v1-pod}}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true", tier: front}}
//! ```
//!
//! ```yaml
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true", team.example.com/legacy: "yes"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: azure-workload-identity-system, path: /mutate-v1-pod}}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}, matchExpressions: [{key: team.example.com/legacy, operator: DoesNotExist}]}
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
//!
//! ```yaml
//! # a condition of which nobody knows whether it holds
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
//!   matchConditions: [{name: not-of-nodes, expression: "request.namespace != 'a' && request.userInfo.username != 'b'"}]
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: kube-system, uid: 5f0d}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]}}}
//! status: {readyReplicas: 2}
//! ```
mod flaws;

use self::flaws::{CONDITIONS, Flaw, RULES, missing, registered, runners, unclear};
use crate::model::ClusterIx;
use crate::prelude::*;
use crate::trust::{Key, PassedOver, Unknown, Unmet};

pub(super) static RULE: Rule = Rule {
    summary: "the mutating webhook of a cluster is out of order, or not as it was installed",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Named,
    aadsts: &[],
    frameworks: &["MCSB IM-3"],
    yields_to: &["AWI701"],
    since: "0.1.0",
    checks: &[Check::Cluster(check), Check::Workload(kept_out)],
};

fn check(cluster: &Cluster, trust: &Trust<'_>) -> Verdict {
    let Some((index, _)) = trust.clusters().find(|(_, known)| core::ptr::eq(*known, cluster)) else { return Ok(None) };
    let mut flaws: Vec<Flaw> = trust.registrations(index).flat_map(|it| registered(it, trust)).collect();
    if trust.registrations(index).flat_map(|it| &it.webhooks).any(|webhook| !webhook.is_never_asked()) {
        // Another is asked.
        let never = |flaw: &&mut Flaw| [RULES, CONDITIONS].iter().any(|field| flaw.field.ends_with(field));
        flaws.iter_mut().filter(never).for_each(|flaw| flaw.breaks = None);
    }
    flaws.extend(runners(index, trust));
    if trust.registrations(index).next().is_none() && trust.knows_registrations(index) {
        flaws.insert(0, missing(cluster));
    }
    if !flaws.is_empty() && !trust.needs_webhook(index)? {
        return Ok(None);
    }
    flaws.sort_by_key(|flaw| (core::cmp::Reverse(flaw.severity), flaw.breaks.is_none()));
    let is_grave = flaws.first().is_some_and(|flaw| flaw.severity == RULE.severity);
    if !is_grave {
        unknown(index, trust)?;
    }
    let mut flaws = flaws.into_iter();
    let Some(Flaw { severity, field, message, breaks, fix, origin }) = flaws.next() else { return Ok(None) };
    let others: Vec<String> = flaws.map(|flaw| flaw.message).collect();
    let finding = Finding::new(severity, field, message).fix(fix).at(origin);
    let finding = match breaks {
        Some((expected, actual)) => finding.breaks(Hop::Webhook).expected(expected, actual.as_deref()),
        None => finding,
    };
    Ok(Some(if others.is_empty() { finding } else { finding.with("alsoWrong", others) }))
}

/// What would have to be known to say that nothing is gravely wrong.
fn unknown(index: ClusterIx, trust: &Trust<'_>) -> Result<(), Unknown> {
    if !trust.knows_registrations(index) {
        return Err(Unknown(Key::Registrations(index)));
    }
    if !trust.knows_deployments(index) {
        return Err(Unknown(Key::Deployments(index)));
    }
    match trust.registrations(index).find_map(unclear) {
        // Nor does any prove that all have what those have that were seen.
        Some(wanted) => {
            Err(Unknown(Key::Value(format!("whether all pods of the cluster that opt in are with label {wanted}"))))
        }
        None => Ok(()),
    }
}

/// The pods of a workload that have a label by which the webhook passes over some of those that opt in. Pods
/// that run have been before it.
fn kept_out(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let cluster = workload.cluster;
    let managed = trust.calls_managed(cluster);
    if !workload.needs_webhook() || workload.template.live || managed == Ok(true) {
        return Ok(None);
    }
    let unread = || if trust.knows_registrations(cluster) { Ok(None) } else { Err(Unknown(Key::Registrations(cluster))) };
    let Some(PassedOver { registration, webhook, why }) = trust.passed_over(workload)? else {
        let mut webhooks = trust.registrations(cluster).flat_map(|it| &it.webhooks);
        let is_asked = webhooks.any(|webhook| !webhook.is_never_asked());
        return if is_asked || trust.azure_keeps_webhook(cluster) { Ok(None) } else { unread() };
    };
    let Unmet::Label(unmet) = why else { return unread() };
    // What it misses is told of the cluster.
    if webhook.misses_by().is_some() || webhook.is_of_openshift() || !trust.knows_registrations(cluster) {
        return unread();
    }
    managed?;
    let message = format!(
        "the webhook passes these pods over, so that the label does nothing: the `objectSelector` of `{}` wants `{unmet}`",
        registration.name
    );
    let fix = format!(
        "take `{}` off the pods, or in MutatingWebhookConfiguration `{}` set `objectSelector.matchLabels` to `{}: \"true\"` and nothing else",
        unmet.key,
        registration.name,
        label::USE
    );
    let actual = workload.template.other_labels.get(&unmet.key);
    let finding = Finding::new(Severity::Medium, workload.label_path(&unmet.key), message);
    let finding = finding.with("configuration", registration.name.as_str()).breaks(Hop::Webhook);
    Ok(Some(finding.expected(&unmet.to_string(), actual).fix(fix)))
}

#[cfg(test)]
mod tests;
