//! A workload uses an identity by which the cluster itself acts.
//!
//! The identities of the nodes, the control plane and the add-ons are made by AKS, with rights that the
//! cluster needs and a life that ends with it. They have no federated credential, so the exchange fails; or
//! somebody gave them one, and then the workload may do what the cluster may.
//!
//! A client id in a variable counts where a container opts in; of a running pod, where its ServiceAccount
//! does not name the same, which would be accused instead. Without a description of the cluster
//! by Azure nothing is said; a cluster of Azure Arc has no such identities, nor has one whose issuer is that of neither.
//! The policy leaves it to the
//! audit, which sees that description.
//!
//! # Fails
//!
//! ```yaml
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, identity: {type: SystemAssigned}, identityProfile: {kubeletidentity: {clientId: 5a1e2c3d-0001-4000-8000-000000000001}}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5A1E2C3D-0001-4000-8000-000000000001}}
//! ```
//!
//! ```yaml
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, addonProfiles: {azureKeyvaultSecretsProvider: {enabled: true, identity: {clientId: 5a1e2c3d-0001-4000-8000-000000000001}}}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}]}]
//! ```
//!
//! ```yaml
//! # what the webhook wrote into the pod is the ServiceAccount's fault
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, addonProfiles: {azureKeyvaultSecretsProvider: {enabled: true, identity: {clientId: 5a1e2c3d-0001-4000-8000-000000000001}}}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, uid: 5f0c, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}]}]
//! ```
//!
//! ```yaml
//! # a running pod, whose ServiceAccount names no identity
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, addonProfiles: {azureKeyvaultSecretsProvider: {enabled: true, identity: {clientId: 5a1e2c3d-0001-4000-8000-000000000001}}}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, uid: 5f0c, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}]}]
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # an identity of its own
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, identityProfile: {kubeletidentity: {clientId: 5a1e2c3d-0001-4000-8000-000000000009}}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ```
//!
//! ```yaml
//! # the pod does not opt in: it asks the node
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, identityProfile: {kubeletidentity: {clientId: 5a1e2c3d-0001-4000-8000-000000000001}}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}]}]}
//! ```
//!
//! ```yaml
//! # a cluster that is not of Azure has none
//! {issuer: "https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF", jwks_uri: "https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF/keys"}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}
//! ```
//!
//! ```yaml
//! # which identities are the cluster's is not said
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! apiVersion: v1
//! kind: ServiceAccount
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5A1E2C3D-0001-4000-8000-000000000001}}
//! ```
use crate::model::{ClusterIx, OwnIdentity, Platform};
use crate::near::annotate;
use crate::prelude::*;
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "a workload uses an identity by which the cluster itself acts",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &["70025"],
    frameworks: &["MCSB PA-7"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(on_workload), Check::ServiceAccount(on_account)],
};

fn on_account(account: &ServiceAccount, trust: &Trust<'_>) -> Verdict {
    let Some(client_id) = account.client_id() else { return Ok(None) };
    let Some(own) = own(account.cluster, client_id.as_str(), trust)? else { return Ok(None) };
    let field = format!("metadata.annotations[{}]", annotation::CLIENT_ID);
    let fix = annotate(&account.namespace, &account.name, annotation::CLIENT_ID, "CLIENT_ID");
    Ok(Some(finding(field, &own.role, client_id.as_str()).fix(format!("make an identity for the workload, then: {fix}"))))
}

fn on_workload(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    if !workload.opts_in() {
        return Ok(None);
    }
    for (container, place) in workload.injected_containers() {
        let Some(client_id) = container.literal("AZURE_CLIENT_ID") else { continue };
        let Some(own) = own(workload.cluster, client_id, trust)? else { continue };
        if workload.template.live && injected(client_id, trust.service_account(workload).known()?) {
            continue;
        }
        let field = format!("{place}.env[AZURE_CLIENT_ID]");
        let fix = format!("make an identity for the workload, and set its client id in `{field}`");
        return Ok(Some(finding(field, &own.role, client_id).fix(fix)));
    }
    Ok(None)
}

/// Whether the webhook would write this client id into the pods of a ServiceAccount, which is then
/// the one to accuse.
fn injected(client_id: &str, account: Option<&ServiceAccount>) -> bool {
    account.and_then(ServiceAccount::client_id).is_some_and(|of| of.as_str().eq_ignore_ascii_case(client_id))
}

fn own<'a>(cluster: ClusterIx, client_id: &str, trust: &Trust<'a>) -> Result<Option<&'a OwnIdentity>, Unknown> {
    let unknown = || Unknown(Key::Description(cluster));
    let described = trust.cluster(cluster).ok_or_else(unknown)?;
    let is_elsewhere = described.platform == Platform::Other && described.issuer.as_ref().is_some_and(Issuer::is_ones_own);
    if described.own_identities.is_empty() && described.platform != Platform::Arc && !is_elsewhere {
        return Err(unknown());
    }
    Ok(described.own_identities.iter().find(|own| own.client_id.as_str().eq_ignore_ascii_case(client_id)))
}

fn finding(field: String, role: &str, client_id: &str) -> Finding {
    let message = format!("client id `{client_id}` is that of the cluster's own identity `{role}`");
    Finding::new(RULE.severity, field, message).with("clientId", client_id).with("role", role)
}
