//! A flexible credential trusts whole groups of a cluster's ServiceAccounts.
//!
//! Its expression has a wildcard where the name of a ServiceAccount or a namespace belongs. Whoever
//! may create a ServiceAccount of such a name has the identity, without anybody at Azure being asked;
//! where the namespace itself is open, so has whoever may create a namespace.
//!
//! An expression that compares with `eq`, or whose pattern has no wildcard, names one ServiceAccount.
//! Issuers other than clusters have subjects of their own. Wanted wildcards can be suppressed with
//! an owner and a reason.
//!
//! # Fails
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/flex, name: flex, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", claimsMatchingExpression: {languageVersion: 1, value: "claims['sub'] matches 'system:serviceaccount:shop:*'"}, audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/flex, name: flex, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", claimsMatchingExpression: {languageVersion: 1, value: "claims['sub'] matches system:serviceaccount:*:cart"}, audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/flex, name: flex, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", claimsMatchingExpression: {languageVersion: 1, value: "claims['iss'] matches '*'"}, audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # exactly one
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/flex, name: flex, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", claimsMatchingExpression: {languageVersion: 1, value: "claims['sub'] eq 'system:serviceaccount:shop:cart'"}, audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # a pattern without a wildcard
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/flex, name: flex, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", claimsMatchingExpression: {languageVersion: 1, value: "claims['sub'] matches 'system:serviceaccount:shop:cart'"}, audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # another condition names the one
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/flex, name: flex, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", claimsMatchingExpression: {languageVersion: 1, value: "claims['sub'] matches '*' and claims['sub'] eq 'system:serviceaccount:shop:cart'"}, audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # not an issuer of Kubernetes
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/flex, name: flex, issuer: "https://token.actions.githubusercontent.com", claimsMatchingExpression: {languageVersion: 1, value: "claims['sub'] matches 'repo:shop/*'"}, audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # another condition may narrow it, and nobody can read it
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/flex, name: flex, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", claimsMatchingExpression: {languageVersion: 1, value: "claims['sub'] matches 'system:serviceaccount:shop:*' and claims['sub'] like 'cart'"}, audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # a star that stands for itself
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/flex, name: flex, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", claimsMatchingExpression: {languageVersion: 1, value: "claims['sub'] eq 'system:serviceaccount:shop:*'"}, audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # a condition on another claim may narrow it
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/flex, name: flex, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", claimsMatchingExpression: {languageVersion: 1, value: "claims['sub'] matches 'system:serviceaccount:shop:*' and claims['name'] eq 'cart'"}, audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
use crate::exchange::expression_of;
use crate::expression::{self, Clause, Operator};
use crate::prelude::*;
use crate::repair;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "a flexible credential trusts whole groups of ServiceAccounts",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &["MCSB IM-3", "MCSB PA-7", "NIST 800-53 AC-6"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Credential(check)],
};

/// How many ServiceAccounts a condition lets in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    One,
    /// Some of one namespace.
    Namespace,
    /// Some of several namespaces.
    Cluster,
}

fn check(credential: &FederatedIdentityCredential, trust: &Trust<'_>) -> Verdict {
    let (None, Some(text)) = (&credential.subject, &credential.expression) else { return Ok(None) };
    let mut reach = Reach::Cluster;
    let mut understood = true;
    for clause in expression::clauses(text) {
        match clause {
            Some(clause) if clause.claim == "sub" => reach = reach.min(Reach::of(clause)),
            // Whether it narrows what the others let in is not known, unless it is about all tokens of the issuer.
            clause => understood &= clause.is_some_and(|clause| matches!(clause.claim, "iss" | "aud")),
        }
    }
    if reach == Reach::One {
        return Ok(None);
    }
    if !credential.issuer.is_azure_kubernetes() && trust.cluster_of(&credential.issuer).is_none() {
        return if trust.knows_all_clusters() {
            Ok(None)
        } else {
            Err(Unknown(Key::Clusters(credential.issuer.clone())))
        };
    }
    if !understood {
        return Err(expression_of(credential));
    }
    let (severity, whose) = if reach == Reach::Cluster {
        (Severity::Critical, "in more than one namespace, so that whoever may create a namespace can have the identity")
    } else {
        (RULE.severity, "of a namespace by a wildcard, so that whoever may create one there can have the identity")
    };
    Ok(Some(
        Finding::new(severity, "claimsMatchingExpression", format!("`{text}` trusts ServiceAccounts {whose}"))
            .with("expression", text.as_str())
            .with("issuer", credential.issuer.as_str())
            .fix(format!(
                "add one credential for each ServiceAccount meant, with its subject, or use an AKS identity binding, then: {}",
                repair::removal(trust, credential)
            )),
    ))
}

// === impl Reach ===

impl Reach {
    fn of(clause: Clause<'_>) -> Self {
        let wildcard = clause.value.find(['*', '?']).filter(|_| clause.operator == Operator::Matches);
        let Some(sure) = wildcard.and_then(|at| clause.value.get(..at)) else { return Self::One };
        let namespace = sure.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
        if namespace.is_some() { Self::Namespace } else { Self::Cluster }
    }
}
