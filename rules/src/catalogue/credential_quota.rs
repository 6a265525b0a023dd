//! An identity runs out of federated credentials.
//!
//! Entra lets a managed identity or app registration hold twenty, whatever their issuers: clusters,
//! pipelines and the one of an identity binding all count. The next cluster or namespace then cannot
//! be added, usually in the middle of a migration. ServiceAccounts that name the identity and that no
//! credential of it trusts yet are counted as needed, and so are credentials that infrastructure as code
//! declares and that are not there yet, less those that a plan deletes.
//!
//! A ServiceAccount needs none where nobody asks for its tokens: GitOps lays it in every cluster, and the
//! application runs in two. Pods ask that opt in or bring a token of their own, drivers that mount for them, and
//! External Secrets; where not all pods and Deployments of its cluster were read, it is not known who does. One
//! whose pods use an identity binding needs none of its own: all bindings of an identity share one.
//!
//! There is no other exception; limit and threshold are parameters, should Microsoft lift them.
//!
//! # Fails
//!
//! ```yaml
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r0, name: r0, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r0", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r1, name: r1, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r1", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r2, name: r2, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r2", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r3, name: r3, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r3", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r4, name: r4, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r4", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r5, name: r5, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r5", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r6, name: r6, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r6", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r7, name: r7, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r7", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r8, name: r8, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r8", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r9, name: r9, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r9", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r10, name: r10, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r10", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r11, name: r11, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r11", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r12, name: r12, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r12", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r13, name: r13, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r13", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r14, name: r14, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r14", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r15, name: r15, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r15", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # a ServiceAccount waits for the sixteenth
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r0, name: r0, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r0", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r1, name: r1, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r1", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r2, name: r2, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r2", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r3, name: r3, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r3", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r4, name: r4, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r4", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r5, name: r5, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r5", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r6, name: r6, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r6", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r7, name: r7, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r7", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r8, name: r8, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r8", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r9, name: r9, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r9", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r10, name: r10, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r10", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r11, name: r11, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r11", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r12, name: r12, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r12", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r13, name: r13, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r13", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r14, name: r14, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r14", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the ServiceAccount is there, and nobody asks for its tokens
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r0, name: r0, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r0", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r1, name: r1, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r1", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r2, name: r2, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r2", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r3, name: r3, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r3", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r4, name: r4, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r4", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r5, name: r5, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r5", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r6, name: r6, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r6", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r7, name: r7, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r7", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r8, name: r8, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r8", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r9, name: r9, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r9", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r10, name: r10, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r10", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r11, name: r11, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r11", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r12, name: r12, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r12", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r13, name: r13, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r13", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r14, name: r14, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r14", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: till}}
//! ```
//!
//! ```yaml
//! # fewer than the threshold
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r0, name: r0, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r0", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r1, name: r1, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r1", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/r2, name: r2, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/r2", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
use crate::exchange::expression_of;
use crate::model::DEFAULT_AUDIENCE;
use crate::near::{self, Token};
use crate::prelude::*;
#[cfg(feature = "audit")]
use crate::trust::may_mean;
use crate::trust::Unknown;
use alloc::collections::{BTreeMap, BTreeSet};

pub(super) static RULE: Rule = Rule {
    summary: "an identity runs out of federated credentials",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Identity(check)],
};

fn check(identity: &Identity, trust: &Trust<'_>) -> Verdict {
    let (limit, warning) =
        (trust.parameters().credential_limit as usize, trust.parameters().credential_warning as usize);
    let seen = trust.credentials_seen(identity);
    let used = seen.len();
    // what is needed counts only where no credential is unseen, or it would shrink with what is learnt
    let complete = identity.credentials_complete;
    let Needs { tokens, open, unknown } = if complete { needs(identity, trust) } else { Needs::default() };
    let planned = if complete { planned(identity, trust) } else { Planned::default() };
    let needs: BTreeSet<(&Issuer, Subject)> = tokens.into_iter().chain(planned.tokens).collect();
    // one that is known only once it is applied may be what a ServiceAccount waits for
    let needed = needs.len().max(planned.names.len()).saturating_sub(planned.deleted);
    let total = used + needed;
    let threshold = warning.min(limit);
    if total < threshold {
        trust.credentials(identity)?;
        let matters = open.filter(|(_, many)| total + many >= threshold);
        return unknown.or(matters.map(|(key, _)| key)).map_or(Ok(None), Err);
    }
    let (severity, what) = if total > limit {
        (
            Severity::Critical,
            format!(
                "{used} of {limit} credentials are used and {needed} more are needed, which cannot be added"
            ),
        )
    } else if used == limit {
        (Severity::High, format!("all {limit} credentials are used; no cluster or namespace can be added"))
    } else if total == limit {
        (
            Severity::High,
            format!("{used} of {limit} credentials are used and {needed} more are needed, which are the last"),
        )
    } else {
        let more = if needed == 0 { String::new() } else { format!(" and {needed} more are needed") };
        (Severity::Medium, format!("{used} of {limit} credentials are used{more}"))
    };
    let mut by_issuer: BTreeMap<&str, u64> = BTreeMap::new();
    for credential in seen {
        *by_issuer.entry(credential.issuer.as_str()).or_default() += 1;
    }
    Ok(Some(
        Finding::new(severity, "federatedIdentityCredentials", what)
            .with("credentials", used as u64)
            .with("needed", needed as u64)
            .with("limit", limit as u64)
            .with("left", limit.saturating_sub(used) as u64)
            .with("byIssuer", serde_json::json!(by_issuer))
            .with("needs", needs.into_iter().map(|(issuer, subject)| format!("{issuer} {subject}")).collect::<Vec<_>>())
            .fix("delete credentials that nothing needs (AWI311 names those whose ServiceAccount does not exist), give some workloads an identity of their own, or use AKS identity bindings"),
    ))
}

/// What declarations will add to an identity's credentials, and take away.
#[derive(Default)]
struct Planned<'a> {
    /// The names of those that are not there yet, in lower case.
    names: BTreeSet<String>,
    /// Their tokens, where those are known before they are applied.
    tokens: BTreeSet<(&'a Issuer, Subject)>,
    /// How many that are there are about to be deleted.
    deleted: usize,
}

fn planned<'a>(identity: &Identity, trust: &Trust<'a>) -> Planned<'a> {
    let (seen, all) = (trust.credentials_seen(identity), trust.declared().of_identity(identity));
    let goes = |credential: &FederatedIdentityCredential| {
        credential.declared.is_none() && all.iter().any(|it| it.is_deleted() && it.touches(credential))
    };
    let mut planned = Planned { deleted: seen.iter().filter(|credential| goes(credential)).count(), ..Planned::default() };
    for declared in all.iter().filter(|it| !it.is_deleted() && !it.name.is_empty()) {
        if seen.iter().any(|credential| declared.is(credential) && !goes(credential)) {
            continue;
        }
        planned.names.insert(declared.name.to_ascii_lowercase());
        if let (Some(issuer), Some(subject)) = (&declared.issuer, &declared.subject) {
            planned.tokens.insert((issuer, subject.clone()));
        }
    }
    planned
}

/// What ServiceAccounts that name an identity need of it.
#[derive(Default)]
struct Needs<'a> {
    /// The tokens that no credential of the identity trusts, though somebody asks for them.
    tokens: BTreeSet<(&'a Issuer, Subject)>,
    /// How many ServiceAccounts there are beside of which it is not known whether anybody asks for their tokens,
    /// and what would have to be known of the first.
    open: Option<(Unknown, usize)>,
    /// What would have to be known to name them all.
    unknown: Option<Unknown>,
}

/// What is needed. A credential that is merely misspelt will be corrected, and needs no further place.
fn needs<'a>(identity: &Identity, trust: &Trust<'a>) -> Needs<'a> {
    let seen = trust.credentials_seen(identity);
    let mut needs = Needs::default();
    for account in trust.accounts_naming(&identity.client_id) {
        let issuer = match trust.issuer(account.cluster) {
            Ok(issuer) => issuer,
            Err(key) => {
                needs.unknown = needs.unknown.or(Some(key));
                continue;
            }
        };
        let subject = account.subject();
        let of_cluster = || seen.iter().filter(|credential| credential.issuer == *issuer);
        if of_cluster().any(|credential| credential.admits(&subject) == Some(true)) || uses_bindings(account, trust) {
            continue;
        }
        let asked = trust.is_asked_for(account);
        if asked == Ok(false) {
            continue;
        }
        if let Some(flexible) = of_cluster().find(|credential| credential.admits(&subject).is_none()) {
            needs.unknown = needs.unknown.or(Some(expression_of(flexible)));
            continue;
        }
        #[cfg(feature = "audit")]
        if let Some(place) = trust.unplaced(account.cluster, &subject)
            && of_cluster().any(|credential| may_mean(credential, issuer, &subject))
        {
            needs.unknown = needs.unknown.or(Some(Unknown(place)));
            continue;
        }
        let audience = trust.parameters().audiences.first().cloned().unwrap_or_else(|| DEFAULT_AUDIENCE.into());
        let token = Token { issuer: issuer.clone(), subject, audience };
        if near::nearest(&token, seen).is_some_and(|miss| miss.is_misspelt()) {
            continue;
        }
        match asked {
            Ok(_) => _ = needs.tokens.insert((issuer, token.subject)),
            Err(key) => {
                let (first, others) = needs.open.unwrap_or((key, 0));
                needs.open = Some((first, others + 1));
            }
        }
    }
    needs.unknown = needs.unknown.or_else(|| trust.unread_accounts());
    needs
}

/// Whether all pods seen of a ServiceAccount that opt in use an identity binding.
fn uses_bindings(account: &ServiceAccount, trust: &Trust<'_>) -> bool {
    let all = trust.workloads_of(account.cluster, &account.namespace, &account.name);
    let mut pods = all.iter().filter(|workload| workload.opts_in()).peekable();
    pods.peek().is_some() && pods.all(|pod| pod.uses_identity_binding())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::declared::{Coming, Declared, DeclaredCredential};
    use crate::inventory::{Extent, Inventory};
    use crate::model::{ClusterIx, Pairs};
    use crate::parameters::Parameters;
    use crate::sample::{self, CLIENT};

    /// An identity with `used` credentials of GitHub and `needed` ServiceAccounts that wait.
    fn estate(used: usize, needed: usize) -> Inventory {
        let mut inventory = sample::cluster();
        inventory.coverage.clusters = true;
        inventory.coverage.cluster(ClusterIx(0)).service_accounts = Extent::Everything;
        inventory.identities.push(sample::identity());
        inventory.credentials.extend((0..used).map(|index| FederatedIdentityCredential {
            name: format!("fc{index}"),
            issuer: "https://token.actions.githubusercontent.com".into(),
            subject: Some(format!("repo:{index}").into()),
            ..sample::credential("", "")
        }));
        inventory.service_accounts.extend(
            (0..needed).map(|index| ServiceAccount { name: format!("account-{index}"), ..sample::account(CLIENT) }),
        );
        inventory.workloads.extend((0..needed).map(|index| pod(index, false)));
        inventory
    }

    /// A pod that asks for the tokens of the ServiceAccount of that number.
    fn pod(index: usize, binding: bool) -> Workload {
        sample::workload(&format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p{index}","namespace":"shop","labels":{{"azure.workload.identity/use":"true"}},"annotations":{{"azure.workload.identity/use-identity-binding":"{binding}"}}}},"spec":{{"serviceAccountName":"account-{index}"}}}}"#
        ))
    }

    fn knows_pods(inventory: &mut Inventory) {
        let of = inventory.coverage.cluster(ClusterIx(0));
        (of.pods, of.deployments) = (Extent::Everything, Extent::Everything);
    }

    fn verdict(inventory: &Inventory) -> Verdict {
        let parameters = Parameters::default();
        check(inventory.identities.first().unwrap(), &Trust::join(inventory, &parameters))
    }

    #[test]
    fn severity_follows_what_is_left() {
        for (used, needed, severity) in [
            (15, 0, None),
            (16, 0, Some(Severity::Medium)),
            (10, 6, Some(Severity::Medium)),
            (20, 0, Some(Severity::High)),
            (18, 2, Some(Severity::High)),
            (18, 3, Some(Severity::Critical)),
            (20, 1, Some(Severity::Critical)),
        ] {
            let found = verdict(&estate(used, needed)).unwrap().map(|finding| finding.severity);
            assert_eq!(found, severity, "{used} {needed}");
        }
    }

    #[test]
    fn a_need_of_a_namespace_that_is_a_guess_is_not_counted_if_it_may_be_met() {
        let mut inventory = estate(18, 3);
        inventory.service_accounts.iter_mut().for_each(|account| account.unplaced = true);
        let severity = |inventory: &Inventory| verdict(inventory).ok().flatten().map(|finding| finding.severity);
        assert_eq!(severity(&inventory), Some(Severity::Critical), "none of them is trusted in any namespace");
        *inventory.credentials.first_mut().unwrap() = sample::credential("depot", "account-0");
        assert_ne!(severity(&inventory), Some(Severity::Critical));
        inventory.service_accounts.iter_mut().for_each(|account| account.unplaced = false);
        assert_eq!(severity(&inventory), Some(Severity::Critical), "they are where they say");
    }

    #[test]
    fn who_uses_an_identity_binding_needs_no_credential() {
        let mut inventory = estate(1, 30);
        inventory.workloads.clear();
        inventory.credentials.first_mut().unwrap().issuer = "https://ib.oic.prod-aks.azure.com/t/c".into();
        assert!(verdict(&inventory).is_err(), "nothing is known of their pods");
        inventory.workloads.extend((0..30).map(|index| pod(index, true)));
        assert_eq!(verdict(&inventory), Ok(None));
        // Those that do not opt in ask for no token.
        let idle = |index| {
            let mut idle = pod(index, false);
            idle.template.labels = Pairs::default();
            idle
        };
        inventory.workloads.extend((0..30).map(idle));
        assert_eq!(verdict(&inventory), Ok(None));
        inventory.workloads.extend((0..20).map(|index| pod(index, false)));
        assert_eq!(verdict(&inventory).unwrap().unwrap().severity, Severity::Critical);
        assert_eq!(verdict(&estate(1, 30)).unwrap().unwrap().severity, Severity::Critical, "no binding");
    }

    #[test]
    fn whom_nobody_asks_for_needs_no_credential() {
        let of = |used, needed, asking: usize, known: bool| {
            let mut inventory = estate(used, needed);
            inventory.workloads.truncate(asking);
            if known {
                knows_pods(&mut inventory);
            }
            verdict(&inventory).map(|finding| finding.map(|finding| finding.severity)).ok()
        };
        assert_eq!(of(2, 22, 2, true), Some(None));
        assert_eq!(of(14, 22, 2, true), Some(Some(Severity::Medium)));
        assert_eq!(of(2, 22, 2, false), None, "it is not known of twenty");
        assert_eq!(of(2, 13, 2, false), Some(None), "too few to matter");
        assert_eq!(of(2, 14, 2, false), None);
        assert_eq!(of(16, 22, 2, false), Some(Some(Severity::Medium)), "those that are known");
    }

    /// Fifteen credentials, of which the first is `first`, and a ServiceAccount that may wait for the sixteenth.
    fn beside(first: impl FnOnce(&mut FederatedIdentityCredential)) -> Result<Option<Severity>, Unknown> {
        let mut inventory = estate(15, 1);
        first(inventory.credentials.first_mut().unwrap());
        verdict(&inventory).map(|finding| finding.map(|finding| finding.severity))
    }

    #[test]
    fn what_its_cluster_s_credentials_leave_is_needed() {
        let here = |subject: &'static str| {
            move |credential: &mut FederatedIdentityCredential| {
                credential.issuer = "https://oidc.example.com".into();
                credential.subject = Some(subject.into());
            }
        };
        let flexible = |issuer: &'static str, expression: &'static str| {
            move |credential: &mut FederatedIdentityCredential| {
                credential.issuer = issuer.into();
                credential.subject = None;
                credential.expression = Some(expression.into());
            }
        };
        let (own, other) = ("https://oidc.example.com", "https://other.example.com");
        let all = "claims['sub'] matches 'system:serviceaccount:shop:*'";
        assert_eq!(beside(|_| ()), Ok(Some(Severity::Medium)));
        assert_eq!(beside(here("system:serviceaccount:shop:account-0")), Ok(None));
        assert_eq!(beside(here("system:serviceaccount:shop:ACCOUNT-0")), Ok(None), "it will be corrected");
        assert_eq!(beside(here("system:serviceaccount:shop:till")), Ok(Some(Severity::Medium)));
        assert_eq!(beside(flexible(own, all)), Ok(None));
        assert_eq!(beside(flexible(other, all)), Ok(Some(Severity::Medium)));
        assert!(beside(flexible(own, "claims['job'] eq 'x'")).is_err());
        assert_eq!(verdict(&estate(0, 16)).unwrap().unwrap().severity, Severity::Medium, "none is near");
    }

    #[test]
    fn a_full_identity_is_said_to_be_full() {
        let said = |used, needed| verdict(&estate(used, needed)).unwrap().unwrap().message;
        assert!(said(20, 0).starts_with("all 20 "), "{}", said(20, 0));
        assert!(said(18, 2).contains("the last"), "{}", said(18, 2));
    }

    #[test]
    fn credentials_that_are_declared_need_their_place() {
        let declared = |name: &str, subject: Option<&str>| DeclaredCredential {
            issuer: Some("https://token.actions.githubusercontent.com".into()),
            subject: subject.map(Subject::from),
            coming: Coming::Made,
            ..sample::declared(CLIENT, name)
        };
        let total = |used: usize, declared: Vec<DeclaredCredential>| {
            let mut inventory = estate(used, 0);
            for it in &declared {
                assert_eq!(it.identity, inventory.identities.first().unwrap().reference());
            }
            inventory.declared = Declared::of(declared, false);
            verdict(&inventory).unwrap().map(|finding| finding.severity)
        };
        let two = || vec![declared("a", Some("repo:a")), declared("b", Some("repo:b"))];
        assert_eq!(total(14, two()), Some(Severity::Medium));
        assert_eq!(total(18, two()), Some(Severity::High));
        assert_eq!(total(19, two()), Some(Severity::Critical));
        assert_eq!(total(15, vec![declared("fc0", Some("repo:0"))]), None, "it is there");
        assert_eq!(total(15, vec![declared("FC3", None)]), None, "it is there, by its name");
        assert_eq!(total(15, vec![declared("", Some("repo:a"))]), None, "it may be one that is there");
        assert_eq!(total(15, vec![declared("a", None)]), Some(Severity::Medium), "known once it is applied");
        let unclear = || vec![declared("a", None), declared("b", None), declared("c", Some("repo:c"))];
        assert_eq!(total(12, unclear()), None);
        assert_eq!(total(13, unclear()), Some(Severity::Medium));
        assert_eq!(total(18, unclear()), Some(Severity::Critical));
        let same = || vec![declared("a", Some("repo:a")), declared("b", Some("repo:a")), declared("A", Some("repo:a"))];
        assert_eq!(total(13, same()), None, "a name that is declared twice is one");
        assert_eq!(total(14, same()), Some(Severity::Medium), "two names are two, whatever they trust");
        let renamed = || {
            let gone = DeclaredCredential { coming: Coming::Deleted, ..declared("fc0", Some("repo:0")) };
            vec![gone, declared("new", Some("repo:0"))]
        };
        assert_eq!(total(15, renamed()), None, "one goes, one comes");
        assert_eq!(total(20, renamed()), Some(Severity::High), "the last is the last");
        let mut both = estate(14, 1);
        both.declared = Declared::of(vec![declared("a", Some("repo:a"))], false);
        assert_eq!(verdict(&both).unwrap().unwrap().severity, Severity::Medium, "neither stands for the other");
    }

    #[test]
    fn one_binding_serves_those_whose_pods_are_not_known() {
        let mut inventory = estate(15, 1);
        inventory.credentials.first_mut().unwrap().issuer = "https://ib.oic.prod-aks.azure.com/t/c".into();
        assert!(verdict(&inventory).unwrap().is_some(), "its pod uses none");
        inventory.workloads.clear();
        assert!(verdict(&inventory).is_err());
    }

    #[test]
    fn what_was_not_seen_is_not_free() {
        let mut inventory = estate(3, 0);
        inventory.coverage.cluster(ClusterIx(0)).service_accounts = Extent::Nothing;
        assert!(verdict(&inventory).is_err());
        let mut inventory = estate(3, 0);
        inventory.coverage.clusters = false;
        assert!(verdict(&inventory).is_err());
        let mut inventory = estate(15, 0);
        inventory.identities.first_mut().unwrap().credentials_complete = false;
        assert!(verdict(&inventory).is_err());
        let mut inventory = estate(16, 0);
        inventory.identities.first_mut().unwrap().credentials_complete = false;
        assert!(verdict(&inventory).unwrap().is_some());
    }
}
