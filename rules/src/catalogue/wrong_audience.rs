//! A credential accepts no audience that the tokens of its cluster carry.
//!
//! The mutating webhook asks for tokens with the audience `api://AzureADTokenExchange`, in all
//! clouds. A credential with that of a vault, of a sovereign cloud's own scheme, or of an API never
//! meets a token that fits, and Entra answers with AADSTS700212.
//!
//! Other systems (GitHub, GitLab, Terraform) choose their own audience, identity bindings have
//! theirs, and audiences that you declare for your webhook are right too. So is that of its flag `--audience`, where
//! its Deployment was read, and of a token that a running pod was given. Of one that the pods of the subject project
//! themselves a note tells, and of the usual one, where the webhook asks for another and a driver that mounts a
//! SecretProviderClass for them or a store of External Secrets lives by it. A webhook that you installed outside of AKS and Arc may have that flag until it is known not to: the
//! verdict is open until the Deployments are read. A placeholder is `unresolved-placeholder`'s.
//!
//! The operators of OpenShift project tokens for the audience `openshift`, which `ccoctl` writes into their
//! credentials: whether such a one is right is open until the pods of its subject are read, and in a namespace of
//! OpenShift's own (`openshift-…`) it is never wrong.
//!
//! # Fails
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["https://vault.azure.net"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://oidc.example.com/edge"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://oidc.example.com/edge", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchangeUSGov"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # what the webhook asks for
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # not an issuer of Kubernetes
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/cart:ref:refs/heads/main", audiences: ["https://github.com/shop"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # an identity binding
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://ib.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/33333333-3333-3333-3333-333333333333", subject: "system:serviceaccount:shop:cart", audiences: ["api://AKSIdentityBinding"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # a placeholder
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["${AUDIENCE}"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # tokens of a pipeline, not of a cluster
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://token.actions.githubusercontent.com", subject: "system:serviceaccount:shop:cart", audiences: ["https://vault.azure.net"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # what an operator of OpenShift projects
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://oidc.example.com/edge"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://oidc.example.com/edge", subject: "system:serviceaccount:openshift-ingress-operator:ingress-operator", audiences: ["openshift"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: ingress-operator, namespace: openshift-ingress-operator}, spec: {template: {spec: {serviceAccountName: ingress-operator, containers: [{name: app}], volumes: [{name: bound-sa-token, projected: {sources: [{serviceAccountToken: {audience: openshift, path: token}}]}}]}}}}
//! ```
use crate::model::{ClusterIx, DEFAULT_AUDIENCE, is_placeholder};
use crate::near::{self, Token};
use crate::on_behalf;
use crate::prelude::*;
use crate::repair;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "a credential accepts no audience that its cluster's tokens carry",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Modelled,
    aadsts: &["700212"],
    frameworks: &["MCSB IM-3"],
    yields_to: &["AWI302"],
    since: "0.1.0",
    checks: &[Check::Credential(check)],
};

/// What the operators of OpenShift ask for (openshift/cloud-credential-operator,
/// `pkg/cmd/provisioning/azure/create_managed_identities.go`).
const OPENSHIFT: &str = "openshift";

fn check(credential: &FederatedIdentityCredential, trust: &Trust<'_>) -> Verdict {
    let Some(trusted) = Token::trusted_by(credential) else { return Ok(None) };
    if !near::is_like_kubernetes(&trusted.subject)
        || credential.issuer.is_identity_binding()
        || credential.audiences.iter().any(|audience| is_placeholder(audience.as_str()))
    {
        return Ok(None);
    }
    let cluster = trust.cluster_of(&credential.issuer).map(|(index, _)| index);
    let audiences = cluster.map_or_else(|| Ok(trust.parameters().audiences.clone()), |it| audiences(it, trust))?;
    if accepts(credential, &audiences) {
        return Ok(None);
    }
    match cluster {
        Some(index) if is_presented(credential, &trusted.subject, index, trust)? => {
            return Ok(projected(credential, &audiences));
        }
        Some(index) => {
            if let Some(by) = feeds(credential, &trusted.subject, index, trust) {
                return Ok(Some(presented_by(&by, credential, &audiences)));
            }
        }
        None if !credential.issuer.is_azure_kubernetes() => {
            let unknown = Unknown(Key::Clusters(credential.issuer.clone()));
            return if trust.knows_all_clusters() { Ok(None) } else { Err(unknown) };
        }
        None if is_openshift(credential) => return Err(projection(&trusted.subject)),
        _ => {}
    }
    let right = audiences.first().cloned().unwrap_or_else(|| DEFAULT_AUDIENCE.into());
    let shown = credential.audiences.iter().map(Audience::as_str).collect::<Vec<_>>();
    let message = match shown.as_slice() {
        [] => format!("accepts no audience; the cluster's tokens carry `{right}`"),
        _ => format!("audience `{}` is not the one that the cluster's tokens carry, `{right}`", shown.join("`, `")),
    };
    Ok(Some(
        Finding::new(RULE.severity, "audiences", message)
            .with("audiences", shown)
            .with("expected", audiences.iter().map(Audience::as_str).collect::<Vec<_>>())
            .fix(repair::correction(trust, credential, &Token { audience: right, ..trusted })),
    ))
}

/// A note, for less is known of a credential whose pods were not read. What OpenShift's operators project needs none.
fn projected(credential: &FederatedIdentityCredential, audiences: &[Audience]) -> Option<Finding> {
    let shown = credential.audiences.iter().map(Audience::as_str).collect::<Vec<_>>();
    let message = format!("audience `{}` is that of tokens which the pods have, and not what the webhook asks for", shown.join("`, `"));
    let finding = Finding::new(Severity::Info, "audiences", message)
        .with("audiences", shown)
        .with("expected", audiences.iter().map(Audience::as_str).collect::<Vec<_>>())
        .fix("leave it, as long as they do");
    (!is_openshift(credential)).then_some(finding)
}

/// What a driver or an operator lives by, which present the usual audience whatever the webhook asks for.
fn presented_by(by: &str, credential: &FederatedIdentityCredential, audiences: &[Audience]) -> Finding {
    let message = format!("audience `{DEFAULT_AUDIENCE}` is what {by} presents, and not what the webhook asks for");
    Finding::new(Severity::Info, "audiences", message)
        .with("audiences", credential.audiences.iter().map(Audience::as_str).collect::<Vec<_>>())
        .with("expected", audiences.iter().map(Audience::as_str).collect::<Vec<_>>())
        .fix("leave it, as long as it does")
}

/// Who lives by a credential of the usual audience with the tokens of the ServiceAccount, beside its pods.
fn feeds(
    credential: &FederatedIdentityCredential,
    subject: &Subject,
    cluster: ClusterIx,
    trust: &Trust<'_>,
) -> Option<String> {
    let is_usual = accepts(credential, &[DEFAULT_AUDIENCE.into()]);
    let identity = trust.parent(credential).filter(|_| is_usual)?;
    let account = trust.trusted_account(cluster, subject)?;
    on_behalf::of(identity, account, trust).into_iter().next()
}

fn accepts(credential: &FederatedIdentityCredential, audiences: &[Audience]) -> bool {
    credential.audiences.iter().any(|audience| audiences.contains(audience))
}

/// What the webhook of a cluster asks for.
fn audiences(cluster: ClusterIx, trust: &Trust<'_>) -> Result<Vec<Audience>, Unknown> {
    trust.audiences(cluster).map(<[Audience]>::to_vec)
}

/// Whether the pods of the subject present what the credential accepts, by themselves or as they were given it.
fn is_presented(
    credential: &FederatedIdentityCredential,
    subject: &Subject,
    cluster: ClusterIx,
    trust: &Trust<'_>,
) -> Result<bool, Unknown> {
    let (namespace, name) = subject.service_account().unwrap_or_default();
    let workloads = trust.workloads_of(cluster, namespace, name);
    for workload in workloads {
        let own: Vec<Audience> = workload.own_audiences().cloned().collect();
        let injected = trust.audiences_of(workload)?;
        if accepts(credential, &own) || accepts(credential, &injected) {
            return Ok(true);
        }
    }
    if is_openshift(credential) && (workloads.is_empty() || namespace.starts_with("openshift-")) {
        return Err(projection(subject));
    }
    trust.unread_audience(cluster).map_or(Ok(false), Err)
}

fn is_openshift(credential: &FederatedIdentityCredential) -> bool {
    credential.audiences.iter().any(|audience| audience.as_str() == OPENSHIFT)
}

fn projection(subject: &Subject) -> Unknown {
    Unknown(Key::Value(format!("whether pods of `{subject}` project tokens for `{OPENSHIFT}`")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::inventory::Inventory;
    use crate::model::{Origin, Parent};
    use crate::parameters::Parameters;

    #[test]
    fn a_declared_audience_is_right() {
        let credential = FederatedIdentityCredential {
            name: "fc".into(),
            id: String::new(),
            parent: Parent::Unknown,
            issuer: "https://oidc.prod-aks.azure.com/22222222-2222-2222-2222-222222222222/".into(),
            subject: Some(Subject::of("shop", "cart")),
            audiences: vec!["api://custom".into()],
            expression: None,
            declared: None,
            origin: Origin::default(),
        };
        let inventory = Inventory::default();
        let declared = Parameters { audiences: vec!["api://custom".into()], ..Parameters::default() };
        assert!(check(&credential, &Trust::join(&inventory, &Parameters::default())).unwrap().is_some());
        assert_eq!(check(&credential, &Trust::join(&inventory, &declared)), Ok(None));
    }
}
