//! Several credentials of one identity are written at the same time.
//!
//! Azure takes one write of a managed identity's credentials at a time and answers `409 Conflict` to the
//! others, so that a deployment fails now and then, with some of the credentials made and some not. A
//! `copy` loop of a template writes its resources at once unless its mode is `serial`, separate resources
//! do unless one depends on the other, and Terraform's azurerm provider puts them in turn from 3.40.0 on.
//!
//! One credential has nobody to collide with. Where a document does not say which version of the
//! provider it is for, nothing is said.
//!
//! # Fails
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! "$schema": https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#
//! contentVersion: 1.0.0.0
//! resources:
//! - type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials
//!   apiVersion: "2024-11-30"
//!   name: id-cart/one
//!   properties: {issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}
//! - type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials
//!   apiVersion: "2024-11-30"
//!   name: id-cart/two
//!   properties: {issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:till", audiences: ["api://AzureADTokenExchange"]}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! "$schema": https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#
//! contentVersion: 1.0.0.0
//! resources:
//! - type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials
//!   apiVersion: "2024-11-30"
//!   name: "[format('id-cart/fc{0}', copyIndex())]"
//!   copy: {name: fcs, count: 3}
//!   properties: {issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.one
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [create], after: {name: one, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! - address: azurerm_federated_identity_credential.two
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [create], after: {name: two, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:till", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! configuration:
//!   provider_config:
//!     azurerm: {name: azurerm, version_constraint: "~> 3.35.0"}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # one depends on the other
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! "$schema": https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#
//! contentVersion: 1.0.0.0
//! resources:
//! - type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials
//!   apiVersion: "2024-11-30"
//!   name: id-cart/one
//!   properties: {issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}
//! - type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials
//!   apiVersion: "2024-11-30"
//!   name: id-cart/two
//!   dependsOn: ["[resourceId('Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials', 'id-cart', 'one')]"]
//!   properties: {issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:till", audiences: ["api://AzureADTokenExchange"]}
//! ```
//!
//! ```yaml
//! # one at a time
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! "$schema": https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#
//! contentVersion: 1.0.0.0
//! resources:
//! - type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials
//!   apiVersion: "2024-11-30"
//!   name: "[format('id-cart/fc{0}', copyIndex())]"
//!   copy: {name: fcs, count: 3, mode: serial, batchSize: 1}
//!   properties: {issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}
//! ```
//!
//! ```yaml
//! # only one
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! "$schema": https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#
//! contentVersion: 1.0.0.0
//! resources:
//! - type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials
//!   apiVersion: "2024-11-30"
//!   name: id-cart/one
//!   properties: {issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}
//! ```
//!
//! ```yaml
//! # a provider that puts them in turn
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.one
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [create], after: {name: one, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! - address: azurerm_federated_identity_credential.two
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [create], after: {name: two, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:till", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! configuration:
//!   provider_config:
//!     azurerm: {name: azurerm, version_constraint: "~> 4.20"}
//! ```
//!
//! ```yaml
//! # a state does not say which version is next
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! format_version: "1.0"
//! terraform_version: 1.9.8
//! values:
//!   root_module:
//!     resources:
//!     - address: azurerm_federated_identity_credential.one
//!       mode: managed
//!       type: azurerm_federated_identity_credential
//!       values: {name: one, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}
//!     - address: azurerm_federated_identity_credential.two
//!       mode: managed
//!       type: azurerm_federated_identity_credential
//!       values: {name: two, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:till", audience: ["api://AzureADTokenExchange"]}
//! ```
//!
//! ```yaml
//! # two deployments, each of one
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.one
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [create], after: {name: one, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! configuration:
//!   provider_config:
//!     azurerm: {name: azurerm, version_constraint: "~> 3.35.0"}
//! ---
//! "$schema": https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#
//! contentVersion: 1.0.0.0
//! resources:
//! - type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials
//!   apiVersion: "2024-11-30"
//!   name: id-cart/two
//!   properties: {issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:till", audiences: ["api://AzureADTokenExchange"]}
//! ```
use crate::declared::{DeclaredCredential, Tool};
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "several credentials of one identity are written at the same time",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Identity(check)],
};

fn check(identity: &Identity, trust: &Trust<'_>) -> Verdict {
    let declared = trust.declared().of_identity(identity);
    let Some(one) = declared.iter().find(|it| collides(it, declared)) else { return Ok(None) };
    let (message, fix) = match &one.tool {
        Tool::Terraform { .. } => (
            format!("{} and others are written at the same time: the provider's version is below 3.40.0", one.address),
            "require version 3.40.0 or later of the azurerm provider",
        ),
        _ => (
            format!("{} and others are written at the same time", one.address),
            "in Bicep, put @batchSize(1) on the loop; in a template, `mode: serial` and `batchSize: 1` on its copy, or dependsOn on each but the first",
        ),
    };
    Ok(Some(
        Finding::new(RULE.severity, "federatedIdentityCredentials", message)
            .with("declaredAs", one.address.as_str())
            .with("credentials", declared.len() as u64)
            .fix(fix),
    ))
}

/// Whether it may be written while another one of its document is. Of a template, all but one
/// have to wait.
fn collides(it: &DeclaredCredential, declared: &[DeclaredCredential]) -> bool {
    let same = |other: &&DeclaredCredential| other.origin.source == it.origin.source && other.tool.is_like(&it.tool);
    match &it.tool {
        Tool::Template { in_turn: true, .. } | Tool::Operator => false,
        Tool::Template { copied: true, .. } => true,
        Tool::Template { .. } => {
            declared.iter().filter(same).filter(|other| !matches!(other.tool, Tool::Template { in_turn: true, .. })).count() > 1
        }
        Tool::Terraform { .. } => it.tool.is_below(3, 40) && declared.iter().filter(same).count() > 1,
    }
}
