//! A custom resource of AAD Pod Identity is in use.
//!
//! AAD Pod Identity was archived in 2023, and its AKS add-on has had no fixes since September 2025. While
//! it runs, its resources give identities to pods by label, to whoever may label a pod; when it is gone
//! they are dead and their pods have no identity.
//!
//! An AzureIdentity of type 1 or 2 stands for a service principal whose secret or certificate lasts:
//! then the finding is critical.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: aadpodidentity.k8s.io/v1
//! kind: AzureIdentity
//! metadata: {name: cart, namespace: shop}
//! spec: {type: 0, resourceID: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, clientID: 5a1e2c3d-0001-4000-8000-000000000001}
//! ```
//!
//! ```yaml
//! apiVersion: aadpodidentity.k8s.io/v1
//! kind: AzureIdentity
//! metadata: {name: cart, namespace: shop}
//! spec: {type: 1, tenantID: 11111111-1111-1111-1111-111111111111, clientID: 5a1e2c3d-0001-4000-8000-000000000001, clientPassword: {name: sp, namespace: shop}}
//! ```
//!
//! ```yaml
//! apiVersion: aadpodidentity.k8s.io/v1
//! kind: AzureIdentityBinding
//! metadata: {name: cart, namespace: shop}
//! spec: {azureIdentity: cart, selector: cart}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # a kind of that name in another group
//! apiVersion: identity.example.com/v1
//! kind: AzureIdentity
//! metadata: {name: cart, namespace: shop}
//! spec: {type: 1}
//! ```
use crate::model::Body;
use crate::prelude::*;
use crate::repair::shell;

pub(super) static RULE: Rule = Rule {
    summary: "a custom resource of AAD Pod Identity is in use",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Custom(check)],
};

fn check(custom: &Custom, _: &Trust<'_>) -> Verdict {
    let Body::PodIdentity(secret) = custom.body else { return Ok(None) };
    let (severity, field, what) = if secret {
        (Severity::Critical, "spec.type", ", and this one holds a credential of a service principal")
    } else {
        (RULE.severity, "kind", "")
    };
    let message = format!("{} is of AAD Pod Identity, which is no longer maintained{what}", custom.kind.kind);
    let fix = format!(
        "annotate the ServiceAccounts of its pods with `{}`, let credentials of the identity trust them, label the pods `{}`, then: kubectl delete {}.{} {} --namespace {}",
        annotation::CLIENT_ID,
        label::USE,
        custom.kind.resource,
        custom.kind.group,
        shell(&custom.name),
        shell(&custom.namespace)
    );
    Ok(Some(Finding::new(severity, field, message).with("servicePrincipal", secret).fix(fix)))
}
