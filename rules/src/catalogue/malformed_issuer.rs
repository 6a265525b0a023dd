//! A credential's issuer is no URL that a token could state.
//!
//! Entra stores whatever it is given and compares it with the token's `iss` later, so that a slip
//! here shows as AADSTS700211 at run time. An issuer starts with `https://`, has neither white space
//! nor query nor fragment, and at most 600 characters. Issuers of AKS and Azure Arc end with exactly
//! one slash; `kubernetes.default.svc` says that the cluster has no public issuer at all.
//!
//! The issuer of AKS identity bindings, `ib.oic…`, must not end with a slash. About the slashes of
//! other hosts nobody but their cluster knows. Placeholders are `unresolved-placeholder`'s.
//!
//! # Fails
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222//", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "http://oidc.example.com/edge", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://oidc.example.com/edge ", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://kubernetes.default.svc.cluster.local", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://ib.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/33333333-3333-3333-3333-333333333333/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # as AKS states it
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # the issuer of identity bindings has no trailing slash
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://ib.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/33333333-3333-3333-3333-333333333333", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # other hosts do as they like with slashes
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/edge, name: edge, issuer: "https://oidc.example.com//edge/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # a placeholder
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "${ISSUER}", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
use crate::model::is_placeholder;
use crate::near::Token;
use crate::prelude::*;
use crate::repair;

pub(super) static RULE: Rule = Rule {
    summary: "a credential's issuer is not one that a token can state",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Modelled,
    aadsts: &["700211"],
    frameworks: &["MCSB IM-3"],
    yields_to: &["AWI304"],
    since: "0.1.0",
    checks: &[Check::Credential(check)],
};

/// Microsoft Entra, federated credential considerations.
const MAX_LENGTH: usize = 600;

fn check(credential: &FederatedIdentityCredential, trust: &Trust<'_>) -> Verdict {
    let issuer = &credential.issuer;
    if is_placeholder(issuer.as_str()) {
        return Ok(None);
    }
    let problems = problems(issuer);
    if problems.is_empty() {
        return Ok(None);
    }
    let fix = if issuer.host().starts_with(INNER) {
        "give the cluster a public issuer (az aks update --enable-oidc-issuer, or --service-account-issuer of its API server) and set that one".into()
    } else {
        let right = Issuer(corrected(issuer));
        match Token::trusted_by(credential) {
            Some(trusted) if self::problems(&right).is_empty() => {
                repair::correction(trust, credential, &Token { issuer: right, ..trusted })
            }
            _ => "set the issuer to what the cluster states: az aks show --query oidcIssuerProfile.issuerUrl".into(),
        }
    };
    Ok(Some(
        Finding::new(RULE.severity, "issuer", format!("issuer `{issuer}` {}", problems.join(", ")))
            .with("issuer", issuer.as_str())
            .with("problems", problems)
            .fix(fix),
    ))
}

const INNER: &str = "kubernetes.default";

fn problems(issuer: &Issuer) -> Vec<&'static str> {
    let text = issuer.as_str();
    let after_scheme = text.split_once("://").map_or("", |(_, rest)| rest);
    let azure = issuer.is_azure_kubernetes();
    let binding = issuer.is_identity_binding();
    [
        (
            !text.trim_start().get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")),
            "does not start with https://",
        ),
        (text.chars().any(|letter| letter.is_whitespace() || letter.is_control()), "holds white space"),
        (text.contains('?'), "has a query"),
        (text.contains('#'), "has a fragment"),
        (text.chars().count() > MAX_LENGTH, "has more than 600 characters"),
        (issuer.host().starts_with(INNER), "is known inside the cluster alone"),
        (azure && after_scheme.contains("//"), "has two slashes in a row"),
        (azure && !binding && !text.trim_end().ends_with('/'), "lacks the trailing slash of its host"),
        (binding && text.trim_end().ends_with('/'), "ends with a slash, unlike those of identity bindings"),
    ]
    .into_iter()
    .filter_map(|(applies, problem)| applies.then_some(problem))
    .collect()
}

fn corrected(issuer: &Issuer) -> String {
    let text = issuer.as_str().trim();
    let plain = text.split(['?', '#']).next().unwrap_or_default();
    if !issuer.is_azure_kubernetes() {
        return plain.into();
    }
    let path: Vec<&str> =
        issuer.segments().map(|segment| segment.split(['?', '#']).next().unwrap_or_default().trim()).collect();
    let slash = if issuer.is_identity_binding() { "" } else { "/" };
    format!("https://{}/{}{slash}", issuer.host(), path.join("/"))
}
