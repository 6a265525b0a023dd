//! An annotation of workload identity is misspelt on a ServiceAccount.
//!
//! Kubernetes takes any key, and the webhook passes over those it does not know. With
//! `azure.workload-identity/client-id`, or `client_id` after the slash, pods start without
//! `AZURE_CLIENT_ID` as if nobody had annotated the ServiceAccount.
//!
//! Where the right key stands beside it, the misspelt one is a leftover and the finding is low, as
//! it is for a key that is read of pods alone or is none of workload identity's at all.
//! `azure-workload-identity.io/…` marks the webhook's own objects and is left alone. So is a prefix that is a letter
//! off, `azure.workload.identify/…`, which may be anybody's own.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload-identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ```
//!
//! ```yaml
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/clientId: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ```
//!
//! ```yaml
//! # the graver one is reported
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata:
//!   name: cart
//!   namespace: shop
//!   annotations:
//!     azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001
//!     azure.workload.identity/client_id: 5a1e2c3d-0001-4000-8000-000000000001
//!     azure.workload.identity/tenantid: 11111111-1111-1111-1111-111111111111
//! ```
//!
//! ```yaml
//! # beside the right one: untidy, no more
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata:
//!   name: cart
//!   namespace: shop
//!   annotations:
//!     azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001
//!     azure.workload.identity/client_id: 5a1e2c3d-0001-4000-8000-000000000001
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # spelt right
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ```
//!
//! ```yaml
//! # the webhook itself
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: azure-wi-webhook-admin, namespace: kube-system, annotations: {azure-workload-identity.io/system: "true"}}
//! ```
//!
//! ```yaml
//! # a prefix of somebody else's, however near
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identify/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ```
//!
//! # As CEL
//!
//! ```cel
//! size(variables.misspelt) > 0
//! ```
//!
//! Only a warning:
//!
//! ```cel
//! variables.misspelt.all(m,
//!   m.meant in variables.annotations
//!     || !(m.meant in [
//!       "azure.workload.identity/client-id",
//!       "azure.workload.identity/tenant-id",
//!       "azure.workload.identity/service-account-token-expiration"
//!     ]))
//! ```
use crate::near::annotate;
use crate::prelude::*;
use crate::spelling;

pub(super) static RULE: Rule = Rule {
    summary: "an annotation of workload identity is misspelt on the ServiceAccount",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Modelled,
    aadsts: &[],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::ServiceAccount(check)],
};

fn check(account: &ServiceAccount, _: &Trust<'_>) -> Verdict {
    const READ: [&str; 3] = [annotation::CLIENT_ID, annotation::TENANT_ID, annotation::EXPIRATION];
    let field = |key: &str| format!("metadata.annotations[{key}]");
    let wanting =
        |key: &str| spelling::meant(key).filter(|key| READ.contains(key) && account.annotations.get(key).is_none());
    let misspelt = || spelling::misspelt(&account.annotations);
    let Some(pair) = misspelt().find(|pair| wanting(&pair.key).is_some()).or_else(|| misspelt().next()) else {
        return Ok(None);
    };
    let message = match spelling::meant(&pair.key) {
        Some(key) => format!("annotation `{}` is misspelt, and nothing reads it; `{key}` is meant", pair.key),
        None => format!("annotation `{}` is none that workload identity reads", pair.key),
    };
    let remove = format!("{}-", pair.key);
    let (severity, fix) = match wanting(&pair.key) {
        Some(key) => (
            RULE.severity,
            format!(
                "{} {}",
                annotate(&account.namespace, &account.name, key, &pair.value),
                crate::near::shell(&remove)
            ),
        ),
        None => (Severity::Low, format!("remove `{}`", field(&pair.key))),
    };
    let fields: Vec<String> = misspelt().map(|pair| field(&pair.key)).collect();
    Ok(Some(
        Finding::new(severity, field(&pair.key), message)
            .with("value", pair.value.as_str())
            .with("fields", fields)
            .fix(fix),
    ))
}
