//! Images are to be pulled by an identity that does not trust the ServiceAccount.
//!
//! From Kubernetes 1.33 on a kubelet may pull images by a token of the pod's ServiceAccount. The
//! credential provider of Azure Container Registry then asks for the identity whose client id the annotation
//! `kubernetes.azure.com/acr-client-id` gives, whose token the pod itself never sees. That identity must trust the
//! ServiceAccount, by a federated credential, or on AKS by an identity binding of the cluster; else the pod stays in
//! `ImagePullBackOff`.
//!
//! A client id that no managed identity and no app registration has, or that is another id of an identity, such as its
//! principal id, is accused as that of the pods is (`client-id-unknown`): if both are listed, and some of the tenant that
//! `kubernetes.azure.com/acr-tenant-id` gives.
//!
//! Whether kubelets ask for such tokens is in a file of each node, which is not read, nor is what roles the
//! identity has on the registry. With the parameter `templated` a placeholder is left for a later stage to fill in. The
//! policy leaves it to the audit.
//!
//! # Fails
//!
//! ```yaml
//! # a placeholder that nobody filled in
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {kubernetes.azure.com/acr-client-id: "${PULL_CLIENT_ID}"}}}
//! ```
//!
//! ```yaml
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {kubernetes.azure.com/acr-client-id: id-pull}}}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/pull, name: pull, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/pull/federatedIdentityCredentials/pull, name: pull, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:other", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod/identityBindings/other, name: other, type: Microsoft.ContainerService/managedClusters/identityBindings, properties: {managedIdentity: {resourceId: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/other, clientId: 5a1e2c3d-0002-4000-8000-000000000002}}}]
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {kubernetes.azure.com/acr-client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ```
//!
//! ```yaml
//! issuer: "https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
//! jwks_uri: "https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF/keys"
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/pull, name: pull, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/pull/federatedIdentityCredentials/pull, name: pull, issuer: "https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF", subject: "system:serviceaccount:shop:other", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {kubernetes.azure.com/acr-client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ```
//!
//! ```yaml
//! # the principal id of the identity
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, principalId: 5a1e2c3d-0001-4000-8000-000000000002, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {kubernetes.azure.com/acr-client-id: 5a1e2c3d-0001-4000-8000-000000000002}}}
//! ```
//!
//! ```yaml
//! # nobody has this client id
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, principalId: 5a1e2c3d-0001-4000-8000-000000000002, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {kubernetes.azure.com/acr-client-id: 5a1e2c3d-0009-4000-8000-000000000009}}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # nothing is listed of the tenant
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, principalId: 5a1e2c3d-0001-4000-8000-000000000002, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {kubernetes.azure.com/acr-client-id: 5a1e2c3d-0009-4000-8000-000000000009, kubernetes.azure.com/acr-tenant-id: 99999999-9999-9999-9999-999999999999}}}
//! ```
//!
//! ```yaml
//! # the identity trusts it
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/pull, name: pull, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/pull/federatedIdentityCredentials/pull, name: pull, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {kubernetes.azure.com/acr-client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ```
//!
//! ```yaml
//! # the identity is bound to the cluster
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/pull, name: pull, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/pull/federatedIdentityCredentials/pull, name: pull, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:other", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod/identityBindings/pull, name: pull, type: Microsoft.ContainerService/managedClusters/identityBindings, properties: {managedIdentity: {resourceId: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/pull, clientId: 5a1e2c3d-0001-4000-8000-000000000001}}}]
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {kubernetes.azure.com/acr-client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ```
//!
//! ```yaml
//! # images are pulled otherwise
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ```
use crate::model::{is_guid, is_placeholder};
use crate::near::annotate;
use crate::on_behalf;
use crate::prelude::*;
use crate::repair;
use crate::whose::{Asked, whose};

pub(super) static RULE: Rule = Rule {
    summary: "images are to be pulled by an identity that does not trust the ServiceAccount",
    severity: Severity::Medium,
    confidence: Confidence::Medium,
    breaks: Breaks::Nothing,
    aadsts: &["700213", "700016"],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::ServiceAccount(check)],
};

fn check(account: &ServiceAccount, trust: &Trust<'_>) -> Verdict {
    let Some(id) = account.annotations.get(annotation::ACR_CLIENT_ID) else { return Ok(None) };
    let is_left = is_placeholder(id);
    if is_left && trust.parameters().templated {
        return Ok(None);
    }
    let field = format!("metadata.annotations[{}]", annotation::ACR_CLIENT_ID);
    let (namespace, name) = (account.namespace.as_str(), account.name.as_str());
    if is_left || !is_guid(id) {
        let what = if is_left { "a placeholder that nobody filled in" } else { "no client id" };
        let message = format!("`{id}` is {what}");
        let fix = annotate(namespace, name, annotation::ACR_CLIENT_ID, "CLIENT_ID");
        return Ok(Some(Finding::new(RULE.severity, field, message).fix(fix)));
    }
    let client_id = ClientId::from(id);
    let tenant = || Ok(account.annotations.get(annotation::ACR_TENANT_ID).unwrap_or_default());
    let identity = match whose(id, tenant, trust)? {
        Asked::Of(identity) => identity,
        Asked::Nobody(why, meant) => {
            let right = meant.map_or("CLIENT_ID", |identity| identity.client_id.as_str());
            let fix = annotate(namespace, name, annotation::ACR_CLIENT_ID, right);
            return Ok(Some(Finding::new(RULE.severity, field, why).with("clientId", id).fix(fix)));
        }
        Asked::Disabled(why, fix) => {
            return Ok(Some(Finding::new(RULE.severity, field, why).with("clientId", id).fix(fix)));
        }
    };
    let (issuer, subject) = (trust.issuer(account.cluster)?, account.subject());
    if on_behalf::trusts(identity, account.cluster, &subject, trust)? {
        return Ok(None);
    }
    // Only AKS has identity bindings.
    if issuer.host().contains(".prod-aks.") && trust.identity_binding(account.cluster, &client_id).known()?.is_some() {
        return Ok(None);
    }
    let message = format!("identity `{}` does not trust `{subject}`, by which images are to be pulled", identity.name);
    let token = crate::near::Token {
        issuer: issuer.clone(),
        subject,
        audience: crate::model::DEFAULT_AUDIENCE.into(),
    };
    let finding = Finding::new(RULE.severity, field, message).with("clientId", id).with("identity", identity.name.as_str());
    Ok(Some(finding.fix(repair::create(identity, &token, trust))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::inventory::Inventory;
    use crate::parameters::Parameters;
    use crate::sample::account;

    #[test]
    fn a_later_stage_may_fill_it_in() {
        let inventory = Inventory::default();
        let account = account(r#"","kubernetes.azure.com/acr-client-id":"${ID}"#);
        for templated in [false, true] {
            let parameters = Parameters { templated, ..Parameters::default() };
            let verdict = check(&account, &Trust::join(&inventory, &parameters)).unwrap();
            let message = "`${ID}` is a placeholder that nobody filled in".to_owned();
            assert_eq!(verdict.map(|found| found.message), (!templated).then_some(message));
        }
    }
}
