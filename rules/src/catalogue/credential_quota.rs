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
use crate::trust::{Key, Unknown};
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
    let (severity, what) = if used > limit {
        (Severity::Critical, format!("{used} credentials are declared, and an identity takes {limit}"))
    } else if total > limit {
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
        if let Err(place) = trust.placed((account.cluster, &subject), issuer, seen) {
            needs.unknown = needs.unknown.or(Some(place));
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
    if identity.is_mention() {
        needs.unknown = Some(Unknown(Key::Identity(identity.name.clone())));
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
mod tests;
