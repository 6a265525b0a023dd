//! A ServiceAccount that a credential trusts is within reach of others than its namespace's.
//!
//! To Azure, whoever has a ServiceAccount's token is its identity. One gets it by creating a pod that
//! runs under it, or something that makes pods, by asking for `serviceaccounts/token`, or by granting oneself
//! the right to (`escalate`, `bind`, `impersonate`). And who may change its annotations can have its
//! pods sign in as somebody else, of another tenant if need be. So who may do that in a namespace matters as much as the
//! credential does.
//!
//! The namespace is the boundary: those of a namespace can become each other, and are not judged.
//! Users and groups with a name are somebody's decision, be it `edit` for a team or `cluster-admin` for
//! the administrators, and are not judged either; nor are operators, whose ServiceAccounts have their
//! rights in the whole cluster by a ClusterRoleBinding, nor what runs in `kube-system`. What is left is
//! what nobody decided for these ServiceAccounts in particular:
//!
//! | bound to | |
//! |---|---|
//! | who is not signed in (`system:unauthenticated`, `system:anonymous`) | critical |
//! | everybody (`system:authenticated`), every ServiceAccount (`system:serviceaccounts`) | high |
//! | every ServiceAccount of another namespace, or its `default`, under which pods run that name none | medium |
//! | a ServiceAccount of another namespace, by a RoleBinding in this one: a pipeline, as a rule, of which the namespace's owner should know | info |
//!
//! Operators declared in the configuration are not judged. Rights limited to ServiceAccounts by
//! name count for those alone. Entering pods that run already (`pods/exec`) is not looked at, nor are
//! ServiceAccounts that have their identity by an identity binding alone.
//!
//! # Fails
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: deployer}, rules: [{verbs: [get, create, patch], apiGroups: [apps], resources: [deployments]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: everybody-deploys}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: deployer}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:authenticated"}]}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: tokens, namespace: shop}, rules: [{verbs: [create], apiGroups: [""], resources: [serviceaccounts/token], resourceNames: [cart]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: tokens, namespace: shop}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: tokens}, subjects: [{kind: ServiceAccount, name: default, namespace: ci}]}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: edit}, rules: [{verbs: [create, delete, patch, update], apiGroups: [""], resources: [pods, serviceaccounts]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: pipeline, namespace: shop}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}, subjects: [{kind: ServiceAccount, name: deployer, namespace: ci}]}
//! ```
//!
//! ```yaml
//! # one of two is of another namespace
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: edit}, rules: [{verbs: [create, delete, patch, update], apiGroups: [""], resources: [pods, serviceaccounts]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: pipeline, namespace: shop}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}, subjects: [{kind: ServiceAccount, name: deployer, namespace: ci}, {kind: ServiceAccount, name: deployer, namespace: shop}]}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # a team in its own namespace
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: edit}, rules: [{verbs: [create, delete, patch, update], apiGroups: [""], resources: [pods, serviceaccounts]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: team, namespace: shop}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: shop-team}]}
//! ```
//!
//! ```yaml
//! # the namespace's own
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: jobs, namespace: shop}, rules: [{verbs: [create], apiGroups: [batch], resources: [jobs]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: jobs, namespace: shop}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: jobs}, subjects: [{kind: ServiceAccount, name: default, namespace: shop}, {kind: Group, name: "system:serviceaccounts:shop"}]}
//! ```
//!
//! ```yaml
//! # an operator of the whole cluster, administrators, and kube-system
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: cluster-admin}, rules: [{verbs: ["*"], apiGroups: ["*"], resources: ["*"]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: admins}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:masters"}, {kind: Group, name: 6f1b2d3c-0001-4000-8000-000000000001}, {kind: ServiceAccount, name: kustomize-controller, namespace: flux-system}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: controllers, namespace: shop}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}, subjects: [{kind: ServiceAccount, name: replicaset-controller, namespace: kube-system}]}
//! ```
//!
//! ```yaml
//! # everybody may look
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: view}, rules: [{verbs: [get, list, watch], apiGroups: ["", apps], resources: [pods, deployments, serviceaccounts]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: everybody-looks}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:authenticated"}]}
//! ```
//!
//! ```yaml
//! # tokens of another ServiceAccount
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: tokens, namespace: shop}, rules: [{verbs: [create], apiGroups: [""], resources: [serviceaccounts/token], resourceNames: [build]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: tokens, namespace: shop}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: tokens}, subjects: [{kind: ServiceAccount, name: default, namespace: ci}]}
//! ```
//!
//! ```yaml
//! # an operator that is known
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: tokens, namespace: shop}, rules: [{verbs: [create], apiGroups: [""], resources: [serviceaccounts/token]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: tokens, namespace: shop}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: tokens}, subjects: [{kind: ServiceAccount, name: external-secrets, namespace: external-secrets}]}
//! ```
//!
//! ```yaml
//! # to impersonate takes a right in the whole cluster
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: edit}, rules: [{verbs: [impersonate], apiGroups: [""], resources: [serviceaccounts]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: pipeline, namespace: shop}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}, subjects: [{kind: ServiceAccount, name: deployer, namespace: ci}]}
//! ```
use crate::model::{Power, Principal, Role, RoleBinding};
use crate::parameters::any_glob;
use crate::prelude::*;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "a ServiceAccount that a credential trusts is within reach of others than its namespace's",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &["MCSB PA-7", "NIST 800-53 AC-6"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::RoleBinding(check)],
};

/// Accounts that a message names.
const NAMED: usize = 3;

/// What leads to a ServiceAccount's identity, in words. Users and groups are in no namespace, so that
/// a RoleBinding lets nobody impersonate them.
const ROUTES: [(Power, &str); 5] = [
    (Power::MakePods, "create pods"),
    (Power::RequestTokens, "request tokens of ServiceAccounts"),
    (Power::AnnotateAccounts, "change the annotations of ServiceAccounts"),
    (Power::GrantRoles, "grant any role"),
    (Power::Impersonate, "impersonate anybody"),
];

fn check(binding: &RoleBinding, trust: &Trust<'_>) -> Verdict {
    let operators = &trust.parameters().operators;
    let mut wide: Vec<(Severity, &Principal)> = binding
        .subjects
        .iter()
        .filter_map(|subject| Some((width(subject, binding, operators)?, subject)))
        .collect();
    wide.sort_by(|a, b| b.cmp(a));
    let Some((severity, _)) = wide.first().copied() else { return Ok(None) };
    let Some(role) = trust.role(binding).known()? else { return Ok(None) };
    let routes: Vec<&(Power, &str)> = ROUTES
        .iter()
        .filter(|(power, _)| role.grants_of(*power).next().is_some())
        .filter(|(power, _)| *power != Power::Impersonate || binding.is_of_cluster())
        .collect();
    if routes.is_empty() {
        return if role.open { Err(Unknown(Key::Access(binding.cluster))) } else { Ok(None) };
    }
    let whose = |namespace: &str| wide.iter().any(|(_, who)| is_foreign(who, namespace));
    let reached = trust.trusted_accounts(binding.cluster, |namespace, name| {
        (binding.is_of_cluster() || binding.namespace == namespace)
            && whose(namespace)
            && routes.iter().any(|(power, _)| reaches(role, *power, name))
    });
    let reached = match reached {
        Ok(reached) if reached.is_empty() && role.open => return Err(Unknown(Key::Access(binding.cluster))),
        reached => reached?,
    };
    let Some((namespace, ..)) = reached.first().copied() else { return Ok(None) };
    let who: Vec<String> = wide.iter().map(|(_, who)| who.to_string()).collect();
    let can: Vec<&str> = routes.iter().map(|(_, words)| *words).collect();
    let accounts: Vec<String> = reached.iter().map(|(namespace, name, _)| format!("{namespace}/{name}")).collect();
    let place = if binding.is_of_cluster() { "every namespace".into() } else { format!("namespace `{namespace}`") };
    let message = format!(
        "by {} {} may {} in {place}, and so {}",
        binding.role_name(),
        series(&who),
        series(&can),
        consequence(&reached, routes.iter().all(|(power, _)| *power == Power::AnnotateAccounts), trust),
    );
    let fix = format!(
        "bind the role to those who need it, by name and in their own namespaces, then: kubectl delete {}",
        binding.for_kubectl()
    );
    Ok(Some(
        Finding::new(severity, "subjects", message)
            .with("role", binding.role_name())
            .with("subjects", who.iter().map(|who| who.replace('`', "")).collect::<Vec<_>>())
            .with("powers", can.iter().map(|words| (*words).to_owned()).collect::<Vec<_>>())
            .with("serviceAccounts", accounts)
            .fix(fix),
    ))
}

/// As prose lists things: `a, b and c`.
fn series<T: AsRef<str>>(words: &[T]) -> String {
    let mut said = String::new();
    for (place, word) in words.iter().enumerate() {
        said += match place {
            0 => "",
            last if last + 1 == words.len() => " and ",
            _ => ", ",
        };
        said += word.as_ref();
    }
    said
}

/// What comes of it.
fn consequence(reached: &[(&str, &str, &FederatedIdentityCredential)], annotates: bool, trust: &Trust<'_>) -> String {
    let listed = reached.iter().take(NAMED).map(|(namespace, name, _)| format!("`{namespace}/{name}`"));
    let listed = listed.collect::<Vec<_>>().join(", ");
    let more = match reached.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match reached {
        _ if annotates => format!("have the pods of {listed}{more} sign in as somebody else"),
        [(.., credential)] => match trust.parent_name(credential).as_str() {
            "" => format!("become the identity of credential `{}`, which trusts {listed}", credential.name),
            parent => format!("become identity `{parent}`, which trusts {listed}"),
        },
        _ => format!("become the identities that trust {listed}{more}"),
    }
}

/// How grave it is that somebody has a role that leads to an identity; nothing if it is nobody's business.
fn width(subject: &Principal, binding: &RoleBinding, operators: &[String]) -> Option<Severity> {
    if subject.is_everybody() {
        return Some(if subject.is_anonymous() { Severity::Critical } else { Severity::High });
    }
    if subject.is_built_in() || !is_foreign(subject, &binding.namespace) {
        return None;
    }
    if let Principal::ServiceAccount(namespace, name) = subject
        && any_glob(operators, &format!("{namespace}:{name}"))
    {
        return None;
    }
    match subject {
        _ if subject.any_pod_of().is_some() => Some(Severity::Medium),
        Principal::ServiceAccount(..) if !binding.is_of_cluster() => Some(Severity::Info),
        _ => None,
    }
}

/// Whether somebody is of another namespace.
fn is_foreign(subject: &Principal, namespace: &str) -> bool {
    match subject {
        Principal::ServiceAccount(of, _) => of != namespace,
        other => other.any_pod_of() != Some(namespace),
    }
}

/// Whether a role's power extends to a ServiceAccount of that name.
fn reaches(role: &Role, power: Power, name: &str) -> bool {
    role.grants_of(power).any(|grant| grant.names.is_empty() || grant.names.iter().any(|own| own == name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::inventory::{Extent, Inventory};
    use crate::model::{ClusterIx, Grant, Origin, Parent};
    use crate::parameters::Parameters;

    /// What is said of a binding of this power in a cluster where Azure trusts `shop/cart`.
    fn said(power: Power, namespace: &str, who: Principal) -> Option<Severity> {
        let issuer: Issuer = "https://oidc.prod-aks.azure.com/22222222-2222-2222-2222-222222222222/".into();
        let mut inventory = Inventory::default();
        inventory.clusters.push(Cluster { issuer: Some(issuer.clone()), ..Cluster::default() });
        inventory.credentials.push(FederatedIdentityCredential {
            name: "fc".into(),
            id: String::new(),
            parent: Parent::Unknown,
            issuer: issuer.clone(),
            subject: Some(Subject::of("shop", "cart")),
            audiences: Vec::new(),
            expression: None,
            declared: None,
            origin: Origin::default(),
        });
        inventory.coverage.trust_of.insert(crate::inventory::Tokens::of(&issuer));
        inventory.coverage.cluster(ClusterIx(0)).cluster_roles = Extent::Everything;
        let grants = vec![Grant { power, names: Vec::new() }];
        inventory.roles.push(Role { name: "r".into(), grants, ..Role::default() });
        let binding = RoleBinding {
            namespace: namespace.into(),
            of_cluster_role: true,
            role: "r".into(),
            subjects: vec![who],
            ..RoleBinding::default()
        };
        let parameters = Parameters::default();
        check(&binding, &Trust::join(&inventory, &parameters)).unwrap().map(|found| found.severity)
    }

    #[test]
    fn the_wider_the_circle_the_graver_it_is() {
        let group = |name: &str| Principal::Group(name.into());
        let account = |namespace: &str, name: &str| Principal::ServiceAccount(namespace.into(), name.into());
        for (namespace, who, expected) in [
            ("", Principal::User("system:anonymous".into()), Some(Severity::Critical)),
            ("shop", group("system:unauthenticated"), Some(Severity::Critical)),
            ("", group("system:authenticated"), Some(Severity::High)),
            ("shop", group("system:serviceaccounts"), Some(Severity::High)),
            ("till", group("system:serviceaccounts"), None),
            ("", group("system:serviceaccounts:till"), Some(Severity::Medium)),
            ("", group("system:serviceaccounts:shop"), None),
            ("", group("system:serviceaccounts:kube-system"), None),
            ("shop", account("till", "default"), Some(Severity::Medium)),
            ("shop", account("till", "deployer"), Some(Severity::Info)),
            ("", account("till", "deployer"), None),
            ("shop", account("shop", "default"), None),
            ("shop", account("kube-system", "deployer"), None),
            ("shop", account("flux-system", "helm-controller"), None),
            ("", group("developers"), None),
            ("", group("system:masters"), None),
            ("", Principal::User("ann".into()), None),
        ] {
            let shown = format!("{who} in `{namespace}`");
            assert_eq!(said(Power::MakePods, namespace, who), expected, "{shown}");
        }
    }

    #[test]
    fn each_power_that_leads_there_counts_and_no_other() {
        let everybody = || Principal::Group("system:authenticated".into());
        for (power, namespace, expected) in [
            (Power::Everything, "shop", true),
            (Power::RequestTokens, "shop", true),
            (Power::AnnotateAccounts, "shop", true),
            (Power::GrantRoles, "shop", true),
            (Power::Impersonate, "", true),
            // Users and groups are in no namespace.
            (Power::Impersonate, "shop", false),
            (Power::CreateAccounts, "", false),
            (Power::CreateNamespaces, "", false),
            (Power::UseIdentity, "", false),
        ] {
            assert_eq!(said(power, namespace, everybody()).is_some(), expected, "{power:?} in `{namespace}`");
        }
    }
}
