//! The client id of a ServiceAccount is no GUID.
//!
//! The webhook hands the annotation's value to the pods as it stands, and Entra looks for an
//! application of that id. An identity's name or resource id, a GUID in braces or with white space
//! around it is the id of none.
//!
//! A placeholder is for `unresolved-placeholder` to tell, an empty value for `client-id-missing`.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata:
//!   name: cart
//!   annotations:
//!     azure.workload.identity/client-id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart
//! ```
//!
//! ```yaml
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, annotations: {azure.workload.identity/client-id: "5a1e2c3d-0001-4000-8000-000000000001 "}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # a GUID, in whatever case
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, annotations: {azure.workload.identity/client-id: 5A1E2C3D-0001-4000-8000-00000000000a}}
//! ```
//!
//! ```yaml
//! # a placeholder
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, annotations: {azure.workload.identity/client-id: "<client-id>"}}}
//! ```
//!
//! ```yaml
//! # an empty value
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, annotations: {azure.workload.identity/client-id: ""}}}
//! ```
//!
//! # As CEL
//!
//! ```cel
//! variables.clientId != ""
//!   && !variables.clientId.matches(variables.guid)
//!   && !variables.clientId.matches(variables.placeholder)
//! ```
use crate::model::{is_guid, is_placeholder};
use crate::near::annotate;
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "the client id of the ServiceAccount is no GUID",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Modelled,
    aadsts: &["700016"],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::ServiceAccount(check)],
};

fn check(account: &ServiceAccount, trust: &Trust<'_>) -> Verdict {
    let Some(client_id) = account.client_id() else { return Ok(None) };
    let value = client_id.as_str();
    if is_guid(value) || is_placeholder(value) {
        return Ok(None);
    }
    let bare = value.trim().trim_start_matches('{').trim_end_matches('}');
    let what = if is_guid(bare) {
        "has something around the GUID"
    } else if value.trim().starts_with("/subscriptions/") {
        "is a resource id"
    } else {
        "is no GUID"
    };
    let meant = trust.identity_by_id(value.trim()).or_else(|| trust.identity_by_name(value.trim()));
    let meant = meant.map(|identity| identity.client_id.as_str()).or_else(|| is_guid(bare).then_some(bare));
    let message = format!("client id `{value}` {what}, and Entra knows no application by it");
    let fix = annotate(&account.namespace, &account.name, annotation::CLIENT_ID, meant.unwrap_or("CLIENT_ID"));
    let field = format!("metadata.annotations[{}]", annotation::CLIENT_ID);
    Ok(Some(Finding::new(RULE.severity, field, message).with("value", value).fix(fix)))
}
