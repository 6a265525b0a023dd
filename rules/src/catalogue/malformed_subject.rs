//! A credential's subject cannot be that of a ServiceAccount, though its issuer is a cluster.
//!
//! Tokens of ServiceAccounts state `system:serviceaccount:NAMESPACE:NAME`, and Entra compares it as a
//! whole: a star matches a star, `system:serviceaccounts:shop` is a group and no subject, and upper
//! case letters do not occur in Kubernetes names. Such a credential trusts nobody (AADSTS700213).
//!
//! Other issuers have subjects of their own; a flexible credential has an expression instead, and an
//! identity binding is AKS's to write. Placeholders are `unresolved-placeholder`'s.
//!
//! # Fails
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:*", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccounts:shop", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "shop/cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop-:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:-shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart.", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:ca_rt", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the subject of a ServiceAccount
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart.v2", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # not an issuer of Kubernetes
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/cart:ref:refs/heads/main", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # a flexible credential
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/flex, name: flex, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", claimsMatchingExpression: {languageVersion: 1, value: "claims['sub'] matches 'system:serviceaccount:shop:*'"}, audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # an identity binding
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://ib.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/33333333-3333-3333-3333-333333333333", subject: "*", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # a placeholder
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:${NAMESPACE}:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
use crate::model::is_placeholder;
use crate::prelude::*;
use crate::repair;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "a subject that no ServiceAccount has",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Modelled,
    aadsts: &["700213"],
    frameworks: &["MCSB IM-3"],
    yields_to: &["AWI302"],
    since: "0.1.0",
    checks: &[Check::Credential(check)],
};

fn check(credential: &FederatedIdentityCredential, trust: &Trust<'_>) -> Verdict {
    let Some(subject) = &credential.subject else { return Ok(None) };
    if is_well_formed(subject) || is_placeholder(subject.as_str()) || credential.issuer.is_identity_binding() {
        return Ok(None);
    }
    if !credential.issuer.is_azure_kubernetes() && trust.cluster_of(&credential.issuer).is_none() {
        return if trust.knows_all_clusters() {
            Ok(None)
        } else {
            Err(Unknown(Key::Clusters(credential.issuer.clone())))
        };
    }
    let why = if subject.as_str().contains('*') {
        "holds a star, which matches nothing but a star"
    } else if subject.as_str().starts_with("system:serviceaccounts") {
        "names a group of ServiceAccounts, which no token states"
    } else if subject.as_str().chars().any(char::is_whitespace) {
        "holds white space"
    } else {
        "is not of the form `system:serviceaccount:NAMESPACE:NAME` in Kubernetes names"
    };
    Ok(Some(
        Finding::new(RULE.severity, "subject", format!("subject `{subject}` {why}, so that it trusts nobody"))
            .with("subject", subject.as_str())
            .with("issuer", credential.issuer.as_str())
            .fix(format!(
                "add one credential for each ServiceAccount meant, with subject system:serviceaccount:NAMESPACE:NAME, then: {}",
                repair::removal(trust, credential)
            )),
    ))
}

/// Whether a subject is that of a ServiceAccount whose names Kubernetes would take
/// (`apimachinery/pkg/util/validation`: a namespace is a DNS label, a ServiceAccount a DNS subdomain).
pub(super) fn is_well_formed(subject: &Subject) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let label = |text: &str| {
        let bytes = text.as_bytes();
        edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(|byte| edge(Some(byte)) || *byte == b'-')
    };
    subject.service_account().is_some_and(|(namespace, name)| {
        namespace.len() <= 63 && label(namespace) && name.len() <= 253 && name.split('.').all(label)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_kubernetes_takes() {
        for (subject, expected) in [
            ("system:serviceaccount:shop:cart", true),
            ("system:serviceaccount:0:1.a-b.c", true),
            ("system:serviceaccount:shop:Cart", false),
            ("system:serviceaccount:shop:cart:", false),
            ("system:serviceaccount:shop:", false),
            ("system:serviceaccount:a.b:cart", false),
            ("system:serviceaccount:-shop:cart", false),
            ("system:serviceaccount:shop:cart..x", false),
            (" system:serviceaccount:shop:cart", false),
        ] {
            assert_eq!(is_well_formed(&subject.into()), expected, "{subject}");
        }
        assert!(
            !is_well_formed(&Subject::of(&"n".repeat(64), "a")) && is_well_formed(&Subject::of(&"n".repeat(63), "a"))
        );
        assert!(
            !is_well_formed(&Subject::of("n", &"a".repeat(254))) && is_well_formed(&Subject::of("n", &"a".repeat(253)))
        );
    }
}
