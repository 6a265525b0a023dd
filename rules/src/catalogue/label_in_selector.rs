//! The label that opts in stands in a selector.
//!
//! A selector says which pods are its owner's, and the API server lets nobody change it: with the
//! label in it, an upgrade that adds or removes workload identity is refused with `field is
//! immutable`, and the object must be deleted and made anew. Charts get there when the label is
//! added to the labels that they select by.
//!
//! Whether the selector is in force already cannot be told from the object, so a new object and an
//! old one are judged alike.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: cart, azure.workload.identity/use: "true"}}
//!   template:
//!     metadata: {labels: {app: cart, azure.workload.identity/use: "true"}}
//!     spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! apiVersion: v1
//! kind: ReplicationController
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {azure.workload.identity/use: "true"}
//!   template:
//!     metadata: {labels: {azure.workload.identity/use: "true"}}
//!     spec: {serviceAccountName: cart}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the label stands on the pods alone
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   selector: {matchLabels: {app: cart}}
//!   template:
//!     metadata: {labels: {app: cart, azure.workload.identity/use: "true"}}
//!     spec: {serviceAccountName: cart}
//! ```
//!
//! # As CEL
//!
//! ```cel
//! object.kind != "Pod" && object.kind != "ServiceAccount"
//!   && [
//!     object.?spec.?selector.orValue(dyn(null)),
//!     object.?spec.?selector.?matchLabels.orValue(dyn(null)),
//!     object.?spec.?jobTemplate.?spec.?selector.?matchLabels.orValue(dyn(null))
//!   ].exists(labels, labels != null && "azure.workload.identity/use" in labels)
//! ```
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "the label that opts in stands in a selector",
    severity: Severity::Medium,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, _: &Trust<'_>) -> Verdict {
    if !workload.selects_label {
        return Ok(None);
    }
    let field = format!("{}[{}]", workload.selector_path(), label::USE);
    let message = format!("label `{}` is part of the selector, which nobody can change later", label::USE);
    let fix = format!(
        "take `{field}` out and leave `{}`; an object that exists must be deleted and made anew",
        workload.label_path(label::USE)
    );
    Ok(Some(Finding::new(RULE.severity, field, message).with("optsIn", workload.opts_in()).fix(fix)))
}
