//! Terraform's configuration sets attributes of credentials that its provider drops, or keeps to one too old.
//!
//! From azurerm 4.65.0 on, `user_assigned_identity_id` takes the place of `parent_id`, and
//! `resource_group_name` is read from it; 5.0 knows neither of the old ones, and its plans fail.
//!
//! Versions before 3.40.0 write all credentials of an identity at once, and Azure refuses all but one. With one
//! credential the finding is medium, and a warning of the next; where there are several,
//! `concurrent-credential-writes` tells instead. A constraint that lets in a later version too is left alone.
//!
//! Versions before 4.65.0 know only the old names. Where the document does not say which version it is
//! for, as no state does, nothing is said.
//!
//! # Fails
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.cart
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [create], after: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! configuration:
//!   provider_config:
//!     azurerm: {name: azurerm, version_constraint: "~> 5.0"}
//!   root_module:
//!     resources:
//!     - {address: azurerm_federated_identity_credential.cart, mode: managed, type: azurerm_federated_identity_credential, name: cart, expressions: {name: {}, parent_id: {}, resource_group_name: {}, issuer: {}, subject: {}, audience: {}}}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.cart
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [create], after: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! configuration:
//!   provider_config:
//!     azurerm: {name: azurerm, version_constraint: ">= 4.65.0, < 5.0.0"}
//!   root_module:
//!     resources:
//!     - {address: azurerm_federated_identity_credential.cart, mode: managed, type: azurerm_federated_identity_credential, name: cart, expressions: {name: {}, parent_id: {}, resource_group_name: {}, issuer: {}, subject: {}, audience: {}}}
//! ```
//!
//! ```yaml
//! # before credentials were written one after the other
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.cart
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [create], after: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! configuration:
//!   provider_config:
//!     azurerm: {name: azurerm, version_constraint: "~> 3.39.0"}
//!   root_module:
//!     resources:
//!     - {address: azurerm_federated_identity_credential.cart, mode: managed, type: azurerm_federated_identity_credential, name: cart, expressions: {name: {}, parent_id: {}, resource_group_name: {}, issuer: {}, subject: {}, audience: {}}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the new name
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.cart
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [create], after: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! configuration:
//!   provider_config:
//!     azurerm: {name: azurerm, version_constraint: "~> 5.0"}
//!   root_module:
//!     resources:
//!     - {address: azurerm_federated_identity_credential.cart, mode: managed, type: azurerm_federated_identity_credential, name: cart, expressions: {name: {}, user_assigned_identity_id: {}, issuer: {}, subject: {}, audience: {}}}
//! ```
//!
//! ```yaml
//! # a version that has only the old ones
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.cart
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [create], after: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! configuration:
//!   provider_config:
//!     azurerm: {name: azurerm, version_constraint: "~> 4.20.0"}
//!   root_module:
//!     resources:
//!     - {address: azurerm_federated_identity_credential.cart, mode: managed, type: azurerm_federated_identity_credential, name: cart, expressions: {name: {}, parent_id: {}, resource_group_name: {}, issuer: {}, subject: {}, audience: {}}}
//! ```
//!
//! ```yaml
//! # a constraint that lets in later versions
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.cart
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [create], after: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! configuration:
//!   provider_config:
//!     azurerm: {name: azurerm, version_constraint: "~> 3.31"}
//!   root_module:
//!     resources:
//!     - {address: azurerm_federated_identity_credential.cart, mode: managed, type: azurerm_federated_identity_credential, name: cart, expressions: {name: {}, parent_id: {}, resource_group_name: {}, issuer: {}, subject: {}, audience: {}}}
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
//!     - address: azurerm_federated_identity_credential.cart
//!       mode: managed
//!       type: azurerm_federated_identity_credential
//!       values: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}
//! ```
use super::concurrent_credential_writes::collides;
use crate::declared::{DeclaredCredential, Tool};
use crate::prelude::*;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "a configuration of Terraform sets attributes that its provider drops, or keeps to one too old",
    severity: Severity::Low,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Identity(check), Check::Declared(alone)],
};

/// What azurerm 5.0 takes away (azurerm, 5.0 upgrade guide).
const OLD: [&str; 2] = ["parent_id", "resource_group_name"];

fn check(identity: &Identity, trust: &Trust<'_>) -> Verdict {
    among(trust.declared().of_identity(identity))
}

/// Of a credential of which it is known only later whose it is.
fn alone(declared: &DeclaredCredential, _: &Trust<'_>) -> Verdict {
    if declared.identity.is_empty() { among(core::slice::from_ref(declared)) } else { Ok(None) }
}

/// Told once, at the first of an identity's.
fn among(declared: &[DeclaredCredential]) -> Verdict {
    let Some((one, attribute)) = declared.iter().find_map(|it| Some((it, old(it)?))) else {
        let Some(old) = declared.iter().find(|it| it.tool.is_below(3, 40)) else { return Ok(None) };
        let all = || declared.iter().map(|it| collides(it, declared));
        if all().any(|it| it == Some(true)) {
            return Ok(None);
        }
        if all().any(|it| it.is_none()) {
            return Err(Unknown(Key::Value(format!("what {} waits for", old.address))));
        }
        return Ok(Some(too_old(old)));
    };
    let gone = one.tool.is_at_least(5, 0);
    let (severity, what) = if gone { (Severity::High, "does not know") } else { (RULE.severity, "is about to drop") };
    let message = format!("{} sets `{attribute}`, which its version of the provider {what}", one.address);
    Ok(Some(
        Finding::new(severity, "federatedIdentityCredentials", message)
            .at(Some(one.origin))
            .with("declaredAs", one.address.as_str())
            .with("attribute", attribute)
            .fix("set user_assigned_identity_id to the id of the identity, and take out parent_id and resource_group_name"),
    ))
}

/// An attribute that the version of its provider drops.
fn old(it: &DeclaredCredential) -> Option<&'static str> {
    let Tool::Terraform { written, .. } = &it.tool else { return None };
    let applies = !it.is_deleted() && it.tool.is_at_least(4, 65);
    OLD.into_iter().find(|name| applies && written.iter().any(|own| own == name))
}

/// Of a credential that a provider writes which does not wait for others (azurerm, changelog of 3.40.0).
fn too_old(it: &DeclaredCredential) -> Finding {
    let message =
        format!("{} is held to a provider below 3.40.0, which writes credentials of an identity all at once", it.address);
    Finding::new(Severity::Medium, "federatedIdentityCredentials", message)
        .at(Some(it.origin))
        .with("declaredAs", it.address.as_str())
        .fix("require version 3.40.0 or later of the azurerm provider")
}
