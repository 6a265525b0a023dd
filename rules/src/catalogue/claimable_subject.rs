//! A credential trusts a namespace that does not exist, and more than administrators can create it.
//!
//! A name that is free can be taken: who creates the namespace, and in it the ServiceAccount, is
//! the identity. Kubernetes gives nobody rights in a namespace for having created it; most platforms
//! that let teams create their own do, by an operator or a generated binding. So who may create
//! namespaces is named here, and through which binding. It is `dangling-credential` with the
//! one thing added that turns an untidy credential into a way in, and is shown in its place.
//!
//! Who is granted everything, or may grant or impersonate it, needs no such way and is not named, unless it
//! is everybody. Nor are the components of Kubernetes and AKS, what runs in `kube-system`, and operators
//! declared in the configuration. Namespaces declared as pending are provisioned later than their credentials,
//! and so are those of a credential that is still to be made.
//!
//! # Fails
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: other}}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: self-service}, rules: [{verbs: [create], apiGroups: [""], resources: [namespaces]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: self-service}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: self-service}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: developers}]}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the namespace exists
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: self-service}, rules: [{verbs: [create], apiGroups: [""], resources: [namespaces]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: self-service}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: self-service}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: developers}]}
//! ```
//!
//! ```yaml
//! # administrators, components and operators
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: other}}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: cluster-admin}, rules: [{verbs: ["*"], apiGroups: ["*"], resources: ["*"]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: admins}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: platform}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: namespaces}, rules: [{verbs: [create], apiGroups: [""], resources: [namespaces]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: namespaces}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: namespaces}, subjects: [{kind: ServiceAccount, name: add-on, namespace: kube-system}, {kind: ServiceAccount, name: helm-controller, namespace: flux-system}]}
//! ```
//!
//! ```yaml
//! # a RoleBinding lets nobody create namespaces
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: other}}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: namespaces}, rules: [{verbs: [create], apiGroups: [""], resources: [namespaces]}]}
//! ---
//! {apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: team, namespace: other}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: namespaces}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: developers}]}
//! ```
use super::dangling_credential::{Missing, missing};
use crate::model::{Power, Principal, RoleBinding};
use crate::parameters::any_glob;
use crate::prelude::*;
use crate::repair;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "a credential trusts a namespace that does not exist, and more than administrators can create it",
    severity: Severity::High,
    confidence: Confidence::Medium,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &["MCSB IM-3", "MCSB PA-7", "NIST 800-53 AC-2"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Credential(check)],
};

/// Claimants that a message names.
const NAMED: usize = 3;

fn check(credential: &FederatedIdentityCredential, trust: &Trust<'_>) -> Verdict {
    let Some(Missing { cluster, namespace, .. }) = missing(credential, trust)? else { return Ok(None) };
    let Some((index, _)) = trust.cluster_of(&credential.issuer) else { return Ok(None) };
    if trust.namespace(index, namespace).known()?.is_some() {
        return Ok(None);
    }
    let (mut claimants, mut all_known) = (Vec::new(), trust.knows_bindings(index, ""));
    for binding in trust.bindings(index, "") {
        let role = match trust.role(binding) {
            Link::Found(role) => role,
            Link::Absent => continue,
            Link::Unknown(_) => {
                all_known = false;
                continue;
            }
        };
        if !role.grants_all(Power::CreateNamespaces) {
            all_known &= !role.open;
            continue;
        }
        let rules = [Power::Everything, Power::GrantRoles, Power::Impersonate];
        let is_admin = rules.iter().any(|power| role.grants_all(*power));
        let named = binding.subjects.iter().filter(|who| who.is_everybody() || !is_admin && can_claim(who, trust));
        claimants.extend(named.map(|who| (who, *binding)));
    }
    if claimants.is_empty() {
        return if all_known { Ok(None) } else { Err(Unknown(Key::Access(index))) };
    }
    claimants.sort_by_key(|(who, binding)| (!who.is_everybody(), *who, binding.name.as_str()));
    let words = |(who, binding): &(&Principal, &RoleBinding)| format!("{who} by {} `{}`", binding.kind(), binding.name);
    let said: Vec<String> = claimants.iter().map(words).collect();
    let listed = said.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = match said.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let subject = credential.subject.as_ref().map(Subject::as_str).unwrap_or_default();
    let message = format!(
        "trusts `{subject}`, but cluster `{cluster}` has no namespace `{namespace}`, and {listed}{more} can create it and get the identity"
    );
    Ok(Some(
        Finding::new(RULE.severity, "subject", message)
            .with("subject", subject)
            .with("issuer", credential.issuer.as_str())
            .with("cluster", cluster)
            .with("missing", format!("namespace {namespace}"))
            .with("claimants", said.iter().map(|words| words.replace('`', "")).collect::<Vec<_>>())
            .fix(repair::removal(trust, credential)),
    ))
}

/// Whether somebody is neither of Kubernetes' own nor a known operator.
fn can_claim(who: &Principal, trust: &Trust<'_>) -> bool {
    let operators = &trust.parameters().operators;
    let is_operator = match who {
        Principal::ServiceAccount(namespace, name) => any_glob(operators, &format!("{namespace}:{name}")),
        Principal::User(_) | Principal::Group(_) => false,
    };
    !who.is_built_in() && !is_operator
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::inventory::{Extent, Inventory};
    use crate::model::{ClusterIx, Grant, Origin, Parent, Role};
    use crate::parameters::Parameters;

    const ISSUER: &str = "https://oidc.prod-aks.azure.com/22222222-2222-2222-2222-222222222222/";

    /// A cluster without namespaces in which a role is bound, all of it read.
    fn cluster(grants: Vec<Power>, who: Principal) -> Inventory {
        let mut inventory = Inventory::default();
        inventory.clusters.push(Cluster { name: "prod".into(), issuer: Some(ISSUER.into()), ..Cluster::default() });
        let grants = grants.into_iter().map(|power| Grant { power, names: Vec::new() }).collect();
        inventory.roles.push(Role { name: "r".into(), grants, ..Role::default() });
        inventory.role_bindings.push(RoleBinding {
            name: "b".into(),
            of_cluster_role: true,
            role: "r".into(),
            subjects: vec![who],
            ..RoleBinding::default()
        });
        let of = inventory.coverage.cluster(ClusterIx(0));
        (of.namespaces, of.cluster_roles) = (Extent::Everything, Extent::Everything);
        of.cluster_role_bindings = Extent::Everything;
        inventory
    }

    fn verdict(inventory: &Inventory, parameters: &Parameters) -> Verdict {
        let credential = FederatedIdentityCredential {
            name: "fc".into(),
            id: String::new(),
            parent: Parent::Unknown,
            issuer: ISSUER.into(),
            subject: Some(Subject::of("review-17", "cart")),
            audiences: Vec::new(),
            expression: None,
            declared: None,
            origin: Origin::default(),
        };
        check(&credential, &Trust::join(inventory, parameters))
    }

    #[test]
    fn others_than_administrators_are_named() {
        let everybody = || Principal::Group("system:authenticated".into());
        let team = || Principal::Group("developers".into());
        for (grants, who, expected) in [
            (vec![Power::CreateNamespaces], team(), true),
            (vec![Power::CreateNamespaces], everybody(), true),
            (vec![Power::Everything], team(), false),
            (vec![Power::Everything], everybody(), true),
            (vec![Power::CreateNamespaces, Power::GrantRoles], team(), false),
            (vec![Power::CreateNamespaces, Power::Impersonate], team(), false),
            (vec![Power::MakePods], team(), false),
        ] {
            let shown = format!("{grants:?} {who}");
            let found = verdict(&cluster(grants, who), &Parameters::default()).unwrap();
            assert_eq!(found.is_some(), expected, "{shown}");
        }
    }

    #[test]
    fn a_pending_namespace_may_come_later() {
        let inventory = cluster(vec![Power::CreateNamespaces], Principal::User("ann".into()));
        let pending = Parameters { pending_namespaces: vec!["review-*".into()], ..Parameters::default() };
        assert!(verdict(&inventory, &Parameters::default()).unwrap().is_some());
        assert_eq!(verdict(&inventory, &pending), Ok(None));
    }

    #[test]
    fn what_was_not_read_may_let_somebody() {
        let nobody = || cluster(vec![Power::MakePods], Principal::User("ann".into()));
        assert_eq!(verdict(&nobody(), &Parameters::default()), Ok(None));
        let lose: [fn(&mut Inventory); 3] = [
            |of| of.coverage.cluster(ClusterIx(0)).cluster_role_bindings = Extent::Nothing,
            |of| {
                of.roles.clear();
                of.coverage.cluster(ClusterIx(0)).cluster_roles = Extent::Nothing;
            },
            |of| of.roles.iter_mut().for_each(|role| role.open = true),
        ];
        for (which, lose) in lose.into_iter().enumerate() {
            let mut inventory = nobody();
            lose(&mut inventory);
            let expected = Err(Unknown(Key::Access(ClusterIx(0))));
            assert_eq!(verdict(&inventory, &Parameters::default()), expected, "{which}");
        }
    }
}
