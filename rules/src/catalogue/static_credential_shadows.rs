//! A static credential takes precedence over the token that the webhook injects.
//!
//! The default credential of the Azure SDKs looks into the environment before it tries workload
//! identity. With `AZURE_CLIENT_SECRET` still set, the container goes on as the old service principal:
//! all seems to work until the secret expires, and the identity's own permissions are never tried.
//!
//! An empty value counts as none, and so does a user name without password; of a variable that is set twice the last
//! counts. A container that names
//! `WorkloadIdentityCredential` in `AZURE_TOKEN_CREDENTIALS` tries nothing else. A container that
//! `skip-containers` names has no token, and is for `static-credential` to judge, as are pods that
//! do not opt in; so is `ARM_CLIENT_SECRET`, which the SDKs do not read. What a ConfigMap of `envFrom` holds is not read. A variable from a key of a Secret with
//! `optional: true` is none where the audit knows that the Secret has no such key.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {containers: [{name: app, env: [{name: AZURE_CLIENT_SECRET, valueFrom: {secretKeyRef: {name: sp, key: secret}}}]}]}
//! ```
//!
//! ```yaml
//! {apiVersion: v1, kind: Secret, metadata: {name: sp, namespace: shop}, data: {AZURE_PASSWORD: eA==}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {containers: [{name: app, env: [{name: AZURE_USERNAME, value: cart}], envFrom: [{secretRef: {name: sp}}]}]}
//! ```
//!
//! ```yaml
//! # of a variable that is set twice the last counts
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   containers:
//!   - name: app
//!     env:
//!     - {name: AZURE_CLIENT_SECRET, value: ""}
//!     - {name: AZURE_CLIENT_SECRET, value: x}
//!     - {name: AZURE_TOKEN_CREDENTIALS, value: WorkloadIdentityCredential}
//!     - {name: AZURE_TOKEN_CREDENTIALS, value: prod}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # empty, and a user name alone
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {containers: [{name: app, env: [{name: AZURE_CLIENT_SECRET, value: ""}, {name: AZURE_USERNAME, value: cart}]}]}
//! ```
//!
//! ```yaml
//! # only workload identity is tried
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   containers:
//!   - {name: app, env: [{name: AZURE_CLIENT_SECRET, value: x}, {name: AZURE_TOKEN_CREDENTIALS, value: WorkloadIdentityCredential}]}
//! ```
//!
//! ```yaml
//! # of a variable that is set twice the last counts
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {containers: [{name: app, env: [{name: AZURE_CLIENT_SECRET, value: x}, {name: AZURE_CLIENT_SECRET, value: ""}]}]}
//! ```
//!
//! ```yaml
//! # the container is skipped
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/skip-containers: old}
//! spec: {containers: [{name: app}, {name: old, env: [{name: AZURE_CLIENT_SECRET, value: x}]}]}
//! ```
//!
//! ```yaml
//! # the pod does not opt in
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: app, env: [{name: AZURE_CLIENT_SECRET, value: x}]}]}
//! ```
//!
//! # As CEL
//!
//! What a Secret of `envFrom` holds is not seen.
//!
//! ```cel
//! variables.optsIn
//!   && variables.containers.exists(c,
//!     !(c.name in variables.skipped)
//!       && [c.env.filter(e, e.name == "AZURE_TOKEN_CREDENTIALS")].exists(own,
//!         own[?size(own) - 1].?literal.orValue("").lowerAscii() != "workloadidentitycredential")
//!       && [
//!         ["AZURE_CLIENT_SECRET"],
//!         ["AZURE_CLIENT_CERTIFICATE_PATH"],
//!         ["AZURE_PASSWORD", "AZURE_USERNAME"]
//!       ].exists(credential,
//!         credential.all(name, [c.env.filter(e, e.name == name)].exists(own,
//!           own[?size(own) - 1].?filled.orValue(false)))))
//! ```
use super::static_credential::{CREDENTIALS, evidence, held};
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "a static credential takes precedence over the token that the webhook injects",
    severity: Severity::High,
    confidence: Confidence::Medium,
    breaks: Breaks::Named,
    aadsts: &["7000215", "7000222"],
    frameworks: &["MCSB IM-3", "MCSB IM-8"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    if !workload.opts_in() {
        return Ok(None);
    }
    let chosen = |container: &Container| {
        container
            .literal("AZURE_TOKEN_CREDENTIALS")
            .is_some_and(|name| name.eq_ignore_ascii_case("WorkloadIdentityCredential"))
    };
    let containers: Vec<_> = workload.injected_containers().collect();
    let held = held(workload, &containers, &CREDENTIALS, &|container, _| !chosen(container), trust)?;
    let Some(first) = held.first() else { return Ok(None) };
    let message = format!(
        "container `{}` has `{}` from {}, which the Azure SDKs prefer to the token of workload identity",
        first.container, first.name, first.source
    );
    let fix = format!("remove `{}` from `{}`, then delete that credential in Microsoft Entra", first.name, first.field);
    let finding = Finding::new(RULE.severity, first.field.as_str(), message).with_made("variables", || evidence(&held));
    Ok(Some(finding.breaks(Hop::Program).fix(fix)))
}
