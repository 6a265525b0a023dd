//! A credential trusts a ServiceAccount that does not exist.
//!
//! Subjects of Kubernetes are names, and a name can be taken again: whoever may create the namespace
//! or the ServiceAccount anew gets the identity with it. Credentials are not deleted with the
//! workloads they were made for, and each takes one of twenty places.
//!
//! Where it is known that others than administrators can create the namespace, `claimable-subject`
//! says so in its place.
//!
//! Namespaces declared as pending are provisioned later than their credentials. So is the ServiceAccount of a
//! credential that a Terraform plan or a template is still to make or change: Azure comes first, the application
//! after it, and of what is not there yet nobody can get an identity. Once it is there it is judged like any other;
//! how old it is then, is not read. Identity bindings, flexible credentials and other issuers trust no ServiceAccount by name; a
//! malformed subject is `malformed-subject`'s. The ServiceAccount `default` exists wherever its namespace
//! does.
//!
//! # Fails
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: other}}
//! ```
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: checkout, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ```
//!
//! ```yaml
//! # the namespace of a default ServiceAccount is gone
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:default", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: other}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the ServiceAccount exists
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ```
//!
//! ```yaml
//! # not an issuer of Kubernetes
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/cart:ref:refs/heads/main", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: other}}
//! ```
//!
//! ```yaml
//! # an identity binding
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://ib.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/33333333-3333-3333-3333-333333333333", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: other}}
//! ```
//!
//! ```yaml
//! # a flexible credential
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/flex, name: flex, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", claimsMatchingExpression: {languageVersion: 1, value: "claims['sub'] matches 'system:serviceaccount:shop:*'"}, audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: other}}
//! ```
//!
//! ```yaml
//! # a malformed subject
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:*", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: other}}
//! ```
//!
//! ```yaml
//! # `default` exists wherever its namespace does
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart/federatedIdentityCredentials/fc, name: fc, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:default", audiences: ["api://AzureADTokenExchange"], type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ```
//!
//! ```yaml
//! # a plan is still to make it
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: checkout, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! format_version: "1.2"
//! terraform_version: 1.9.8
//! resource_changes:
//! - address: azurerm_federated_identity_credential.cart
//!   mode: managed
//!   type: azurerm_federated_identity_credential
//!   change: {actions: [create], before: null, after: {name: fc, user_assigned_identity_id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audience: ["api://AzureADTokenExchange"]}, after_unknown: {}}
//! ```
//!
//! ```yaml
//! # a template is still to make it
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 33333333-3333-3333-3333-333333333333, resourceGroup: rg, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
//! ---
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: checkout, namespace: shop, annotations: {azure.workload.identity/client-id: 33333333-3333-3333-3333-333333333333}}}
//! ---
//! "$schema": https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#
//! contentVersion: 1.0.0.0
//! resources:
//! - type: Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials
//!   apiVersion: "2024-11-30"
//!   name: id-cart/fc
//!   properties: {issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}
//! ```
use super::malformed_subject::is_well_formed;
use crate::near::shell;
use crate::parameters::any_glob;
use crate::prelude::*;
use crate::repair;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "a credential trusts a ServiceAccount that does not exist",
    severity: Severity::High,
    confidence: Confidence::Medium,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &["MCSB IM-3", "NIST 800-53 AC-2"],
    yields_to: &["AWI710"],
    since: "0.1.0",
    checks: &[Check::Credential(check)],
};

/// What a credential trusts and a cluster lacks.
pub(super) struct Missing<'a> {
    /// The name of the cluster.
    pub(super) cluster: &'a str,
    /// The namespace.
    pub(super) namespace: &'a str,
    /// The ServiceAccount, if the namespace is there.
    pub(super) name: Option<&'a str>,
}

fn check(credential: &FederatedIdentityCredential, trust: &Trust<'_>) -> Verdict {
    let Some(missing) = missing(credential, trust)? else { return Ok(None) };
    let gone = match missing {
        Missing { namespace, name: Some(name), .. } => format!("ServiceAccount `{namespace}/{name}`"),
        Missing { namespace, name: None, .. } => format!("namespace `{namespace}`"),
    };
    let subject = credential.subject.as_ref().map(Subject::as_str).unwrap_or_default();
    let message = format!(
        "trusts `{subject}`, but cluster `{}` has no {gone}: whoever creates it gets the identity",
        missing.cluster
    );
    // Without the credential a workload that names the ServiceAccount would be cut off for good.
    let fix = match named_by(credential, trust) {
        Some(user) => format!(
            "{} {}/{} runs under it: kubectl create serviceaccount {} --namespace {}",
            user.kind.kind,
            user.namespace,
            user.name,
            shell(user.service_account()),
            shell(&user.namespace)
        ),
        None => repair::removal(trust, credential),
    };
    Ok(Some(
        Finding::new(RULE.severity, "subject", message)
            .with("subject", subject)
            .with("issuer", credential.issuer.as_str())
            .with("cluster", missing.cluster)
            .with("missing", gone.replace('`', ""))
            .fix(fix),
    ))
}

/// A workload that runs under the ServiceAccount that a credential trusts.
fn named_by<'a>(credential: &FederatedIdentityCredential, trust: &Trust<'a>) -> Option<&'a Workload> {
    let (namespace, name) = credential.service_account()?;
    let (cluster, _) = trust.cluster_of(&credential.issuer)?;
    trust.workloads_of(cluster, namespace, name).first().copied()
}

/// What is missing of what a credential trusts by name.
pub(super) fn missing<'a>(
    credential: &'a FederatedIdentityCredential,
    trust: &Trust<'a>,
) -> Result<Option<Missing<'a>>, Unknown> {
    let Some(subject) = credential.subject.as_ref().filter(|subject| is_well_formed(subject)) else { return Ok(None) };
    let Some((namespace, name)) = subject.service_account() else { return Ok(None) };
    if credential.issuer.is_identity_binding() || any_glob(&trust.parameters().pending_namespaces, namespace) {
        return Ok(None);
    }
    #[cfg(feature = "audit")]
    if trust.is_to_come(credential) {
        return Ok(None);
    }
    let Some((index, cluster)) = trust.cluster_of(&credential.issuer) else {
        return if trust.knows_all_clusters() {
            Ok(None)
        } else {
            Err(Unknown(Key::Clusters(credential.issuer.clone())))
        };
    };
    let missing = |name| Missing { cluster: &cluster.name, namespace, name };
    match (trust.service_account_named(index, namespace, name), trust.namespace(index, namespace)) {
        (Link::Found(_), _) => Ok(None),
        // It may be the one that a file states no namespace of.
        #[cfg(feature = "audit")]
        (Link::Unknown(key @ Key::Place(..)), _) => Err(Unknown(key)),
        (_, Link::Absent) => Ok(Some(missing(None))),
        (_, Link::Found(())) if name == "default" => Ok(None),
        (_, Link::Unknown(key)) if name == "default" => Err(Unknown(key)),
        (Link::Absent, _) => Ok(Some(missing(Some(name)))),
        (Link::Unknown(key), _) => Err(Unknown(key)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::inventory::{Extent, Inventory};
    use crate::model::{ClusterIx, Origin, Parent};
    use crate::parameters::Parameters;

    #[test]
    fn a_pending_namespace_may_come_later() {
        let issuer: Issuer = "https://oidc.prod-aks.azure.com/22222222-2222-2222-2222-222222222222/".into();
        let credential = FederatedIdentityCredential {
            name: "fc".into(),
            id: String::new(),
            parent: Parent::Unknown,
            issuer: issuer.clone(),
            subject: Some(Subject::of("review-17", "cart")),
            audiences: Vec::new(),
            expression: None,
            declared: None,
            origin: Origin::default(),
        };
        let mut inventory = Inventory::default();
        inventory.clusters.push(Cluster { name: "prod".into(), issuer: Some(issuer), ..Cluster::default() });
        inventory.coverage.cluster(ClusterIx(0)).namespaces = Extent::Everything;
        let pending = Parameters { pending_namespaces: vec!["review-*".into()], ..Parameters::default() };
        assert!(check(&credential, &Trust::join(&inventory, &Parameters::default())).unwrap().is_some());
        assert_eq!(check(&credential, &Trust::join(&inventory, &pending)), Ok(None));
    }
}
