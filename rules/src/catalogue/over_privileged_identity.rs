//! An identity that pods can become rules a subscription or more.
//!
//! Owner, Contributor, User Access Administrator or Role Based Access Control Administrator of a
//! subscription or a management group lets whoever may create a pod in the trusted namespace do the same:
//! read every disk, change every cluster, or make himself anything else.
//!
//! Only identities that a federated credential lets a cluster's pods become are judged. Operators that
//! exist to manage a subscription (Azure Service Operator, Cluster API) are what suppressions are for.
//! The same role on a resource group or a resource is not judged, nor are roles of one's own making.
//!
//! # Fails
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, principalId: 55555555-5555-5555-5555-555555555555, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/prod, name: prod, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! - {id: /subscriptions/00000000-0000-0000-0000-0000000000aa/providers/Microsoft.Authorization/roleAssignments/r, principalId: 55555555-5555-5555-5555-555555555555, principalType: ServicePrincipal, roleDefinitionId: /subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635, scope: /subscriptions/00000000-0000-0000-0000-0000000000aa, type: Microsoft.Authorization/roleAssignments}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, principalId: 55555555-5555-5555-5555-555555555555, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/prod, name: prod, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! - {id: /providers/Microsoft.Management/managementGroups/platform/providers/Microsoft.Authorization/roleAssignments/r, principalId: 55555555-5555-5555-5555-555555555555, principalType: ServicePrincipal, roleDefinitionId: /subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c, scope: /providers/Microsoft.Management/managementGroups/platform, type: Microsoft.Authorization/roleAssignments}
//! ```
//!
//! ```yaml
//! # of everything there is
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, principalId: 55555555-5555-5555-5555-555555555555, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/prod, name: prod, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! - {id: /subscriptions/00000000-0000-0000-0000-0000000000aa/providers/Microsoft.Authorization/roleAssignments/r, principalId: 55555555-5555-5555-5555-555555555555, principalType: ServicePrincipal, roleDefinitionId: /subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635, scope: /, type: Microsoft.Authorization/roleAssignments}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # of one resource group
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, principalId: 55555555-5555-5555-5555-555555555555, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/prod, name: prod, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! - {id: /subscriptions/00000000-0000-0000-0000-0000000000aa/resourceGroups/rg/providers/Microsoft.Authorization/roleAssignments/r, principalId: 55555555-5555-5555-5555-555555555555, principalType: ServicePrincipal, roleDefinitionId: /subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/b24988ac-6180-42a0-ab88-20f7382dd24c, scope: /subscriptions/00000000-0000-0000-0000-0000000000aa/resourceGroups/rg, type: Microsoft.Authorization/roleAssignments}
//! ```
//!
//! ```yaml
//! # a reader
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, principalId: 55555555-5555-5555-5555-555555555555, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/prod, name: prod, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! - {id: /subscriptions/00000000-0000-0000-0000-0000000000aa/providers/Microsoft.Authorization/roleAssignments/r, principalId: 55555555-5555-5555-5555-555555555555, principalType: ServicePrincipal, roleDefinitionId: /subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7, scope: /subscriptions/00000000-0000-0000-0000-0000000000aa, type: Microsoft.Authorization/roleAssignments}
//! ```
//!
//! ```yaml
//! # no pod can become it
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, principalId: 55555555-5555-5555-5555-555555555555, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/00000000-0000-0000-0000-0000000000aa/providers/Microsoft.Authorization/roleAssignments/r, principalId: 55555555-5555-5555-5555-555555555555, principalType: ServicePrincipal, roleDefinitionId: /subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635, scope: /subscriptions/00000000-0000-0000-0000-0000000000aa, type: Microsoft.Authorization/roleAssignments}
//! ```
//!
//! ```yaml
//! # a pipeline is no pod
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, principalId: 55555555-5555-5555-5555-555555555555, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/prod, name: prod, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/cart:ref:refs/heads/main", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! - {id: /subscriptions/00000000-0000-0000-0000-0000000000aa/providers/Microsoft.Authorization/roleAssignments/r, principalId: 55555555-5555-5555-5555-555555555555, principalType: ServicePrincipal, roleDefinitionId: /subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635, scope: /subscriptions/00000000-0000-0000-0000-0000000000aa, type: Microsoft.Authorization/roleAssignments}
//! ```
//!
//! ```yaml
//! # somebody else's role
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, principalId: 55555555-5555-5555-5555-555555555555, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/prod, name: prod, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! - {id: /subscriptions/00000000-0000-0000-0000-0000000000aa/providers/Microsoft.Authorization/roleAssignments/r, principalId: 66666666-6666-6666-6666-666666666666, principalType: ServicePrincipal, roleDefinitionId: /subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635, scope: /subscriptions/00000000-0000-0000-0000-0000000000aa, type: Microsoft.Authorization/roleAssignments}
//! ```
use crate::model::RoleAssignment;
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "an identity that pods can become rules a subscription or more",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &["MCSB PA-7", "NIST 800-53 AC-6"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Identity(check)],
};

/// Built-in roles by which one can become anything else (Azure role-based access control, built-in roles).
const RULERS: [(&str, &str); 4] = [
    ("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner"),
    ("b24988ac-6180-42a0-ab88-20f7382dd24c", "Contributor"),
    ("18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", "User Access Administrator"),
    ("f58310d9-a9f6-439a-9e8d-f62e7b41a168", "Role Based Access Control Administrator"),
];

fn check(identity: &Identity, trust: &Trust<'_>) -> Verdict {
    let ruling = |role: &&&RoleAssignment| ruler(role).is_some() && is_wide(&role.scope);
    let mut roles: Vec<&RoleAssignment> = trust.roles_seen(identity).iter().filter(ruling).copied().collect();
    if roles.is_empty() {
        return Ok(None);
    }
    let of_pods = |credential: &&&FederatedIdentityCredential| {
        credential.issuer.is_azure_kubernetes() || trust.cluster_of(&credential.issuer).is_some()
    };
    let Some(credential) = trust.credentials_seen(identity).iter().find(of_pods) else {
        return trust.credentials(identity).map(|_| None);
    };
    roles.sort_by(|a, b| (&a.scope, &a.role).cmp(&(&b.scope, &b.role)));
    roles.dedup_by(|a, b| a.scope.eq_ignore_ascii_case(&b.scope) && a.role == b.role);
    let said: Vec<String> =
        roles.iter().map(|role| format!("{} of `{}`", ruler(role).unwrap_or_default(), role.scope)).collect();
    let listed = said.join(", ");
    let whom = credential.subject.as_ref().map_or(credential.name.as_str(), Subject::as_str);
    Ok(Some(
        Finding::new(RULE.severity, "principalId", format!("is {listed}, and pods can become it, `{whom}` for one"))
            .with("roles", said)
            .with("principalId", identity.principal_id.as_str())
            .fix("give the identity only the roles that its workload needs, on the resources it needs them for, then delete these assignments"),
    ))
}

fn ruler(role: &RoleAssignment) -> Option<&'static str> {
    RULERS.iter().find(|(id, _)| role.role.eq_ignore_ascii_case(id)).map(|(_, name)| *name)
}

/// Whether a scope is a subscription, a management group, or everything.
fn is_wide(scope: &str) -> bool {
    let segments: Vec<&str> = scope.split('/').filter(|segment| !segment.is_empty()).collect();
    match segments.as_slice() {
        [] => !scope.is_empty(),
        [first, _] => first.eq_ignore_ascii_case("subscriptions"),
        [_, _, third, _] => third.eq_ignore_ascii_case("managementGroups"),
        _ => false,
    }
}
