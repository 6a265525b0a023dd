//! The tenant id of a ServiceAccount is empty or malformed.
//!
//! If the annotation is there, its value is what the pods get, and the cluster's own tenant is not
//! used: with an empty one they get no `AZURE_TENANT_ID` at all, with a malformed one Entra knows no
//! such tenant.
//!
//! A verified domain also names a tenant, so one is but a low finding. A placeholder is for
//! `unresolved-placeholder` to tell.
//!
//! # Fails
//!
//! ```yaml
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, annotations: {azure.workload.identity/tenant-id: ""}}}
//! ```
//!
//! ```yaml
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, annotations: {azure.workload.identity/tenant-id: contoso.onmicrosoft.com}}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # a GUID
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, annotations: {azure.workload.identity/tenant-id: 11111111-1111-1111-1111-111111111111}}
//! ```
//!
//! ```yaml
//! # no annotation: the cluster's own tenant
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart}}
//! ```
//!
//! ```yaml
//! # a placeholder
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, annotations: {azure.workload.identity/tenant-id: "${TENANT_ID}"}}}
//! ```
//!
//! # As CEL
//!
//! ```cel
//! "azure.workload.identity/tenant-id" in variables.annotations
//!   && !variables.tenantId.matches(variables.guid)
//!   && !variables.tenantId.matches(variables.placeholder)
//! ```
//!
//! Only a warning:
//!
//! ```cel
//! variables.tenantId.matches("^[0-9A-Za-z-]+([.][0-9A-Za-z-]+)+$")
//! ```
use crate::model::{is_guid, is_placeholder};
use crate::near::{annotate, shell};
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "the tenant id of the ServiceAccount is empty or malformed",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Named,
    aadsts: &["90002"],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::ServiceAccount(check)],
};

fn check(account: &ServiceAccount, _: &Trust<'_>) -> Verdict {
    let Some(value) = account.annotations.get(annotation::TENANT_ID) else { return Ok(None) };
    if is_guid(value) || is_placeholder(value) {
        return Ok(None);
    }
    let (severity, message) = if value.is_empty() {
        let message = "the tenant id is empty, so the pods get no `AZURE_TENANT_ID`, not even that of the cluster";
        (RULE.severity, message.to_owned())
    } else if is_domain(value) {
        (Severity::Low, format!("tenant id `{value}` is a domain; it holds as long as the tenant has it"))
    } else {
        (RULE.severity, format!("tenant id `{value}` is no GUID, and Entra knows no such tenant"))
    };
    let field = format!("metadata.annotations[{}]", annotation::TENANT_ID);
    let fix = if is_guid(value.trim()) {
        annotate(&account.namespace, &account.name, annotation::TENANT_ID, value.trim())
    } else {
        let (namespace, name) = (shell(&account.namespace), shell(&account.name));
        format!(
            "kubectl annotate serviceaccount {name} --namespace {namespace} {}-  # the cluster's own tenant is used",
            annotation::TENANT_ID
        )
    };
    let finding = Finding::new(severity, field, message).with("value", value);
    let is_none = severity == RULE.severity;
    Ok(Some(finding.breaks_if(is_none, Hop::Tenant).expected("a GUID, or no annotation", Some(value)).fix(fix)))
}

/// Whether Entra may know a tenant by this: a GUID, or a domain.
#[cfg(feature = "audit")]
pub(super) fn may_be_tenant(text: &str) -> bool {
    is_guid(text) || is_domain(text)
}

fn is_domain(text: &str) -> bool {
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    text.contains('.') && text.split('.').all(label)
}
