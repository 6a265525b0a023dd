//! A ServiceAccount asks for its identity in another tenant than the identity's.
//!
//! An SDK asks the tenant in `AZURE_TENANT_ID`: that of the ServiceAccount's annotation, else the
//! cluster's. A managed identity exists in one tenant alone, and any other answers that it knows no such
//! application.
//!
//! App registrations may serve many tenants and are not judged. Nor is a tenant that is given as a
//! domain, or a malformed one, which is for `tenant-id-malformed` to tell. The policy leaves it to the audit,
//! which sees the identities and the cluster.
//!
//! # Fails
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata:
//!   name: cart
//!   namespace: shop
//!   annotations:
//!     azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001
//!     azure.workload.identity/tenant-id: 99999999-9999-9999-9999-999999999999
//! ```
//!
//! ```yaml
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, identity: {type: SystemAssigned, tenantId: 99999999-9999-9999-9999-999999999999}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/99999999-9999-9999-9999-999999999999/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the annotation names the identity's tenant, the cluster is in another
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, identity: {type: SystemAssigned, tenantId: 99999999-9999-9999-9999-999999999999}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/99999999-9999-9999-9999-999999999999/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata:
//!   name: cart
//!   namespace: shop
//!   annotations:
//!     azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001
//!     azure.workload.identity/tenant-id: 11111111-1111-1111-1111-111111111111
//! ```
//!
//! ```yaml
//! # an app registration
//! {appId: 5a1e2c3d-0001-4000-8000-000000000001, displayName: cart, id: 7a1e2c3d-0001-4000-8000-000000000001}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata:
//!   name: cart
//!   namespace: shop
//!   annotations:
//!     azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001
//!     azure.workload.identity/tenant-id: 99999999-9999-9999-9999-999999999999
//! ```
//!
//! ```yaml
//! # a domain
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata:
//!   name: cart
//!   namespace: shop
//!   annotations:
//!     azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001
//!     azure.workload.identity/tenant-id: contoso.onmicrosoft.com
//! ```
//!
//! ```yaml
//! # the client id is none
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata:
//!   name: cart
//!   namespace: shop
//!   annotations:
//!     azure.workload.identity/client-id: cart
//!     azure.workload.identity/tenant-id: 99999999-9999-9999-9999-999999999999
//! ```
//!
//! ```yaml
//! # the cluster's tenant is not known
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/99999999-9999-9999-9999-999999999999/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/cart, name: cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ```
use crate::model::is_guid;
use crate::near::annotate;
use crate::prelude::*;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "a ServiceAccount asks for its identity in another tenant than the identity's",
    severity: Severity::High,
    confidence: Confidence::High,
    aadsts: &["700016", "90002"],
    frameworks: &[],
    yields_to: &["AWI204"],
    since: "0.1.0",
    checks: &[Check::ServiceAccount(check)],
};

fn check(account: &ServiceAccount, trust: &Trust<'_>) -> Verdict {
    let Some(client_id) = account.client_id().filter(|id| is_guid(id.as_str())) else { return Ok(None) };
    let annotated = account.annotations.get(annotation::TENANT_ID);
    if annotated.is_some_and(|tenant| !is_guid(tenant)) {
        return Ok(None);
    }
    let Some(identity) = trust.identity(&client_id).known()?.filter(|identity| is_guid(&identity.tenant_id)) else {
        return Ok(None);
    };
    let cluster = || trust.cluster(account.cluster).map(|cluster| cluster.tenant_id.as_str());
    let tenant = annotated.or_else(cluster).filter(|tenant| !tenant.is_empty());
    let Some(tenant) = tenant else { return Err(Unknown(Key::Description(account.cluster))) };
    if tenant.eq_ignore_ascii_case(&identity.tenant_id) {
        return Ok(None);
    }
    let whose = if annotated.is_some() { "its annotation names" } else { "the cluster is in" };
    let message = format!(
        "identity `{}` is in tenant `{}`, but {whose} tenant `{tenant}`",
        identity.name, identity.tenant_id
    );
    let field = format!("metadata.annotations[{}]", annotation::TENANT_ID);
    let fix = annotate(&account.namespace, &account.name, annotation::TENANT_ID, &identity.tenant_id);
    Ok(Some(
        Finding::new(RULE.severity, field, message)
            .with("asked", tenant)
            .with("tenantId", identity.tenant_id.as_str())
            .fix(fix),
    ))
}
