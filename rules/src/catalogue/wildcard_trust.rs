//! A flexible credential trusts whole groups of a cluster's ServiceAccounts.
//!
//! Its expression has a wildcard where the name of a ServiceAccount or a namespace belongs. Whoever
//! may create a ServiceAccount of such a name has the identity, without anybody at Azure being asked;
//! where the namespace itself is open, so has whoever may create a namespace.
//!
//! An expression that compares with `eq`, or whose pattern has no wildcard, names one ServiceAccount. A pattern
//! that fits none, such as `repo:shop/cart:*`, lets in nobody: subjects of ServiceAccounts are
//! `system:serviceaccount:NAMESPACE:NAME` in lower case. Issuers other than clusters have subjects of their own. Wanted wildcards can be suppressed with
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
//!
//! ```yaml
//! # it fits no ServiceAccount
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/flex, name: flex, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", claimsMatchingExpression: {languageVersion: 1, value: "claims['sub'] matches 'repo:shop/cart:*'"}, audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
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

/// What a condition lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// No ServiceAccount.
    Nobody,
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
    if reach <= Reach::One {
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
        match clause.operator {
            Operator::Matches => Read::pattern(clause.value).reach(),
            Operator::Eq => Self::One,
        }
    }
}

/// What every subject of a ServiceAccount begins with.
const HEAD: &[u8] = b"system:serviceaccount:";
/// A bit for each byte of the head, and then these.
const NAMESPACE: u32 = 1 << HEAD.len();
const IN_NAMESPACE: u32 = NAMESPACE << 1;
const NAME: u32 = NAMESPACE << 2;
const IN_NAME: u32 = NAMESPACE << 3;

/// How far into the subjects of ServiceAccounts a pattern may have come: where all that is certain is letter by
/// letter, where a wildcard stood for some of a name, and where one did for some of a namespace.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Read {
    sure: u32,
    name: u32,
    namespace: u32,
}

// === impl Read ===

impl Read {
    fn pattern(pattern: &str) -> Self {
        let start = Self { sure: 1, name: 0, namespace: 0 };
        pattern.bytes().fold(start, |read, byte| match byte {
            b'*' => read.any(),
            b'?' => read.one(),
            _ => Self {
                sure: after(read.sure, byte),
                name: after(read.name, byte),
                namespace: after(read.namespace, byte),
            },
        })
    }

    /// After any one character.
    fn one(self) -> Self {
        let certain = |at: u32| ((at & (NAMESPACE - 1)) << 1) | if at & IN_NAMESPACE == 0 { 0 } else { NAME };
        let in_namespace = |at: u32| if at & (NAMESPACE | IN_NAMESPACE) == 0 { 0 } else { IN_NAMESPACE };
        let in_name = |at: u32| if at & (NAME | IN_NAME) == 0 { 0 } else { IN_NAME };
        Self {
            sure: certain(self.sure),
            name: certain(self.name) | in_name(self.sure | self.name),
            namespace: certain(self.namespace)
                | in_namespace(self.sure | self.name | self.namespace)
                | in_name(self.namespace),
        }
    }

    /// After any number of characters.
    fn any(self) -> Self {
        let one = self.one();
        let more = Self {
            sure: self.sure | one.sure,
            name: self.name | one.name,
            namespace: self.namespace | one.namespace,
        };
        if more == self { self } else { more.any() }
    }

    fn reach(self) -> Reach {
        if self.namespace & IN_NAME != 0 {
            Reach::Cluster
        } else if self.name & IN_NAME != 0 {
            Reach::Namespace
        } else if self.sure & IN_NAME != 0 {
            Reach::One
        } else {
            Reach::Nobody
        }
    }
}

/// Where one is after this character.
fn after(at: u32, byte: u8) -> u32 {
    let in_head = HEAD.iter().enumerate().filter(|(place, own)| at & (1 << place) != 0 && **own == byte);
    let mut then = in_head.fold(0, |then, (place, _)| then | (1 << (place + 1)));
    let is_label = byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if is_label && at & (NAMESPACE | IN_NAMESPACE) != 0 {
        then |= IN_NAMESPACE;
    }
    if byte == b':' && at & IN_NAMESPACE != 0 {
        then |= NAME;
    }
    if (is_label || byte == b'.') && at & (NAME | IN_NAME) != 0 {
        then |= IN_NAME;
    }
    then
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_reaches_as_far_as_its_wildcards_let_it() {
        for (value, reach) in [
            ("system:serviceaccount:shop:cart", Reach::One),
            ("system:serviceaccount:shop-2:cart.v1-0", Reach::One),
            ("system:serviceaccount:shop:*", Reach::Namespace),
            ("system:serviceaccount:shop:c?rt", Reach::Namespace),
            ("system:serviceaccount:shop:cart*", Reach::Namespace),
            ("*:shop:*", Reach::Namespace),
            ("*:serviceaccount:shop:cart", Reach::One),
            ("system:*:shop:cart", Reach::One),
            ("system:serviceaccount?shop?cart", Reach::One),
            ("system:serviceaccount:shop:*.v1", Reach::Namespace),
            ("*", Reach::Cluster),
            ("system:serviceaccount:*", Reach::Cluster),
            ("system:serviceaccount:*:cart", Reach::Cluster),
            ("system:serviceaccount:s?op:cart", Reach::Cluster),
            ("system:serviceaccount:shop-*:cart", Reach::Cluster),
            ("system:serviceaccount:shop*", Reach::Cluster),
            ("*cart", Reach::Cluster),
            ("????????????????????????:?", Reach::Cluster),
            ("", Reach::Nobody),
            ("system:serviceaccount:shop", Reach::Nobody),
            ("system:serviceaccount:shop:", Reach::Nobody),
            ("system:serviceaccount::cart*", Reach::Nobody),
            ("SYSTEM:serviceaccount:shop:*", Reach::Nobody),
            ("system:serviceaccount:Shop:*", Reach::Nobody),
            ("system:serviceaccount:sh.op:*", Reach::Nobody),
            ("system:serviceaccount:shop:cart:*", Reach::Nobody),
            ("system:serviceaccount:shop:Cart*", Reach::Nobody),
            ("system:serviceaccounts:*", Reach::Nobody),
            ("repo:o/r:*", Reach::Nobody),
            ("*:ref:refs/heads/main", Reach::Nobody),
            ("????", Reach::Nobody),
        ] {
            let of = |operator| Reach::of(Clause { claim: "sub", operator, value });
            assert_eq!(of(Operator::Matches), reach, "{value}");
            assert_eq!(of(Operator::Eq), Reach::One, "{value}");
        }
    }
}
