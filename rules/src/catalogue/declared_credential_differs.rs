//! A credential in Azure is not what infrastructure as code declares.
//!
//! Issuer, subject or audience were changed by hand, or the configuration was changed and not applied.
//! Until somebody applies it, Azure trusts the one; afterwards, the other. Whatever works today may then
//! stop, and whoever reads the configuration reads something else than what is trusted.
//!
//! A change that a plan announces is no drift: it is about to be applied. Values that are known only
//! once they are applied are not compared, and neither are credentials whose identity no source tells.
//!
//! # Fails
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:till", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! format_version: "1.0"
//! terraform_version: 1.9.8
//! values:
//!   root_module:
//!     resources:
//!     - address: azurerm_federated_identity_credential.cart
//!       mode: managed
//!       type: azurerm_federated_identity_credential
//!       values: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! "$schema": https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#
//! contentVersion: 1.0.0.0
//! resources:
//! - type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials
//!   apiVersion: "2024-11-30"
//!   name: id-cart/fc
//!   properties: {issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:basket", audiences: ["api://AzureADTokenExchange"]}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # both are alike
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! format_version: "1.0"
//! terraform_version: 1.9.8
//! values:
//!   root_module:
//!     resources:
//!     - address: azurerm_federated_identity_credential.cart
//!       mode: managed
//!       type: azurerm_federated_identity_credential
//!       values: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}
//! ```
//!
//! ```yaml
//! # a plan announces the change
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.cart
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [update], after: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:basket", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! ```
//!
//! ```yaml
//! # the issuer is known only once it is applied
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.cart
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [no-op], after: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after_unknown: {issuer: true}}
//! ```
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "a credential in Azure is not what infrastructure as code declares",
    severity: Severity::Medium,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &["70021", "700211", "700212", "700213"],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Credential(check)],
};

fn check(credential: &FederatedIdentityCredential, trust: &Trust<'_>) -> Verdict {
    let Some(identity) = trust.compared(credential)? else { return Ok(None) };
    let declared = trust.declared().of_identity(identity).iter().filter(|it| !it.is_pending() && it.is(credential));
    let Some((declared, (field, written, is))) =
        declared.filter_map(|it| Some((it, it.difference(credential)?))).next()
    else {
        return Ok(None);
    };
    let message = format!("`{field}` is `{is}` in Azure and `{written}` in {}", declared.address);
    Ok(Some(
        Finding::new(RULE.severity, field, message)
            .with("declaredAs", declared.address.as_str())
            .with("declared", written.as_str())
            .with("actual", is.as_str())
            .fix(format!("if `{written}` is right, apply the configuration; if not, correct it at {}", declared.address)),
    ))
}
