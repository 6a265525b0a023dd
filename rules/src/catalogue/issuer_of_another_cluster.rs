//! A credential trusts the issuer of a cluster that is not the one its ServiceAccount lives in.
//!
//! Every cluster of AKS or Azure Arc gets an issuer with a random id, for life. When it is rebuilt
//! under its old name, or its credentials are copied to the next one, they go on trusting an issuer
//! that signs nothing any more, and the workload is refused with AADSTS700211.
//!
//! If the identity also trusts the ServiceAccount's own cluster, the credential may serve one that
//! nobody described to us, and is left alone; so is one whose ServiceAccount names another identity,
//! or none. Issuers declared for a known cluster are known.
//!
//! # Fails
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/99999999-9999-9999-9999-999999999999/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the identity trusts the ServiceAccount's own cluster too
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/old, name: old, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/99999999-9999-9999-9999-999999999999/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ```
//!
//! ```yaml
//! # the ServiceAccount names another identity
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/99999999-9999-9999-9999-999999999999/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 44444444-4444-4444-4444-444444444444}}}
//! ```
//!
//! ```yaml
//! # the issuer is that of a known cluster
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}, {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/next, name: next, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/99999999-9999-9999-9999-999999999999/"}, securityProfile: {workloadIdentity: {enabled: true}}}]
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/99999999-9999-9999-9999-999999999999/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ```
//!
//! ```yaml
//! # the ServiceAccount names no identity
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/99999999-9999-9999-9999-999999999999/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ```
//!
//! ```yaml
//! # its cluster is of another tenant
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/44444444-4444-4444-4444-444444444444/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/99999999-9999-9999-9999-999999999999/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ```
//!
//! ```yaml
//! # its cluster's issuer is off
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: false, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/99999999-9999-9999-9999-999999999999/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ```
use crate::exchange::expression_of;
use crate::near::Token;
use crate::prelude::*;
use crate::repair;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "a credential trusts another cluster's issuer than its ServiceAccount's",
    severity: Severity::High,
    confidence: Confidence::Medium,
    breaks: Breaks::Modelled,
    aadsts: &["700211"],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Credential(check)],
};

fn check(credential: &FederatedIdentityCredential, trust: &Trust<'_>) -> Verdict {
    let Some(home) = credential.issuer.azure_home() else { return Ok(None) };
    let Some(trusted) = Token::trusted_by(credential) else { return Ok(None) };
    let alike = |issuer: &Issuer| {
        let (a, b) = (issuer.as_str().trim_end_matches('/'), credential.issuer.as_str().trim_end_matches('/'));
        a.eq_ignore_ascii_case(b)
    };
    if trusted.subject.service_account().is_none() || trust.clusters().any(|(_, cluster)| cluster.issuers().any(alike))
    {
        return Ok(None);
    }
    if !trust.knows_all_clusters() {
        return Err(Unknown(Key::Clusters(credential.issuer.clone())));
    }
    let Some(identity) = trust.parent(credential) else { return Err(Unknown(Key::Parent(credential.name.clone()))) };
    let mut unknown = None;
    for (index, cluster) in trust.clusters().filter(|(_, cluster)| cluster.oidc_issuer_enabled != Some(false)) {
        if cluster.issuer.as_ref().is_some_and(|issuer| issuer.azure_home() != Some(home)) {
            continue;
        }
        match waits(trust, index, &trusted.subject, identity) {
            Ok(false) => {}
            Err(key) => unknown = unknown.or(Some(key)),
            Ok(true) => {
                let issuer = trust.issuer(index)?;
                let message = format!(
                    "issuer `{}` is that of no known cluster; `{}` lives in `{}` and is not trusted there",
                    credential.issuer, trusted.subject, cluster.name
                );
                let token = Token { issuer: issuer.clone(), ..trusted };
                return Ok(Some(
                    Finding::new(RULE.severity, "issuer", message)
                        .with("issuer", credential.issuer.as_str())
                        .with("clusterIssuer", issuer.as_str())
                        .with("cluster", cluster.name.as_str())
                        .fix(repair::correction(trust, credential, &token)),
                ));
            }
        }
    }
    unknown.map_or(Ok(None), Err)
}

/// Whether a ServiceAccount of that cluster waits for this identity's trust in vain.
fn waits(
    trust: &Trust<'_>,
    cluster: crate::model::ClusterIx,
    subject: &Subject,
    identity: &Identity,
) -> Result<bool, Unknown> {
    let Some((namespace, name)) = subject.service_account() else { return Ok(false) };
    let Some(account) = trust.service_account_named(cluster, namespace, name).known()? else { return Ok(false) };
    if account.client_id().is_none_or(|client_id| client_id.folded() != identity.client_id.folded()) {
        return Ok(false);
    }
    let issuer = trust.issuer(cluster)?;
    let of_cluster = || trust.credentials_seen(identity).iter().filter(|credential| credential.issuer == *issuer);
    if of_cluster().any(|credential| credential.admits(subject) == Some(true)) {
        return Ok(false);
    }
    if let Some(flexible) = of_cluster().find(|credential| credential.admits(subject).is_none()) {
        return Err(expression_of(flexible));
    }
    trust.credentials(identity).map(|_| true)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use crate::inventory::Inventory;
    use crate::model::ClusterIx;
    use crate::parameters::Parameters;
    use crate::sample::{CLIENT, account, cluster, credential, identity};

    const OURS: &str = "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/";
    const GONE: &str = "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/99999999-9999-9999-9999-999999999999/";

    fn estate(issuer: Option<&str>, others: &[&str]) -> Inventory {
        let gone = FederatedIdentityCredential { issuer: GONE.into(), ..credential("shop", "cart") };
        let mut inventory = Inventory { identities: vec![identity()], credentials: vec![gone], ..cluster() };
        inventory.service_accounts.push(account(CLIENT));
        inventory.coverage.clusters = true;
        inventory.clusters[0].issuer = issuer.map(Issuer::from);
        inventory.clusters[0].other_issuers = others.iter().map(|&other| other.into()).collect();
        inventory
    }

    fn verdict(inventory: &Inventory) -> Result<bool, Unknown> {
        let parameters = Parameters::default();
        let trust = Trust::join(inventory, &parameters);
        check(&inventory.credentials[0], &trust).map(|found| found.is_some())
    }

    #[test]
    fn a_cluster_may_have_had_the_issuer() {
        assert_eq!(verdict(&estate(Some(OURS), &[])), Ok(true));
        assert_eq!(verdict(&estate(Some(OURS), &[GONE])), Ok(false));
        assert_eq!(verdict(&estate(Some("https://oidc.example.com"), &[])), Ok(false), "of no cluster of Azure's");
    }

    #[test]
    fn a_cluster_without_a_known_issuer_may_be_where_it_lives() {
        assert_eq!(verdict(&estate(None, &[])), Err(Unknown(Key::Issuer(ClusterIx(0)))));
    }
}
