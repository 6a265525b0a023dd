//! A labelled workload is in a namespace that the webhook does not see.
//!
//! The API server asks a webhook about pods of those namespaces alone that its `namespaceSelector`
//! takes in. The chart has a value for it, `mutatingWebhookNamespaceSelector`; and on AKS the Admissions
//! Enforcer keeps every webhook that you install out of `kube-system` and of namespaces labelled
//! `control-plane`, unless `admissions.enforcer/disabled` is `true` on its configuration. A condition of its
//! `matchConditions` may hold of some namespaces alone, too: where it hangs on nothing but `request.namespace`
//! or `object.metadata.namespace`, compared with texts, it is evaluated. Pods there have the label and no
//! token, and nothing says why.
//!
//! The add-on of AKS and the extension of Arc are kept up by Azure, and are not judged here, whether their
//! registration is seen or Azure says that they are on. Where there
//! is no MutatingWebhookConfiguration at all, `webhook-out-of-order` (AWI702) says so. A pod that brings a
//! token of its own needs no webhook. The policy leaves it to the audit.
//!
//! # Fails
//!
//! ```yaml
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {tier: back}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: azure-workload-identity-system, path: /mutate-v1-pod}}
//!   namespaceSelector: {matchLabels: {tier: front}}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}
//! ```
//!
//! ```yaml
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {tier: back}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: azure-workload-identity-system, path: /mutate-v1-pod}}
//!   namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: NotIn, values: [shop, depot]}]}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: false}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: kube-system}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: azure-workload-identity-system, path: /mutate-v1-pod}}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}
//! ```
//!
//! ```yaml
//! {apiVersion: v1, kind: Namespace, metadata: {name: kube-system, labels: {control-plane: "true"}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: kube-system}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: azure-workload-identity-system, path: /mutate-v1-pod}}
//!   namespaceSelector: {matchExpressions: [{key: control-plane, operator: NotIn, values: ["true"]}]}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}
//! ```
//!
//! ```yaml
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: azure-workload-identity-system, path: /mutate-v1-pod}}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}
//!   matchConditions: [{name: not-of-the-shop, expression: "!(request.namespace in ['shop', 'kube-system'])"}]
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the webhook sees the namespace
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {tier: back}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: azure-workload-identity-system, path: /mutate-v1-pod}}
//!   namespaceSelector: {matchLabels: {tier: back}}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}
//! ```
//!
//! ```yaml
//! # the add-on of AKS
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: kube-system}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
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
//! ```
//!
//! ```yaml
//! # the Admissions Enforcer lets it be
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, kubernetesVersion: "1.33", oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: kube-system}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c, annotations: {admissions.enforcer/disabled: "true"}}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: azure-workload-identity-system, path: /mutate-v1-pod}}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}
//! ```
//!
//! ```yaml
//! # it brings a token of its own
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {tier: back}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}], volumes: [{name: azure, projected: {sources: [{serviceAccountToken: {audience: "api://AzureADTokenExchange", path: token}}]}}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: azure-workload-identity-system, path: /mutate-v1-pod}}
//!   namespaceSelector: {matchLabels: {tier: front}}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}
//! ```
//!
//! ```yaml
//! # it does not opt in
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {tier: back}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {template: {spec: {containers: [{name: app}]}}}}
//! ---
//! apiVersion: admissionregistration.k8s.io/v1
//! kind: MutatingWebhookConfiguration
//! metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}
//! webhooks:
//! - name: mutation.azure-workload-identity.io
//!   failurePolicy: Fail
//!   clientConfig: {caBundle: QQ==, service: {name: azure-wi-webhook-webhook-service, namespace: azure-workload-identity-system, path: /mutate-v1-pod}}
//!   namespaceSelector: {matchLabels: {tier: front}}
//!   objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}
//! ```
//!
//! ```yaml
//! # there is no webhook at all
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {tier: back}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ---
//! {apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: aks-node-mutating-webhook, uid: 5f0c}, webhooks: [{name: aks-node-mutating-webhook.azmk8s.io}]}
//! ```
use crate::model::registration::UNENFORCED;
use crate::model::{Condition, Operator, Platform, Registration, Requirement, Webhook};
use crate::prelude::*;
use crate::repair::shell;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "a labelled workload is in a namespace that the webhook does not see",
    severity: Severity::Medium,
    confidence: Confidence::High,
    breaks: Breaks::Named,
    aadsts: &[],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

/// Why a namespace is not seen.
enum Why<'a> {
    Selector(&'a Requirement),
    Condition(&'a Condition),
    Enforcer,
}

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    if !workload.opts_in() || workload.brings_azure_token() {
        return Ok(None);
    }
    let cluster = workload.cluster;
    let managed = trust.calls_managed(cluster);
    if managed == Ok(true) {
        return Ok(None);
    }
    let (mut unknown, mut found) = (None, None);
    for registration in trust.registrations(cluster) {
        for (index, webhook) in registration.webhooks.iter().enumerate() {
            match unseen(workload, registration, webhook, trust) {
                Ok(Some(why)) => found = found.or(Some((registration, index, why))),
                Ok(None) => return Ok(None),
                Err(why) => unknown = unknown.or(Some(why)),
            }
        }
    }
    match (unknown, found) {
        (Some(unknown), _) => Err(unknown),
        // What Azure keeps up it registers itself.
        (None, None) if trust.azure_keeps_webhook(cluster) => Ok(None),
        // Another may see it.
        _ if !trust.knows_registrations(cluster) => Err(Unknown(Key::Registrations(cluster))),
        // It may be installed in a namespace that the webhook sees.
        (None, Some(_)) if workload.unplaced => Err(Unknown(workload.place())),
        (None, Some((registration, index, why))) => managed.map(|_| Some(finding(workload, registration, index, &why))),
        (None, None) => Ok(None),
    }
}

fn unseen<'a>(
    workload: &Workload,
    registration: &Registration,
    webhook: &'a Webhook,
    trust: &Trust<'a>,
) -> Result<Option<Why<'a>>, Unknown> {
    let kept_out = kept_out(workload, registration, trust);
    if kept_out == Ok(true) {
        return Ok(Some(Why::Enforcer));
    }
    // That one holds nowhere is none of the namespace's.
    if let (None, Some((unheld, Some(_)))) = (webhook.never(), webhook.unheld(&workload.namespace)) {
        return Ok(Some(Why::Condition(unheld)));
    }
    match trust.out_of_sight(workload.cluster, &workload.namespace, webhook)? {
        Some(unmet) => Ok(Some(Why::Selector(unmet))),
        None => kept_out.map(|_| None),
    }
}

/// Whether the Admissions Enforcer of AKS keeps the webhook out of a namespace.
fn kept_out(workload: &Workload, registration: &Registration, trust: &Trust<'_>) -> Result<bool, Unknown> {
    if registration.unenforced || workload.namespace != "kube-system" {
        return Ok(false);
    }
    match trust.cluster(workload.cluster) {
        Some(cluster) if cluster.platform == Platform::Aks => Ok(true),
        Some(cluster) if !cluster.id.is_empty() => Ok(false),
        _ => Err(Unknown(Key::Description(workload.cluster))),
    }
}

fn finding(workload: &Workload, registration: &Registration, index: usize, why: &Why<'_>) -> Finding {
    let (namespace, name) = (workload.namespace.as_str(), registration.name.as_str());
    let (expected, reason, fix) = match why {
        Why::Enforcer => (
            "a namespace of your own".to_owned(),
            "the Admissions Enforcer of AKS keeps webhooks that you install out of it".to_owned(),
            format!(
                "move it to a namespace of its own, or: kubectl annotate mutatingwebhookconfiguration {} {UNENFORCED}=true",
                shell(name)
            ),
        ),
        Why::Condition(Condition { name: condition, .. }) => (
            format!("a namespace of which matchCondition {condition} holds"),
            format!("matchCondition `{condition}` of `webhooks[{index}]` of `{name}` does not hold of it"),
            format!("move it to a namespace that the webhook sees, or change matchCondition `{condition}`, which is none of those that it is installed with"),
        ),
        Why::Selector(unmet) => (
            format!("a namespace with {unmet}"),
            format!("`webhooks[{index}].namespaceSelector` of `{name}` wants `{unmet}`"),
            match (unmet.operator, unmet.values.as_slice()) {
                (Operator::In, [value]) if unmet.key != crate::model::registration::NAME_LABEL => format!(
                    "if the webhook is to see it: kubectl label namespace {} {}",
                    shell(namespace),
                    shell(&format!("{}={value}", unmet.key))
                ),
                _ => "move it to a namespace that the webhook sees, or change the `namespaceSelector` (`mutatingWebhookNamespaceSelector` of the chart)".to_owned(),
            },
        ),
    };
    let message = format!("the webhook does not see namespace `{namespace}`, so that the label does nothing: {reason}");
    let finding = Finding::new(RULE.severity, workload.label_path(label::USE), message).with("configuration", name);
    finding.breaks(Hop::Webhook).expected(&expected, Some(namespace)).fix(fix)
}
