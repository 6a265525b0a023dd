//! What is about to be applied takes from workloads the credential they get their tokens by.
//!
//! The credential is in Azure and right, and workloads get their tokens by it. A Terraform plan deletes it, or
//! changes its issuer, subject or audience, and then no credential of the identity trusts them; or it deletes or
//! replaces the identity, whose client id goes with it. From the apply on Entra refuses every token, and those too that
//! the driver of SecretProviderClasses or External Secrets presents for it. A template of
//! Azure Resource Manager that says otherwise than what is there does the same once it is deployed; whether it ever
//! is, it does not say, so that this is of medium severity.
//!
//! A template of another file that declares what a plan deletes keeps nothing: it says of no day that it is deployed,
//! and from the apply until then Entra refuses, as it does until an operator of Kubernetes makes its credential anew. The
//! finding is as grave, and names what else declares it: who hands a credential over to that has Terraform forget it.
//!
//! What is applied together counts together: a credential of another name that trusts the same workloads makes
//! up for one that goes, and workloads whose cluster is deleted with it lose nothing. A credential whose ServiceAccount does not exist, or that is a pipeline's, is no workload's
//! loss; nor is it that of what has ended, and of low severity where no pod of any of them is made until somebody
//! scales it up or resumes it. What is known only once it is applied, a ServiceAccount of which no workload is seen to ask for the
//! identity, and an identity whose credentials were not all read accuse nobody. What a state, Azure Service Operator
//! or Crossplane declares otherwise than it is there is `declared-credential-differs`.
//!
//! # Fails
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.cart
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [delete], before: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after: null, after_unknown: {}}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.cart
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [update], before: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_user_assigned_identity.cart
//!   mode: managed
//!   type: azurerm_user_assigned_identity
//!   change: {actions: [delete, create], before: {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, client_id: 33333333-3333-3333-3333-333333333333, resource_group_name: rg, location: westeurope}, after: {name: id-cart, resource_group_name: rg, location: northeurope}, after_unknown: {id: true, client_id: true}}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
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
//! # what changes is nothing that tokens meet
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.cart
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [update], before: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! ```
//!
//! ```yaml
//! # another one takes its place
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.cart
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [delete], before: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after: null, after_unknown: {}}
//! - address: azurerm_federated_identity_credential.new
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [create], before: null, after: {name: new, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! ```
//!
//! ```yaml
//! # its ServiceAccount does not exist
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: till, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: till, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: till}}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.cart
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [delete], before: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after: null, after_unknown: {}}
//! ```
//!
//! ```yaml
//! # nobody is seen to use it
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.cart
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [delete], before: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after: null, after_unknown: {}}
//! ```
//!
//! ```yaml
//! # a pipeline's is no workload's
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/cart:ref:refs/heads/main", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.cart
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [delete], before: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/cart:ref:refs/heads/main", audience: ["api://AzureADTokenExchange"]}, after: null, after_unknown: {}}
//! ```
//!
//! ```yaml
//! # what it will be is known only once it is applied
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.cart
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [update], before: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after_unknown: {issuer: true}}
//! ```
//!
//! ```yaml
//! # Terraform forgets it and leaves it as it is
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.cart
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [forget], before: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after: null, after_unknown: {}}
//! ```
//!
//! ```yaml
//! # a state is not applied
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ---
//! format_version: "1.0"
//! terraform_version: 1.9.8
//! values:
//!   root_module:
//!     resources:
//!     - address: azurerm_federated_identity_credential.cart
//!       mode: managed
//!       type: azurerm_federated_identity_credential
//!       values: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}
//! ```
//!
//! ```yaml
//! # a template says what is there
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ---
//! "$schema": https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#
//! contentVersion: 1.0.0.0
//! resources:
//! - type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials
//!   apiVersion: "2024-11-30"
//!   name: id-cart/fc
//!   properties: {issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}
//! ```
use crate::after::After;
use crate::declared::{Coming, DeclaredCredential, Tool};
use crate::exchange::{client_ids, expression_of, presented};
use crate::model::{DEFAULT_AUDIENCE, Life};
use crate::near::{self, Token};
use crate::on_behalf;
use crate::prelude::*;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "what is about to be applied takes from workloads the credential they get their tokens by",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &["700016", "70021", "700211", "700212", "700213", "7002138", "70025"],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Declared(check)],
};

/// What Entra answers to a client id that no identity has.
const UNKNOWN_CLIENT: &str = "AADSTS700016";
/// Workloads that a message names.
const NAMED: usize = 3;

fn check(declared: &DeclaredCredential, trust: &Trust<'_>) -> Verdict {
    let changes = declared.is_deleted() || declared.planned().is_some() || !declared.is_known();
    if declared.coming == Coming::Made || !changes {
        return Ok(None);
    }
    let Some(identity) = trust.identity_of(declared) else { return Err(Unknown(Key::Parent(declared.address.clone()))) };
    // Of one that is declared alone, nothing is there yet, unless a credential of it was read.
    if identity.declared.is_some() && trust.credentials_seen(identity).iter().all(|it| it.declared.is_some()) {
        return Ok(None);
    }
    let after = After { declared, identity, live: trust.credentials(identity)?, trust };
    let Some(now) = after.live.iter().find(|it| it.declared.is_none() && declared.touches(it)) else { return Ok(None) };
    if is_leaving(declared, now, trust) {
        return Ok(None);
    }
    let mut unknown = None;
    for account in accounts(now, identity, trust)? {
        match users(&after, now, account) {
            Ok(users) if users.names.is_empty() => {}
            Ok(users) => return Ok(Some(loss(&after, now, account, users))),
            Err(key) => unknown = unknown.or(Some(key)),
        }
    }
    // of a flexible one, those that are not seen may be let in too
    let unread = || trust.unread_accounts().filter(|_| now.subject.is_none());
    unknown.or_else(unread).map_or(Ok(None), Err)
}

/// Whether the cluster whose workloads a credential trusts is deleted by the same document.
fn is_leaving(declared: &DeclaredCredential, now: &FederatedIdentityCredential, trust: &Trust<'_>) -> bool {
    let id = trust.cluster_of(&now.issuer).map_or("", |(_, cluster)| cluster.id.as_str());
    let is_it = |it: &Cluster| {
        it.issuer.as_ref() == Some(&now.issuer) || (!id.is_empty() && it.id.eq_ignore_ascii_case(id))
    };
    trust.declared().leaving.iter().any(|it| it.origin.source == declared.origin.source && is_it(it))
}

/// The ServiceAccounts that a credential trusts or may trust.
fn accounts<'a>(
    now: &FederatedIdentityCredential,
    identity: &Identity,
    trust: &Trust<'a>,
) -> Result<Vec<&'a ServiceAccount>, Unknown> {
    let named = now.subject.as_ref().map(Subject::service_account);
    if named == Some(None) {
        return Ok(Vec::new());
    }
    let Some((cluster, _)) = trust.cluster_of(&now.issuer) else {
        return if trust.knows_all_clusters() { Ok(Vec::new()) } else { Err(Unknown(Key::Clusters(now.issuer.clone()))) };
    };
    match named.flatten() {
        Some((namespace, name)) => {
            Ok(trust.service_account_named(cluster, namespace, name).known()?.into_iter().collect())
        }
        None => {
            let naming = trust.accounts_naming(&identity.client_id).iter().copied();
            Ok(naming.filter(|account| account.cluster == cluster).collect())
        }
    }
}

/// Who gets tokens as a ServiceAccount.
struct Users {
    names: Vec<String>,
    /// Whether no pod of any of them is made now.
    are_dormant: bool,
}

/// Who gets tokens as a ServiceAccount that the credential lets in now, and nothing will: workloads, and what
/// has a driver or an operator ask for it.
fn users(
    after: &After<'_, '_>,
    now: &FederatedIdentityCredential,
    account: &ServiceAccount,
) -> Result<Users, Unknown> {
    let subject = account.subject();
    let nobody = || Users { names: Vec::new(), are_dormant: false };
    match now.admits(&subject) {
        Some(true) => {}
        Some(false) => return Ok(nobody()),
        None => return Err(expression_of(now)),
    }
    let token = |audience: &Audience| Token {
        issuer: now.issuer.clone(),
        subject: subject.clone(),
        audience: audience.clone(),
    };
    let mut lost = Vec::new();
    for audience in &now.audiences {
        if !after.trusts(&token(audience))? {
            lost.push(audience);
        }
    }
    if lost.is_empty() {
        return Ok(nobody());
    }
    let mut users = Vec::new();
    let all = after.trust.workloads_of(account.cluster, &account.namespace, &account.name);
    for workload in all.iter().filter(|workload| !workload.has_ended()) {
        let Some(presented) = presented(workload, after.trust)? else { continue };
        let mut kept = false;
        for audience in &presented.audiences {
            kept |= after.trusts(&token(audience))?;
        }
        let client_ids = client_ids(workload, after.trust);
        let asks = |id: &Result<Option<ClientId>, Unknown>| {
            matches!(id, Ok(Some(id)) if id.folded() == after.identity.client_id.folded())
        };
        if !kept && presented.audiences.iter().any(|it| lost.contains(&it)) && client_ids.iter().any(asks) {
            users.push(*workload);
        }
    }
    let mut are_dormant = users.iter().all(|it| after.trust.life(it) == Life::Dormant);
    let mut users = names(&users);
    if lost.iter().any(|audience| audience.as_str() == DEFAULT_AUDIENCE) {
        let others = on_behalf::of(after.identity, account, after.trust);
        are_dormant &= others.is_empty();
        users.extend(others);
        users.sort_unstable();
        users.dedup();
    }
    if users.is_empty() {
        let what = format!("who gets tokens as ServiceAccount `{}/{}`", account.namespace, account.name);
        return Err(Unknown(Key::Value(what)));
    }
    Ok(Users { names: users, are_dormant })
}

fn loss(after: &After<'_, '_>, now: &FederatedIdentityCredential, account: &ServiceAccount, users: Users) -> Finding {
    let Users { names, are_dormant } = users;
    let After { declared, identity, .. } = after;
    let subject = account.subject();
    let audience = now.audiences.first().cloned().unwrap_or_else(|| DEFAULT_AUDIENCE.into());
    let token = Token { issuer: now.issuer.clone(), subject, audience };
    let template = matches!(declared.tool, Tool::Template { .. });
    let (severity, tense) = if template { (Severity::Medium, "would") } else { (RULE.severity, "will") };
    let severity = if are_dormant { Severity::Low } else { severity };
    let with_identity = declared.coming == Coming::DeletedWithIdentity;
    let difference = declared.difference(now).filter(|_| !declared.is_deleted());
    let what = match &difference {
        Some((field, written, is)) => format!("`{field}` {tense} change from `{is}` to `{written}`"),
        None if with_identity => format!("{tense} be deleted with its identity"),
        None => format!("{tense} be deleted"),
    };
    // then nobody has the client id that is asked for
    let code = if with_identity { Some(UNKNOWN_CLIENT) } else { after.credentials().map(|all| near::aadsts(&token, &all)) };
    let answer = code.map_or_else(String::new, |code| format!(" with {code}"));
    let other = after.elsewhere(&token).filter(|_| !with_identity);
    let again = other.map_or_else(String::new, again);
    let message = format!(
        "{what}; after that no credential of identity `{}` trusts `{}`, and Entra {tense} refuse {}{answer}{again}",
        identity.name,
        token.subject,
        listed(&names),
    );
    let address = &declared.address;
    let fix = match &difference {
        Some((field, _, is)) => format!("at {address} leave {field} at `{is}`; if the change is meant, have the workloads follow it first"),
        None if with_identity => format!("keep {address} until no workload needs it; one that replaces it has another client id, which the ServiceAccounts have to name"),
        None => match other {
            Some(other) => format!("if {} is to keep it, have Terraform forget {address} instead: a `removed` block with `destroy = false`, or `terraform state rm`; else keep {address} until no workload needs it", other.address),
            None => format!("keep {address} until no workload needs it, or declare another credential for `{}` with the same apply", token.subject),
        },
    };
    let (field, declared, actual) = difference.unwrap_or(("name", String::new(), String::new()));
    let finding = Finding::new(severity, field, message)
        .with("identity", identity.name.as_str())
        .with("credential", now.name.as_str())
        .with("issuer", token.issuer.as_str())
        .with("subject", token.subject.as_str())
        .with("workloads", names)
        .with("aadsts", code)
        .fix(fix);
    let finding = match other {
        Some(other) => finding.with("elsewhere", other.address.as_str()),
        None => finding,
    };
    if declared.is_empty() { finding } else { finding.with("declared", declared).with("actual", actual) }
}

/// In words, what else declares the credential, and what comes of that.
fn again(other: &DeclaredCredential) -> String {
    let when = if other.tool == Tool::Operator { "some time after" } else { "when it is deployed, not before" };
    format!("; {} declares it too, and brings it back {when}", other.address)
}

/// The workloads by kind and name: those that nothing else made, if they were seen.
fn names(workloads: &[&Workload]) -> Vec<String> {
    let made = |workload: &&&Workload| workload.controller.is_none();
    let name = |it: &&Workload| format!("{} {}/{}", it.kind.kind, it.namespace, it.name);
    let mut names: Vec<String> = workloads.iter().filter(made).map(name).collect();
    if names.is_empty() {
        names = workloads.iter().map(name).collect();
    }
    names.sort_unstable();
    names.dedup();
    names
}

fn listed(names: &[String]) -> String {
    let said = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => said,
        more => format!("{said} and {more} more"),
    }
}
