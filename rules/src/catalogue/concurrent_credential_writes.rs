//! Several credentials of one identity are written at the same time.
//!
//! Azure takes one write of a managed identity's credentials at a time and answers `409 Conflict` to the
//! others, so that a deployment fails now and then, with some of the credentials made and some not. A
//! `copy` loop of a template writes its resources at once unless its mode is `serial`, separate resources and
//! modules are written at once unless one depends on the other, and so are resources of Terraform, whose azurerm
//! provider writes them in turn from 3.40.0 on. Its azapi provider puts none in turn but those
//! that name the same `locks`, and knows nothing of azurerm's.
//!
//! One credential has nobody to collide with, and one that a plan leaves as it is does not count. Where a
//! document does not say which version of the provider it is for, nothing is said; nor is it where one refers
//! to a `local` of Terraform, of which a plan does not tell what it depends on, unless they are instances of one
//! resource, which never wait for each other.
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
//! languageVersion: "2.0"
//! resources:
//!   cart: {type: Microsoft.ManagedIdentity/userAssignedIdentities, apiVersion: "2024-11-30", name: id-cart, location: westeurope}
//!   one:
//!     type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials
//!     apiVersion: "2024-11-30"
//!     name: id-cart/one
//!     dependsOn: [cart]
//!     properties: {issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}
//!   two:
//!     type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials
//!     apiVersion: "2024-11-30"
//!     name: id-cart/two
//!     dependsOn: [cart]
//!     properties: {issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:till", audiences: ["api://AzureADTokenExchange"]}
//! ```
//!
//! ```yaml
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.one
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [create], after: {name: one, parent_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/one", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! - address: azurerm_federated_identity_credential.two
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [create], after: {name: two, parent_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/two", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! configuration:
//!   provider_config:
//!     azurerm: {name: azurerm, version_constraint: "3.31.0"}
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
//! ```yaml
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azapi_resource.one
//!   mode: managed
//!   type: azapi_resource
//!   change: {actions: [create], before: null, after: {type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30, name: one, parent_id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, body: {properties: {issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/one", audiences: ["api://AzureADTokenExchange"]}}, locks: null}, after_unknown: {id: true}}
//! - address: azapi_resource.two
//!   mode: managed
//!   type: azapi_resource
//!   change: {actions: [create], before: null, after: {type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30, name: two, parent_id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, body: {properties: {issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/two", audiences: ["api://AzureADTokenExchange"]}}, locks: null}, after_unknown: {id: true}}
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
//! # one depends on the other, by its symbolic name
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! "$schema": https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#
//! contentVersion: 1.0.0.0
//! languageVersion: "2.0"
//! resources:
//!   cart: {type: Microsoft.ManagedIdentity/userAssignedIdentities, apiVersion: "2024-11-30", name: id-cart, location: westeurope}
//!   one:
//!     type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials
//!     apiVersion: "2024-11-30"
//!     name: id-cart/one
//!     dependsOn: [cart]
//!     properties: {issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}
//!   two:
//!     type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials
//!     apiVersion: "2024-11-30"
//!     name: id-cart/two
//!     dependsOn: [cart, one]
//!     properties: {issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:till", audiences: ["api://AzureADTokenExchange"]}
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
//! # one depends on the other, in Terraform
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.one
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [create], after: {name: one, parent_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! - address: azurerm_federated_identity_credential.two
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [create], after: {name: two, parent_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:till", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! configuration:
//!   provider_config:
//!     azurerm: {name: azurerm, version_constraint: "3.39.0"}
//!   root_module:
//!     resources:
//!     - {address: azurerm_federated_identity_credential.one, mode: managed, type: azurerm_federated_identity_credential, name: one, expressions: {name: {constant_value: one}}}
//!     - {address: azurerm_federated_identity_credential.two, mode: managed, type: azurerm_federated_identity_credential, name: two, expressions: {name: {constant_value: two}}, depends_on: [azurerm_federated_identity_credential.one]}
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
//! # azapi is told what to lock
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azapi_resource.one
//!   mode: managed
//!   type: azapi_resource
//!   change: {actions: [create], before: null, after: {type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30, name: one, parent_id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, body: {properties: {issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/one", audiences: ["api://AzureADTokenExchange"]}}, locks: [/subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart]}, after_unknown: {id: true}}
//! - address: azapi_resource.two
//!   mode: managed
//!   type: azapi_resource
//!   change: {actions: [create], before: null, after: {type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30, name: two, parent_id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, body: {properties: {issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/two", audiences: ["api://AzureADTokenExchange"]}}, locks: [/subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart]}, after_unknown: {id: true}}
//! ```
//!
//! ```yaml
//! # the plan writes only one of them
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.one
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [no-op], after: {name: one, parent_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/one", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! - address: azurerm_federated_identity_credential.two
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [create], after: {name: two, parent_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/two", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! configuration:
//!   provider_config:
//!     azurerm: {name: azurerm, version_constraint: "3.31.0"}
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
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "several credentials of one identity are written at the same time",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Declared(check)],
};

fn check(one: &DeclaredCredential, trust: &Trust<'_>) -> Verdict {
    let declared = trust.declared().of_owner(&one.identity);
    // told once, at the first of them
    let first = |wanted| declared.iter().find(|it| collides(it, declared) == wanted);
    let is_first = |of: Option<&DeclaredCredential>| of.is_some_and(|first| core::ptr::eq(first, one));
    if !is_first(first(Some(true))) {
        let undecided = first(Some(true)).is_none() && is_first(first(None));
        let what = || Unknown(Key::Value(format!("what {} waits for", one.address)));
        return if undecided { Err(what()) } else { Ok(None) };
    }
    let at_once = format!("{} and others are written at the same time", one.address);
    let (message, fix) = match &one.tool {
        Tool::Terraform { .. } if one.tool.is_below(3, 40) => (
            format!("{at_once}: the provider's version is below 3.40.0"),
            "require version 3.40.0 or later of the azurerm provider",
        ),
        Tool::Terraform { .. } => (
            format!("{at_once}: azapi puts none in turn"),
            "set `locks` to the id of the identity on each that azapi writes, or have each depend on the one before",
        ),
        _ => (
            at_once,
            "in Bicep, put @batchSize(1) on the loop; in a template, `mode: serial` and `batchSize: 1` on its copy, or dependsOn on each but the first",
        ),
    };
    let identity = trust.identity_of(one).map_or(one.identity.as_str(), |identity| identity.name.as_str());
    Ok(Some(
        Finding::new(RULE.severity, "federatedIdentityCredentials", message)
            .with("identity", identity)
            .with("credentials", declared.iter().filter(|it| is_written(it)).count() as u64)
            .fix(fix),
    ))
}

/// Whether it may be written while another one of its document is: neither waits for the other. `None` if that
/// hangs on what the document does not tell.
pub(super) fn collides(it: &DeclaredCredential, declared: &[DeclaredCredential]) -> Option<bool> {
    if !is_written(it) {
        return Some(false);
    }
    let at_once: fn(&DeclaredCredential, &DeclaredCredential) -> bool = match &it.tool {
        Tool::Template { in_turn: true, .. } | Tool::Operator => return Some(false),
        Tool::Template { copied: true, .. } => return Some(true),
        Tool::Template { .. } => |_, other| !matches!(other.tool, Tool::Template { in_turn: true, .. }),
        Tool::Terraform { .. } => |it, other| all_at_once(it) || all_at_once(other),
    };
    let beside = |other: &&DeclaredCredential| {
        !core::ptr::eq(*other, it)
            && is_written(other)
            && other.origin.source == it.origin.source
            && other.tool.is_like(&it.tool)
            && at_once(it, other)
    };
    let apart = |other: &DeclaredCredential| match (it.waits_for(other), other.waits_for(it)) {
        (Some(true), _) | (_, Some(true)) => Some(false),
        (Some(false), Some(false)) => Some(true),
        _ => None,
    };
    let mut collides = Some(false);
    for other in declared.iter().filter(beside) {
        match apart(other) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => collides = None,
        }
    }
    collides
}

/// Whether its provider puts it in turn with no other.
fn all_at_once(it: &DeclaredCredential) -> bool {
    it.tool.is_below(3, 40) || matches!(it.tool, Tool::Terraform { at_once: true, .. })
}

fn is_written(it: &DeclaredCredential) -> bool {
    it.is_to_come() && !it.is_deleted()
}
