//! A label or annotation of workload identity stands where nothing reads it.
//!
//! Webhooks before v1.0.0 read the label that opts in on ServiceAccounts; since then the pod's own label
//! alone counts. Nothing breaks, but who reads it may think that it does something. Where pods lack the
//! label, `pod-not-opted-in` tells.
//!
//! The labels and annotations of workload identity, spelt right or wrong, are as idle on a Service, a
//! Namespace, a Secret or a ConfigMap, and somebody meant something by them: an annotation there names an identity
//! to nobody, and the finding is medium. Labels alone are low: charts that give one set of them to all their objects
//! do no harm by it, and whether the pods have what they need is for the rules about pods. A label of a Namespace is
//! left alone if a `namespaceSelector` of the webhook asks for its key, and nothing is said of it while the webhook's
//! registration is not known.
//! `azure-workload-identity.io/…` marks the webhook's own objects.
//!
//! The policy leaves it to the audit, which reads these kinds in files and snapshots, and not live.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! ```
//!
//! ```yaml
//! # meant for the ServiceAccount
//! apiVersion: v1
//! kind: ConfigMap
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ```
//!
//! ```yaml
//! # misspelt as well
//! apiVersion: v1
//! kind: Service
//! metadata: {name: cart, namespace: shop, labels: {azure.workload-identity/use: "true"}}
//! ```
//!
//! ```yaml
//! # nobody selects namespaces by it
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {azure.workload.identity/use: "true"}}}
//! ---
//! {apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}, webhooks: [{name: mutation.azure-workload-identity.io, clientConfig: {service: {name: azure-wi-webhook-webhook-service, namespace: azure-workload-identity-system, path: /mutate-v1-pod}}, objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}}]}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the webhook selects namespaces by it
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {azure.workload.identity/use: "true"}}}
//! ---
//! {apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: azure-wi-webhook-mutating-webhook-configuration, uid: 5f0c}, webhooks: [{name: mutation.azure-workload-identity.io, clientConfig: {service: {name: azure-wi-webhook-webhook-service, namespace: azure-workload-identity-system, path: /mutate-v1-pod}}, namespaceSelector: {matchLabels: {azure.workload.identity/use: "true"}}, objectSelector: {matchLabels: {azure.workload.identity/use: "true"}}}]}
//! ```
//!
//! ```yaml
//! # the webhook's own
//! apiVersion: v1
//! kind: Service
//! metadata: {name: azure-wi-webhook-webhook-service, namespace: kube-system, labels: {azure-workload-identity.io/system: "true"}}
//! ```
//!
//! ```yaml
//! # an annotation alone
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ```
#[cfg(feature = "audit")]
use crate::model::{Body, Pair};
use crate::prelude::*;
use crate::repair::shell;
#[cfg(feature = "audit")]
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "a label or annotation of workload identity stands where nothing reads it",
    severity: Severity::Info,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[
        Check::ServiceAccount(check),
        #[cfg(feature = "audit")]
        Check::Custom(bystander),
    ],
};

fn check(account: &ServiceAccount, _: &Trust<'_>) -> Verdict {
    let Some(value) = account.labels.get(label::USE) else { return Ok(None) };
    let field = format!("metadata.labels[{}]", label::USE);
    let message = format!("label `{}` is `{value}` on a ServiceAccount, where nothing has read it since v1.0.0", label::USE);
    let fix = format!(
        "kubectl label serviceaccount {} --namespace {} {}-",
        shell(&account.name),
        shell(&account.namespace),
        label::USE
    );
    Ok(Some(Finding::new(RULE.severity, field, message).with("value", value).fix(fix)))
}

/// What stands on an object that nobody looks at for it: annotations first, which select nothing.
#[cfg(feature = "audit")]
fn bystander(custom: &Custom, trust: &Trust<'_>) -> Verdict {
    let Body::Bystander(labels, annotations) = &custom.body else { return Ok(None) };
    let kind = custom.kind.kind;
    let is_asked_for = |pair: &&Pair| {
        let webhooks = trust.registrations(custom.cluster).flat_map(|it| &it.webhooks);
        kind == "Namespace" && webhooks.flat_map(|it| &it.namespaces.0).any(|wanted| wanted.key == pair.key)
    };
    let idle = labels.iter().filter(|pair| !is_asked_for(pair));
    let fields: Vec<String> = annotations
        .iter()
        .map(|pair| format!("metadata.annotations[{}]", pair.key))
        .chain(idle.map(|pair| format!("metadata.labels[{}]", pair.key)))
        .collect();
    let Some(field) = fields.first().cloned() else { return Ok(None) };
    if kind == "Namespace" && annotations.is_empty() && !trust.knows_registrations(custom.cluster) {
        return Err(Unknown(Key::Registrations(custom.cluster)));
    }
    let message = format!("`{field}` stands on a {kind}, where nothing of workload identity is read");
    let fix = "remove it; `azure.workload.identity/use` belongs to the labels of pods, client id and tenant id to the annotations of their ServiceAccount";
    let severity = if annotations.is_empty() { Severity::Low } else { Severity::Medium };
    Ok(Some(Finding::new(severity, field, message).with("fields", fields).fix(fix)))
}
