//! A pod asks for another lifetime of its token than its ServiceAccount does.
//!
//! The webhook prefers the pod's annotation, so that what is set on the ServiceAccount, perhaps to
//! keep tokens short, does not hold here. Nothing breaks.
//!
//! What the longest lifetime is that you want is not asked: the webhook's own limit of a day holds.
//! A value that the webhook refuses is for `invalid-token-expiration` to tell, an empty one is passed
//! over, and pods that do not opt in are not judged. The policy leaves it to the audit.
//!
//! # Fails
//!
//! ```yaml
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/service-account-token-expiration: "3600"}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/service-account-token-expiration: "86400"}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # both ask for the same
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/service-account-token-expiration: "7200"}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/service-account-token-expiration: "+7200"}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! # one of them asks for nothing that counts
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/service-account-token-expiration: "7200"}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/service-account-token-expiration: ""}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! # the pod does not opt in
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/service-account-token-expiration: "3600"}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/service-account-token-expiration: "86400"}}
//! spec: {serviceAccountName: cart}
//! ```
use crate::model::Pairs;
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "a pod asks for another lifetime of its token than its ServiceAccount does",
    severity: Severity::Low,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &[],
    yields_to: &["AWI501"],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let seconds = |pairs: &Pairs| pairs.get(annotation::EXPIRATION)?.parse::<i64>().ok();
    let Some(own) = seconds(&workload.template.annotations).filter(|_| workload.opts_in()) else { return Ok(None) };
    let Some(account) = trust.service_account(workload).known()? else { return Ok(None) };
    let Some(theirs) = seconds(&account.annotations).filter(|theirs| *theirs != own) else { return Ok(None) };
    let field = workload.annotation_path(annotation::EXPIRATION);
    let message = format!(
        "the pods ask for tokens of {own} seconds, ServiceAccount `{}` for {theirs}; the pods' word counts",
        account.name
    );
    let fix = format!("remove `{field}`, or say on the ServiceAccount what is meant");
    Ok(Some(Finding::new(RULE.severity, field, message).with("pod", own).with("serviceAccount", theirs).fix(fix)))
}
