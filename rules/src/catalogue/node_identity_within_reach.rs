//! Any pod can become the identity of its node.
//!
//! The metadata service of a node hands the kubelet's identity to whoever asks on that node. On AKS pods
//! reach it unless the cluster restricts it, and then every role of that identity is every pod's, beside
//! whatever workload identity grants it.
//!
//! Rights to pull images, which a node needs, are not counted. A cluster with Windows nodes cannot be
//! restricted. Nor can one with an add-on that needs the service itself (Application Gateway ingress,
//! Container Insights, virtual nodes, Azure Policy): of such it is said at low severity, and what is left is
//! to take the roles away. A description that does not say whether access is restricted leaves it unknown:
//! only preview versions of AKS's API do (`networkProfile.podLinkLocalAccess`, and the same of a node pool),
//! which a live scan asks for and `az aks show` with the extension `aks-preview` prints. Clusters other than
//! AKS have no such switch.
//!
//! # Fails
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true}, securityProfile: {workloadIdentity: {enabled: true}}, networkProfile: {podLinkLocalAccess: IMDS}, identityProfile: {kubeletidentity: {clientId: 33333333-3333-3333-3333-333333333333, objectId: 55555555-5555-5555-5555-555555555555}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/MC_rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/prod-agentpool, name: prod-agentpool, clientId: 33333333-3333-3333-3333-333333333333, principalId: 55555555-5555-5555-5555-555555555555, resourceGroup: MC_rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Authorization/roleAssignments/r, principalId: 55555555-5555-5555-5555-555555555555, principalType: ServicePrincipal, roleDefinitionId: /subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/ba92f5b4-2d11-453d-a403-e96b0029c9fe, scope: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/carts, type: Microsoft.Authorization/roleAssignments}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true}, securityProfile: {workloadIdentity: {enabled: true}}, addonProfiles: {azurepolicy: {enabled: true}}, networkProfile: {podLinkLocalAccess: IMDS}, identityProfile: {kubeletidentity: {clientId: 33333333-3333-3333-3333-333333333333, objectId: 55555555-5555-5555-5555-555555555555}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/MC_rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/prod-agentpool, name: prod-agentpool, clientId: 33333333-3333-3333-3333-333333333333, principalId: 55555555-5555-5555-5555-555555555555, resourceGroup: MC_rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Authorization/roleAssignments/r, principalId: 55555555-5555-5555-5555-555555555555, principalType: ServicePrincipal, roleDefinitionId: /subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/ba92f5b4-2d11-453d-a403-e96b0029c9fe, scope: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/carts, type: Microsoft.Authorization/roleAssignments}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true}, securityProfile: {workloadIdentity: {enabled: true}}, agentPoolProfiles: [{name: a, osType: Linux}, {name: b, osType: Linux, networkProfile: {podLinkLocalAccess: IMDS}}], networkProfile: {podLinkLocalAccess: None}, identityProfile: {kubeletidentity: {clientId: 33333333-3333-3333-3333-333333333333, objectId: 55555555-5555-5555-5555-555555555555}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/MC_rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/prod-agentpool, name: prod-agentpool, clientId: 33333333-3333-3333-3333-333333333333, principalId: 55555555-5555-5555-5555-555555555555, resourceGroup: MC_rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Authorization/roleAssignments/r, principalId: 55555555-5555-5555-5555-555555555555, principalType: ServicePrincipal, roleDefinitionId: /subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/ba92f5b4-2d11-453d-a403-e96b0029c9fe, scope: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/carts, type: Microsoft.Authorization/roleAssignments}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # every node pool is kept from it
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true}, securityProfile: {workloadIdentity: {enabled: true}}, agentPoolProfiles: [{name: a, osType: Linux, networkProfile: {podLinkLocalAccess: None}}], networkProfile: {podLinkLocalAccess: IMDS}, identityProfile: {kubeletidentity: {clientId: 33333333-3333-3333-3333-333333333333, objectId: 55555555-5555-5555-5555-555555555555}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/MC_rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/prod-agentpool, name: prod-agentpool, clientId: 33333333-3333-3333-3333-333333333333, principalId: 55555555-5555-5555-5555-555555555555, resourceGroup: MC_rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Authorization/roleAssignments/r, principalId: 55555555-5555-5555-5555-555555555555, principalType: ServicePrincipal, roleDefinitionId: /subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/ba92f5b4-2d11-453d-a403-e96b0029c9fe, scope: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/carts, type: Microsoft.Authorization/roleAssignments}
//! ```
//!
//! ```yaml
//! # pods are kept from the metadata service
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true}, securityProfile: {workloadIdentity: {enabled: true}}, networkProfile: {podLinkLocalAccess: None}, identityProfile: {kubeletidentity: {clientId: 33333333-3333-3333-3333-333333333333, objectId: 55555555-5555-5555-5555-555555555555}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/MC_rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/prod-agentpool, name: prod-agentpool, clientId: 33333333-3333-3333-3333-333333333333, principalId: 55555555-5555-5555-5555-555555555555, resourceGroup: MC_rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Authorization/roleAssignments/r, principalId: 55555555-5555-5555-5555-555555555555, principalType: ServicePrincipal, roleDefinitionId: /subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/ba92f5b4-2d11-453d-a403-e96b0029c9fe, scope: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/carts, type: Microsoft.Authorization/roleAssignments}
//! ```
//!
//! ```yaml
//! # the right to pull images
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true}, securityProfile: {workloadIdentity: {enabled: true}}, networkProfile: {podLinkLocalAccess: IMDS}, identityProfile: {kubeletidentity: {clientId: 33333333-3333-3333-3333-333333333333, objectId: 55555555-5555-5555-5555-555555555555}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/MC_rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/prod-agentpool, name: prod-agentpool, clientId: 33333333-3333-3333-3333-333333333333, principalId: 55555555-5555-5555-5555-555555555555, resourceGroup: MC_rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Authorization/roleAssignments/r, principalId: 55555555-5555-5555-5555-555555555555, principalType: ServicePrincipal, roleDefinitionId: /subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/7f951dda-4ed3-4680-a7ca-43fe172d538d, scope: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/shop, type: Microsoft.Authorization/roleAssignments}
//! ```
//!
//! ```yaml
//! # Windows nodes
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true}, securityProfile: {workloadIdentity: {enabled: true}}, agentPoolProfiles: [{name: win, osType: Windows}], networkProfile: {podLinkLocalAccess: IMDS}, identityProfile: {kubeletidentity: {clientId: 33333333-3333-3333-3333-333333333333, objectId: 55555555-5555-5555-5555-555555555555}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/MC_rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/prod-agentpool, name: prod-agentpool, clientId: 33333333-3333-3333-3333-333333333333, principalId: 55555555-5555-5555-5555-555555555555, resourceGroup: MC_rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Authorization/roleAssignments/r, principalId: 55555555-5555-5555-5555-555555555555, principalType: ServicePrincipal, roleDefinitionId: /subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/ba92f5b4-2d11-453d-a403-e96b0029c9fe, scope: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/carts, type: Microsoft.Authorization/roleAssignments}
//! ```
//!
//! ```yaml
//! # the description does not say
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true}, securityProfile: {workloadIdentity: {enabled: true}}, identityProfile: {kubeletidentity: {clientId: 33333333-3333-3333-3333-333333333333, objectId: 55555555-5555-5555-5555-555555555555}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/MC_rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/prod-agentpool, name: prod-agentpool, clientId: 33333333-3333-3333-3333-333333333333, principalId: 55555555-5555-5555-5555-555555555555, resourceGroup: MC_rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Authorization/roleAssignments/r, principalId: 55555555-5555-5555-5555-555555555555, principalType: ServicePrincipal, roleDefinitionId: /subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/ba92f5b4-2d11-453d-a403-e96b0029c9fe, scope: /subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/carts, type: Microsoft.Authorization/roleAssignments}
//! ```
use crate::model::{Platform, RoleAssignment};
use crate::prelude::*;
use crate::repair::shell;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "any pod can become the identity of its node, which has roles",
    severity: Severity::Medium,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &["MCSB PA-7", "NIST 800-53 AC-6"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Cluster(check)],
};

/// Built-in roles that pull images and no more: AcrPull, Container Registry Repository Reader, and the
/// latter's catalog lister (Azure role-based access control, built-in roles).
const PULLING: [&str; 3] = [
    "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "b93aa761-3e63-49ed-ac28-beffa264f7ac",
    "bfdb9389-c9a5-478a-bb2f-ba9ca092c3c7",
];

fn check(cluster: &Cluster, trust: &Trust<'_>) -> Verdict {
    if cluster.platform != Platform::Aks || cluster.windows_nodes || cluster.metadata_restricted == Some(true) {
        return Ok(None);
    }
    let kubelets = |own: &&crate::model::OwnIdentity| own.role.eq_ignore_ascii_case("kubeletidentity");
    let Some(own) = cluster.own_identities.iter().find(kubelets) else { return Ok(None) };
    let Some(identity) = trust.identity(&own.client_id).known()? else { return Ok(None) };
    let counts = |role: &&&RoleAssignment| !PULLING.iter().any(|id| role.role.eq_ignore_ascii_case(id));
    let mut roles: Vec<String> = trust
        .roles_seen(identity)
        .iter()
        .filter(counts)
        .map(|role| format!("{} of `{}`", role.role, role.scope))
        .collect();
    if roles.is_empty() {
        return Ok(None);
    }
    if cluster.metadata_restricted.is_none() {
        return Err(Unknown(Key::Value("whether pods reach the metadata service of their nodes".into())));
    }
    roles.sort();
    roles.dedup();
    let message = format!(
        "pods reach the metadata service of their nodes, and the nodes' identity `{}` has {} role assignment{}",
        identity.name,
        roles.len(),
        if roles.len() == 1 { "" } else { "s" },
    );
    let then = format!(
        ", then: az aks update --resource-group {} --name {} --enable-imds-restriction",
        shell(&cluster.resource_group),
        shell(&cluster.name)
    );
    let (severity, then) = if cluster.metadata_needed {
        (Severity::Low, "; an add-on of the cluster keeps the service from being restricted".to_owned())
    } else {
        (RULE.severity, then)
    };
    let fix = format!("give these roles to identities of workloads{then}");
    Ok(Some(
        Finding::new(severity, "networkProfile.podLinkLocalAccess", message)
            .with("roles", roles)
            .with("clientId", own.client_id.as_str())
            .fix(fix),
    ))
}
