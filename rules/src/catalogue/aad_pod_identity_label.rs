//! A pod is bound to an identity by the label of AAD Pod Identity.
//!
//! AAD Pod Identity was archived in 2023, and its AKS add-on has had no fixes since September 2025.
//! Where it still runs, it answers for the pod whatever asks for a token of the node; where it is
//! gone, the label does nothing and the pod has no identity, or the node's.
//!
//! Only the pod's own label counts, not one on the object that makes pods.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec: {template: {metadata: {labels: {aadpodidbinding: cart}}}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the label stands where nothing reads it
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop, labels: {aadpodidbinding: cart}}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}}}
//! ```
//!
//! # As CEL
//!
//! ```cel
//! "aadpodidbinding" in variables.labels
//! ```
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "a pod is bound to an identity by the label of AAD Pod Identity",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &["MCSB IM-3"],
    yields_to: &["AWI603"],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, _: &Trust<'_>) -> Verdict {
    let Some(value) = workload.template.labels.get(label::AAD_POD_IDENTITY) else { return Ok(None) };
    let field = workload.label_path(label::AAD_POD_IDENTITY);
    let message = format!(
        "label `{}` is `{value}`: the pods rely on AAD Pod Identity, which is no longer maintained",
        label::AAD_POD_IDENTITY
    );
    let fix = if workload.opts_in() {
        format!("remove `{field}`; label `{}` is there already", label::USE)
    } else {
        let account = workload.service_account();
        format!(
            "annotate ServiceAccount `{account}` with `{}`, let a credential of the identity trust it, set `{}` to \"true\", and remove `{field}`",
            annotation::CLIENT_ID,
            workload.label_path(label::USE)
        )
    };
    Ok(Some(
        Finding::new(RULE.severity, field, message).with("value", value).with("optsIn", workload.opts_in()).fix(fix),
    ))
}
