//! The client id of a ServiceAccount belongs to no identity.
//!
//! Entra looks for the application of that id and finds none. Often it is another id of the right
//! identity: its principal id, or the object id of the app registration, which look alike and are
//! not what tokens are asked for by, which is critical. Else the identity was deleted, or made anew with another id.
//!
//! An unknown client id is accused only if managed identities and app registrations are both listed,
//! as either could have it (at admission: if the published trust inventory lists every client id);
//! and not if the ServiceAccount names a tenant from which none of those listed comes, or if a service
//! principal of the client id was read, such as that of another tenant's application. The audit also accuses the client
//! id of an identity whose service principal may not sign in, as the lists of them have it (`accountEnabled`: false):
//! of every list that holds it, as one application has one in each tenant, and not where the ServiceAccount names another
//! tenant than the identity's; whoever else asks for it is told by the rule of its kind, such as `preset-variable` and
//! `secret-provider-class-identity`. That an app registration has no service principal is not judged: no list of them
//! says that it is whole and of which tenant. A value that is no GUID is for `client-id-not-a-guid` to tell, a
//! placeholder for `unresolved-placeholder`.
//!
//! # Fails
//!
//! ```yaml
//! - id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart
//!   name: id-cart
//!   clientId: 5a1e2c3d-0001-4000-8000-000000000001
//!   principalId: 5a1e2c3d-0001-4000-8000-000000000002
//!   tenantId: 11111111-1111-1111-1111-111111111111
//!   resourceGroup: rg
//!   type: Microsoft.ManagedIdentity/userAssignedIdentities
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000002}}}
//! ```
//!
//! ```yaml
//! - id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart
//!   name: id-cart
//!   clientId: 5a1e2c3d-0001-4000-8000-000000000001
//!   principalId: 5a1e2c3d-0001-4000-8000-000000000002
//!   tenantId: 11111111-1111-1111-1111-111111111111
//!   resourceGroup: rg
//!   type: Microsoft.ManagedIdentity/userAssignedIdentities
//! ---
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0009-4000-8000-000000000009}}}
//! ```
//!
//! ```yaml
//! # Entra knows it and signs nobody in by it
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000005, displayName: web, servicePrincipalType: Application, accountEnabled: false}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000003}}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # its service principal may sign in
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000005, displayName: web, servicePrincipalType: Application, accountEnabled: true}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000003}}}
//! ```
//!
//! ```yaml
//! # an app registration has it
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, annotations: {azure.workload.identity/client-id: 5A1E2C3D-0001-4000-8000-000000000003}}}
//! ```
//!
//! ```yaml
//! # managed identities are not listed
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0009-4000-8000-000000000009}}}
//! ```
//!
//! ```yaml
//! # the identity is of another tenant
//! - id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart
//!   name: id-cart
//!   clientId: 5a1e2c3d-0001-4000-8000-000000000001
//!   principalId: 5a1e2c3d-0001-4000-8000-000000000002
//!   tenantId: 11111111-1111-1111-1111-111111111111
//!   type: Microsoft.ManagedIdentity/userAssignedIdentities
//! ---
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata:
//!   name: cart
//!   annotations:
//!     azure.workload.identity/client-id: 5a1e2c3d-0009-4000-8000-000000000009
//!     azure.workload.identity/tenant-id: 99999999-9999-9999-9999-999999999999
//! ```
//!
//! ```yaml
//! # another tenant's application, which has a service principal in this one
//! - id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart
//!   name: id-cart
//!   clientId: 5a1e2c3d-0001-4000-8000-000000000001
//!   type: Microsoft.ManagedIdentity/userAssignedIdentities
//! ---
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! - {appId: 5A1E2C3D-0009-4000-8000-000000000009, id: 5a1e2c3d-0001-4000-8000-000000000005, displayName: vendor, servicePrincipalType: Application, appOwnerOrganizationId: 99999999-9999-9999-9999-999999999999}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0009-4000-8000-000000000009}}}
//! ```
//!
//! ```yaml
//! # no GUID, and a placeholder
//! - id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart
//!   name: id-cart
//!   clientId: 5a1e2c3d-0001-4000-8000-000000000001
//!   type: Microsoft.ManagedIdentity/userAssignedIdentities
//! ---
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, annotations: {azure.workload.identity/client-id: id-cart}}}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: web, annotations: {azure.workload.identity/client-id: 00000000-0000-0000-0000-000000000000}}}
//! ```
use crate::model::{is_guid, is_placeholder};
use crate::near::annotate;
use crate::prelude::*;
use crate::whose::{Asked, whose};

pub(super) static RULE: Rule = Rule {
    summary: "the client id of the ServiceAccount belongs to no identity",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Modelled,
    aadsts: &["700016", "7000112"],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::ServiceAccount(check)],
};

fn check(account: &ServiceAccount, trust: &Trust<'_>) -> Verdict {
    let Some(client_id) = account.client_id().filter(|id| is_guid(id.as_str()) && !is_placeholder(id.as_str())) else {
        return Ok(None);
    };
    let field = format!("metadata.annotations[{}]", annotation::CLIENT_ID);
    let fix = |right: &str| annotate(&account.namespace, &account.name, annotation::CLIENT_ID, right);
    let tenant = || Ok(account.annotations.get(annotation::TENANT_ID).unwrap_or_default());
    let (message, meant) = match whose(client_id.as_str(), tenant, trust)? {
        Asked::Of(_) => return Ok(None),
        Asked::Nobody(message, meant) => (message, meant),
        #[cfg(feature = "audit")]
        Asked::Disabled(message, fix) => {
            let finding = Finding::new(RULE.severity, field, message).with("clientId", client_id.as_str());
            return Ok(Some(finding.fix(fix)));
        }
    };
    // What is known to be another id was not merely overlooked in a list.
    let severity = if meant.is_some() { Severity::Critical } else { RULE.severity };
    let finding = Finding::new(severity, field, message).with("value", client_id.as_str());
    Ok(Some(match meant {
        Some(identity) => finding
            .with("identity", identity.name.as_str())
            .with("clientId", identity.client_id.as_str())
            .fix(fix(identity.client_id.as_str())),
        None => {
            let alike = trust.identity_by_name(&account.name);
            finding.fix(fix(alike.map_or("CLIENT_ID", |identity| identity.client_id.as_str())))
        }
    }))
}
