//! The label that opts in has another value than `true`.
//!
//! The API server hands a pod to the mutating webhook only if the label's value is exactly `true`.
//! `True`, `yes`, `1` and an empty value select nothing: the pod starts without a token, and no
//! error says why. Without quotes the value is a boolean, for which the API server refuses the whole object.
//!
//! The value `false` opts out and is left alone. A placeholder is for `unresolved-placeholder` to tell.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "True"}}, spec: {serviceAccountName: cart}}}
//! ```
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: true}}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! # the pod is passed over, as is wanted
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "False"}}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # exactly true
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! ```
//!
//! ```yaml
//! # the pod opts out
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "false"}}
//! ```
//!
//! ```yaml
//! # a placeholder
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "${USE_IDENTITY}"}}
//! ```
//!
//! # As CEL
//!
//! ```cel
//! "azure.workload.identity/use" in variables.labels
//!   && !(type(variables.use) == string
//!     && (variables.use in ["true", "false"] || variables.use.matches(variables.placeholder)))
//! ```
//!
//! Only a warning:
//!
//! ```cel
//! type(variables.use) == string && variables.use.lowerAscii() == "false"
//! ```
use crate::model::is_placeholder;
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "the label that opts in has another value than `true`",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Named,
    aadsts: &[],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, _: &Trust<'_>) -> Verdict {
    let Some(pair) = workload.template.labels.pair(label::USE) else { return Ok(None) };
    let value = pair.value.as_str();
    if pair.is_string && (matches!(value, "true" | "false") || is_placeholder(value)) {
        return Ok(None);
    }
    let (severity, message) = if !pair.is_string {
        (
            RULE.severity,
            format!(
                "label `{}` is `{value}` without quotes, and the API server refuses a label that is no string",
                label::USE
            ),
        )
    } else if value.eq_ignore_ascii_case("false") {
        // Such a pod is passed over as its author wants.
        (Severity::Low, format!("label `{}` is `{value}`; the value that opts out is `false`", label::USE))
    } else {
        (
            RULE.severity,
            format!("label `{}` is `{value}`, and the webhook selects pods by the value `true` alone", label::USE),
        )
    };
    let field = workload.label_path(label::USE);
    let wanted = if value.eq_ignore_ascii_case("false") { "false" } else { "true" };
    let fix = format!("set `{field}` to \"{wanted}\", in quotes");
    let finding = Finding::new(severity, field, message).with("value", value).with("isString", pair.is_string);
    // Of one that is a string the label itself is asked.
    Ok(Some(finding.breaks_if(!pair.is_string, Hop::Label).expected("\"true\", in quotes", Some(value)).fix(fix)))
}
