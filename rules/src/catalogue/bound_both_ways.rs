//! A pod asks for workload identity and for AAD Pod Identity at once.
//!
//! Where AAD Pod Identity still runs, it intercepts what the pod asks of the node's endpoint for
//! tokens, and answers `no azure identity found for request clientID` unless a binding matches. So
//! an SDK that falls back to a managed identity gets that error, or the old identity, and which of the
//! two was used is not to be seen from the pod. Where it is gone, its label says what is no longer true.
//!
//! A pod whose label of workload identity is not exactly `true` gets no token of it; then
//! `aad-pod-identity-label` tells. To carry both for the time of a migration, suppress the finding
//! until a date.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true", aadpodidbinding: cart}}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # workload identity alone
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! # AAD Pod Identity alone is for another rule to tell
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "false", aadpodidbinding: cart}}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! # As CEL
//!
//! ```cel
//! variables.optsIn && "aadpodidbinding" in variables.labels
//! ```
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "a pod asks for workload identity and for AAD Pod Identity at once",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, _: &Trust<'_>) -> Verdict {
    let Some(value) = workload.template.labels.get(label::AAD_POD_IDENTITY).filter(|_| workload.opts_in()) else {
        return Ok(None);
    };
    let field = workload.label_path(label::AAD_POD_IDENTITY);
    let message = format!(
        "label `{}` is `{value}` beside `{}`: AAD Pod Identity may answer for what workload identity is asked",
        label::AAD_POD_IDENTITY,
        label::USE
    );
    let fix = format!("remove `{field}`");
    Ok(Some(Finding::new(RULE.severity, field, message).with("value", value).fix(fix)))
}
