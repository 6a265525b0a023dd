//! The lifetime asked for the token is none that the webhook grants.
//!
//! It is a number of seconds from 3600 to 86400, in digits alone: `1h` and `3600.0` are not read.
//! The webhook refuses a pod with another value, so its Deployment hangs without pods and only the
//! events of its ReplicaSet say why. On a ServiceAccount the value holds for all its pods that have none.
//!
//! An empty value is passed over, in favour of the ServiceAccount's or of 3600 seconds: a low
//! finding. It is low also on a pod that is not labelled and so never comes before the webhook.
//! A placeholder is for `unresolved-placeholder` to tell.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/service-account-token-expiration: 1h}
//! ```
//!
//! ```yaml
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, annotations: {azure.workload.identity/service-account-token-expiration: "86401"}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # within the range, with a sign as Go reads it
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/service-account-token-expiration: "+3600"}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, annotations: {azure.workload.identity/service-account-token-expiration: "86400"}}
//! ```
//!
//! ```yaml
//! # a placeholder
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, annotations: {azure.workload.identity/service-account-token-expiration: "${LIFETIME}"}}
//! ```
//!
//! # As CEL
//!
//! ```cel
//! "azure.workload.identity/service-account-token-expiration" in variables.annotations
//!   && !(variables.lifetime.matches("^[+]?0*[0-9]{4,5}$")
//!     && int(variables.lifetime) >= 3600
//!     && int(variables.lifetime) <= 86400)
//!   && !variables.lifetime.matches(variables.placeholder)
//! ```
//!
//! Only a warning:
//!
//! ```cel
//! variables.lifetime == "" || (object.kind != "ServiceAccount" && !variables.optsIn)
//! ```
use crate::model::{Pairs, is_placeholder};
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "the lifetime asked for the token is none that the webhook grants",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Modelled,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(on_pod), Check::ServiceAccount(on_account)],
};

fn on_pod(workload: &Workload, _: &Trust<'_>) -> Verdict {
    let mut finding = check(&workload.template.annotations, workload.annotation_path(annotation::EXPIRATION));
    if let Some(finding) = finding.as_mut().filter(|_| !workload.opts_in()) {
        finding.severity = Severity::Low;
    }
    Ok(finding)
}

fn on_account(account: &ServiceAccount, _: &Trust<'_>) -> Verdict {
    Ok(check(&account.annotations, format!("metadata.annotations[{}]", annotation::EXPIRATION)))
}

fn check(annotations: &Pairs, field: String) -> Option<Finding> {
    let value = annotations.get(annotation::EXPIRATION)?;
    // Go's ParseInt in base 10 and Rust's parse take the same: a sign, then digits.
    let seconds = value.parse::<i64>();
    if seconds.as_ref().is_ok_and(|seconds| (3600..=86400).contains(seconds)) || is_placeholder(value) {
        return None;
    }
    let (severity, message) = match seconds {
        _ if value.is_empty() => (Severity::Low, "the token's lifetime is empty and is passed over".to_owned()),
        Ok(_) => {
            let message = format!(
                "token lifetime `{value}` is not from 3600 to 86400 seconds, and the webhook refuses pods with it"
            );
            (RULE.severity, message)
        }
        Err(_) => {
            let message =
                format!("token lifetime `{value}` is no whole number of seconds, and the webhook refuses pods with it");
            (RULE.severity, message)
        }
    };
    let fix = format!("set `{field}` to \"3600\", or to as many seconds as are needed, up to \"86400\"");
    Some(Finding::new(severity, field, message).with("value", value).fix(fix))
}
