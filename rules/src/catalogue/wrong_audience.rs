//! A credential accepts no audience that the tokens of its cluster carry.
//!
//! The mutating webhook asks for tokens with the audience `api://AzureADTokenExchange`, in all
//! clouds. A credential with that of a vault, of a sovereign cloud's own scheme, or of an API never
//! meets a token that fits, and Entra answers with AADSTS700212.
//!
//! Other systems (GitHub, GitLab, Terraform) choose their own audience, identity bindings have
//! theirs, and audiences that you declare for your webhook are right too. A placeholder is
//! `unresolved-placeholder`'s.
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
use crate::model::{DEFAULT_AUDIENCE, is_placeholder};
use crate::near::{self, Token};
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

fn check(credential: &FederatedIdentityCredential, trust: &Trust<'_>) -> Verdict {
    let Some(trusted) = Token::trusted_by(credential) else { return Ok(None) };
    let audiences = &trust.parameters().audiences;
    if !near::is_like_kubernetes(&trusted.subject)
        || credential.issuer.is_identity_binding()
        || credential.audiences.iter().any(|audience| audiences.contains(audience) || is_placeholder(audience.as_str()))
    {
        return Ok(None);
    }
    if !credential.issuer.is_azure_kubernetes() && trust.cluster_of(&credential.issuer).is_none() {
        return if trust.knows_all_clusters() {
            Ok(None)
        } else {
            Err(Unknown(Key::Clusters(credential.issuer.clone())))
        };
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
