//! A credential is declared nowhere, though its identity's others are.
//!
//! An identity of which infrastructure as code declares a credential is looked after by it; one made by
//! hand beside them was reviewed by nobody, stays when the configuration changes, and outlives what it was
//! made for. Whoever may write credentials of an identity is as good as the identity.
//!
//! Only the user can say that all configuration was given (`--assume-complete`): another repository may
//! declare it. The credential that AKS makes for identity bindings is declared nowhere by nature, and an
//! identity of which nothing is declared is looked after in another way.
//!
//! # Fails
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/by-hand, name: by-hand, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:dev:debug", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
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
//! # Passes
//!
//! ```yaml
//! # all are declared
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/till, name: till, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:till", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
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
//!     - address: azurerm_federated_identity_credential.till
//!       mode: managed
//!       type: azurerm_federated_identity_credential
//!       values: {name: till, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:till", audience: ["api://AzureADTokenExchange"]}
//! ```
//!
//! ```yaml
//! # AKS made it, for identity bindings
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/aks-identity-binding, name: aks-identity-binding, issuer: "https://ib.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/33333333-3333-3333-3333-333333333333", subject: "x", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
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
//! # nothing of this identity is declared
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-till, name: id-till, clientId: 44444444-4444-4444-4444-444444444444, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-till/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:till", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! format_version: "1.0"
//! terraform_version: 1.9.8
//! values:
//!   root_module:
//!     resources:
//!     - address: azurerm_federated_identity_credential.till
//!       mode: managed
//!       type: azurerm_federated_identity_credential
//!       values: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-till, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:till", audience: ["api://AzureADTokenExchange"]}
//! ```
//!
//! ```yaml
//! # what one of them is, is known only once it is applied
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/two, name: two, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:till", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.cart
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [no-op], after: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! - address: azurerm_federated_identity_credential.two
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [no-op], after: {user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, audience: ["api://AzureADTokenExchange"]}, after_unknown: {name: true, issuer: true, subject: true}}
//! ```
use crate::prelude::*;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "a credential is declared nowhere, though others of its identity are",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Credential(check)],
};

/// What AKS calls the credential of its identity bindings (AKS, identity bindings concepts).
const OF_BINDINGS: &str = "aks-identity-binding";

fn check(credential: &FederatedIdentityCredential, trust: &Trust<'_>) -> Verdict {
    let Some(identity) = trust.compared(credential)? else { return Ok(None) };
    let declared = trust.declared().of_identity(identity);
    let Some(beside) = declared.iter().find(|it| !it.is_deleted()) else { return Ok(None) };
    if credential.name == OF_BINDINGS || declared.iter().any(|it| it.is(credential)) {
        return Ok(None);
    }
    if !trust.declared().whole {
        return Err(Unknown(Key::Value("whether all infrastructure as code was given".into())));
    }
    let nameless = |it: &&crate::declared::DeclaredCredential| it.name.is_empty();
    if let Some(unclear) = declared.iter().find(nameless).or_else(|| trust.declared().of_nobody().find(|it| !it.is_deleted())) {
        return Err(Unknown(Key::Value(format!("what {} is once it is applied", unclear.address))));
    }
    let message = format!("is declared nowhere, while {} declares another credential of its identity", beside.address);
    Ok(Some(
        Finding::new(RULE.severity, "name", message)
            .with("identity", identity.name.as_str())
            .with("declared", declared.iter().filter(|it| !it.is_deleted()).map(|it| it.address.as_str()).collect::<Vec<_>>())
            .fix("declare it and import it if a workload needs it, or delete it"),
    ))
}
