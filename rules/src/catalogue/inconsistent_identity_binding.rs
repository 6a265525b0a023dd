//! A pod asks for an identity binding of AKS and lacks what that takes.
//!
//! With the annotation `use-identity-binding` the webhook injects a token for the cluster's proxy in place of
//! one for Entra. It does so for pods with the label that opts in and no others, and the program needs the
//! client id of the ServiceAccount as ever. Any value but `true`, in whatever case, asks for nothing. Whether
//! the cluster can have identity bindings is `misgranted-identity-binding`'s to tell, which sees the cluster.
//!
//! `false` and an empty value say that none is wanted. A pod that opts out is not judged, nor what
//! the label's own rules tell. A placeholder is for `unresolved-placeholder` to tell.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/use-identity-binding: "true"}}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/use-identity-binding: "yes"}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/use-identity-binding: "true"}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # nothing is missing
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/use-identity-binding: "True"}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! # none is wanted
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/use-identity-binding: "false"}}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! # the pod opts out
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   labels: {azure.workload.identity/use: "false"}
//!   annotations: {azure.workload.identity/use-identity-binding: "true"}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! # a placeholder
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/use-identity-binding: "${BINDING}"}
//! spec: {serviceAccountName: cart}
//! ```
use crate::model::is_placeholder;
use crate::near::annotate;
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "a pod asks for an identity binding of AKS and lacks what that takes",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Modelled,
    aadsts: &["700212"],
    frameworks: &["MCSB IM-3"],
    yields_to: &["AWI101", "AWI102", "AWI103"],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let value = workload.template.annotations.get(annotation::USE_IDENTITY_BINDING).unwrap_or_default();
    if value.is_empty() || value.eq_ignore_ascii_case("false") || is_placeholder(value) || workload.opts_out() {
        return Ok(None);
    }
    let field = workload.annotation_path(annotation::USE_IDENTITY_BINDING);
    let name = workload.service_account();
    let (message, fix) = if !workload.uses_identity_binding() {
        (format!("`{value}` asks for no identity binding: only `true` does"), format!("set `{field}` to \"true\""))
    } else if !workload.opts_in() {
        let message = format!("the pods ask for an identity binding without label `{}`, so they get no token", label::USE);
        (message, format!("set `{}` to \"true\", in quotes", workload.label_path(label::USE)))
    } else {
        match trust.service_account(workload).known()? {
            Some(account) if account.client_id().is_none() => {
                let message = format!(
                    "the pods ask for an identity binding, but ServiceAccount `{name}` has no annotation `{}`",
                    annotation::CLIENT_ID
                );
                (message, annotate(&workload.namespace, name, annotation::CLIENT_ID, "CLIENT_ID"))
            }
            _ => return Ok(None),
        }
    };
    Ok(Some(Finding::new(RULE.severity, field, message).with("value", value).with("serviceAccount", name).fix(fix)))
}
