//! The label that opts in stands on a ServiceAccount.
//!
//! Webhooks before v1.0.0 read it there; since then the pod's own label alone counts. Nothing breaks, but who
//! reads it may think that it does something. Where pods lack the label, `pod-not-opted-in` tells.
//!
//! On other kinds the label is as idle: a Service, a Secret or a ConfigMap is not looked at for it.
//!
//! The policy leaves it to the audit.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # an annotation alone
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ```
use crate::prelude::*;
use crate::repair::shell;

pub(super) static RULE: Rule = Rule {
    summary: "the label that opts in stands on a ServiceAccount",
    severity: Severity::Info,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::ServiceAccount(check)],
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
