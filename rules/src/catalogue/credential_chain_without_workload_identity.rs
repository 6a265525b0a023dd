//! `AZURE_TOKEN_CREDENTIALS` keeps the SDK from trying workload identity.
//!
//! The variable tells the default credential of the Azure SDKs what to try: `prod` for what serves in
//! production, workload identity among it, `dev` for the logins of a developer, or the name of one
//! credential. With `dev` or another name the injected token is never looked at.
//!
//! `ManagedIdentityCredential` is a low finding: some SDKs exchange the injected token under that
//! name, others ask the node. Pods that do not opt in and containers that `skip-containers` names have
//! no token to miss. An empty value counts as none; a placeholder, and a value from elsewhere, are
//! not judged. The policy leaves it to the audit: a pod that tries something else may still be meant to.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_TOKEN_CREDENTIALS, value: dev}]}]}
//! ```
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app, env: [{name: AZURE_TOKEN_CREDENTIALS, value: ManagedIdentityCredential}]}]
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # workload identity is tried
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   serviceAccountName: cart
//!   initContainers: [{name: init, env: [{name: AZURE_TOKEN_CREDENTIALS, value: Prod}]}]
//!   containers: [{name: app, env: [{name: AZURE_TOKEN_CREDENTIALS, value: WorkloadIdentityCredential}]}]
//! ```
//!
//! ```yaml
//! # the pod does not opt in
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: app, env: [{name: AZURE_TOKEN_CREDENTIALS, value: dev}]}]}
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
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app}, {name: old, env: [{name: AZURE_TOKEN_CREDENTIALS, value: dev}]}]
//! ```
//!
//! ```yaml
//! # empty, a placeholder, and a value from elsewhere
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   serviceAccountName: cart
//!   containers:
//!   - {name: app, env: [{name: AZURE_TOKEN_CREDENTIALS, value: ""}]}
//!   - {name: web, env: [{name: AZURE_TOKEN_CREDENTIALS, value: "${CREDENTIALS}"}]}
//!   - {name: log, env: [{name: AZURE_TOKEN_CREDENTIALS, valueFrom: {configMapKeyRef: {name: cart, key: chain}}}]}
//! ```
use crate::model::is_placeholder;
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "`AZURE_TOKEN_CREDENTIALS` keeps the SDK from trying workload identity",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    breaks: Breaks::Named,
    aadsts: &[],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

const VARIABLE: &str = "AZURE_TOKEN_CREDENTIALS";

fn check(workload: &Workload, _: &Trust<'_>) -> Verdict {
    if !workload.opts_in() {
        return Ok(None);
    }
    let excludes = |value: &&str| {
        !["prod", "workloadidentitycredential"].iter().any(|right| right.eq_ignore_ascii_case(value))
            && !is_placeholder(value)
    };
    let mut found: Option<Finding> = None;
    for (container, place) in workload.injected_containers() {
        let Some(value) = container.literal(VARIABLE).filter(excludes) else { continue };
        let named = value.eq_ignore_ascii_case("ManagedIdentityCredential");
        let severity = if named { Severity::Low } else { RULE.severity };
        if found.as_ref().is_some_and(|found| found.severity >= severity) {
            continue;
        }
        let field = format!("{place}.env[{VARIABLE}]");
        let but = if named { ", which not every SDK takes for workload identity" } else { ", so workload identity is never tried" };
        let message = format!("container `{}` has `{VARIABLE}` `{value}`{but}", container.name);
        let fix = format!("set `{field}` to `prod` or `WorkloadIdentityCredential`, or remove it");
        let finding = Finding::new(severity, field, message).with("value", value).fix(fix);
        let finding = finding.breaks_if(!named, Hop::Program);
        found = Some(finding.expected("prod or WorkloadIdentityCredential", Some(value)));
    }
    Ok(found)
}
