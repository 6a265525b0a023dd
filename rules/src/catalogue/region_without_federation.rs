//! A managed identity that pods are to use is in a region where it can have no federated credential.
//!
//! Azure Resource Manager answers 405 to every attempt to add one. It is the region of the identity that
//! counts, not that of the cluster: an identity elsewhere serves just as well.
//!
//! Judged are identities that a ServiceAccount names, or for which a credential is declared, and that have none yet;
//! one that has some has shown that it can. The regions are a parameter, `regionsWithoutFederation`, since their list
//! changes.
//!
//! # Fails
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, location: malaysiasouth, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-till, name: id-till, location: westeurope, clientId: 44444444-4444-4444-4444-444444444444, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-till/federatedIdentityCredentials/prod, name: prod, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:till", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, location: "New Zealand North", clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-till, name: id-till, location: westeurope, clientId: 44444444-4444-4444-4444-444444444444, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-till/federatedIdentityCredentials/prod, name: prod, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:till", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ```
//!
//! ```yaml
//! # a template makes both
//! $schema: https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#
//! contentVersion: 1.0.0.0
//! resources:
//! - {type: Microsoft.ManagedIdentity/userAssignedIdentities, apiVersion: "2024-11-30", name: id-cart, location: malaysiasouth}
//! - type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials
//!   apiVersion: "2024-11-30"
//!   name: id-cart/prod
//!   properties: {issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the declared one is there already
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, location: malaysiasouth, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/prod, name: prod, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! $schema: https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#
//! contentVersion: 1.0.0.0
//! resources:
//! - type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials
//!   apiVersion: "2024-11-30"
//!   name: id-cart/prod
//!   properties: {issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}
//! ```
//!
//! ```yaml
//! # another region
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, location: westeurope, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ```
//!
//! ```yaml
//! # no ServiceAccount names it
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, location: malaysiasouth, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ```
//!
//! ```yaml
//! # it has a credential
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, location: malaysiasouth, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/prod, name: prod, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ```
//!
//! ```yaml
//! # the region is not known
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ```
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "a managed identity's region knows no federated credentials",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    breaks: Breaks::Modelled,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Identity(check)],
};

fn check(identity: &Identity, trust: &Trust<'_>) -> Verdict {
    let region = folded(&identity.location);
    let without = |known: &String| !region.is_empty() && folded(known) == region;
    let has_one = || trust.credentials_seen(identity).iter().any(|credential| credential.declared.is_none());
    if !trust.parameters().regions_without_federation.iter().any(without) || has_one() {
        return Ok(None);
    }
    if identity.declared.is_none() {
        trust.credentials(identity)?;
    }
    let declared = || trust.declared().of_identity(identity).iter().find(|it| !it.is_deleted());
    let who = match trust.accounts_naming(&identity.client_id).first() {
        Some(account) => format!("ServiceAccount `{}/{}` names this identity", account.namespace, account.name),
        None => match declared() {
            Some(it) => format!("{} is to be a credential of this identity", it.address),
            None => return trust.unread_accounts().map_or(Ok(None), Err),
        },
    };
    let message = format!("{who}, but in region `{}` no identity can have a federated credential", identity.location);
    Ok(Some(
        Finding::new(RULE.severity, "location", message)
            .with("location", identity.location.as_str())
            .fix("create the identity in another region, give it the same roles, and name its client id on the ServiceAccount"),
    ))
}

/// A region by name or display name: `New Zealand North` is `newzealandnorth`.
fn folded(region: &str) -> String {
    region.chars().filter(|letter| !letter.is_whitespace()).map(|letter| letter.to_ascii_lowercase()).collect()
}
