//! A volume of Azure is mounted by an identity that does not trust the pods that have it.
//!
//! The drivers of Azure Files and Blob mount a volume with a `clientID` by the token of each pod that has it: the
//! identity must trust the pod's ServiceAccount, else the pod stays in `ContainerCreating`, with
//! AADSTS700213 in its events. The label that opts in is not needed.
//!
//! Of a StorageClass with a `clientID` the identity must trust any ServiceAccount of the cluster: which pods
//! will have its volumes is seen when there are volumes. A volume that no claim is bound to has no pods yet.
//! A client id that no managed identity and no app registration has, or that is another id of an identity, such as its
//! principal id, is accused as on a ServiceAccount (`client-id-unknown`): if both are listed, and some of the tenant
//! that is named beside it.
//! Volumes that a pod describes itself are not judged, nor are placeholders and other drivers.
//!
//! # Fails
//!
//! ```yaml
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/data, name: data, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/data/federatedIdentityCredentials/data, name: data, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:other", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {spec: {serviceAccountName: cart, volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]}}}}
//! ---
//! apiVersion: v1
//! kind: PersistentVolume
//! metadata: {name: data}
//! spec: {claimRef: {namespace: shop, name: data}, csi: {driver: file.csi.azure.com, volumeHandle: data, volumeAttributes: {clientID: 5a1e2c3d-0001-4000-8000-000000000001, mountWithWorkloadIdentityToken: "true"}}}
//! ```
//!
//! ```yaml
//! apiVersion: storage.k8s.io/v1
//! kind: StorageClass
//! metadata: {name: files}
//! provisioner: file.csi.azure.com
//! parameters: {storageAccount: shop, clientID: id-files, mountWithWorkloadIdentityToken: "true"}
//! ```
//!
//! ```yaml
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/files, name: files, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/files/federatedIdentityCredentials/files, name: files, issuer: "https://token.actions.githubusercontent.com", subject: "repo:shop/files:ref:refs/heads/main", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! apiVersion: storage.k8s.io/v1
//! kind: StorageClass
//! metadata: {name: files}
//! provisioner: file.csi.azure.com
//! parameters: {storageAccount: shop, clientID: 5a1e2c3d-0001-4000-8000-000000000001, mountWithWorkloadIdentityToken: "true"}
//! ```
//!
//! ```yaml
//! # the principal id of the identity
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, principalId: 5a1e2c3d-0001-4000-8000-000000000002, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! apiVersion: v1
//! kind: PersistentVolume
//! metadata: {name: data}
//! spec: {csi: {driver: file.csi.azure.com, volumeHandle: data, volumeAttributes: {clientID: 5a1e2c3d-0001-4000-8000-000000000002, mountWithWorkloadIdentityToken: "true"}}}
//! ```
//!
//! ```yaml
//! # nobody has this client id
//! - {id: /subscriptions/s/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-cart, name: id-cart, clientId: 5a1e2c3d-0001-4000-8000-000000000001, principalId: 5a1e2c3d-0001-4000-8000-000000000002, tenantId: 11111111-1111-1111-1111-111111111111, type: Microsoft.ManagedIdentity/userAssignedIdentities}
//! ---
//! - {appId: 5a1e2c3d-0001-4000-8000-000000000003, id: 5a1e2c3d-0001-4000-8000-000000000004, displayName: web}
//! ---
//! apiVersion: storage.k8s.io/v1
//! kind: StorageClass
//! metadata: {name: files}
//! provisioner: file.csi.azure.com
//! parameters: {storageAccount: shop, clientID: 5a1e2c3d-0009-4000-8000-000000000009, mountWithWorkloadIdentityToken: "true"}
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
//! apiVersion: storage.k8s.io/v1
//! kind: StorageClass
//! metadata: {name: files}
//! provisioner: file.csi.azure.com
//! parameters: {storageAccount: shop, clientID: 5a1e2c3d-0009-4000-8000-000000000009, mountWithWorkloadIdentityToken: "true", tenantID: 99999999-9999-9999-9999-999999999999}
//! ```
//!
//! ```yaml
//! # the identity trusts a ServiceAccount of the cluster
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/files, name: files, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/files/federatedIdentityCredentials/files, name: files, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! apiVersion: storage.k8s.io/v1
//! kind: StorageClass
//! metadata: {name: files}
//! provisioner: file.csi.azure.com
//! parameters: {storageAccount: shop, clientID: 5a1e2c3d-0001-4000-8000-000000000001, mountWithWorkloadIdentityToken: "true"}
//! ```
//!
//! ```yaml
//! # a driver that takes no token of pods
//! apiVersion: storage.k8s.io/v1
//! kind: StorageClass
//! metadata: {name: files}
//! provisioner: disk.csi.azure.com
//! parameters: {storageAccount: shop, clientID: 5a1e2c3d-0001-4000-8000-000000000001, mountWithWorkloadIdentityToken: "true"}
//! ```
//!
//! ```yaml
//! # the identity trusts the pods that mount the volume
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/data, name: data, clientId: 5a1e2c3d-0001-4000-8000-000000000001, type: Microsoft.ManagedIdentity/userAssignedIdentities}]
//! ---
//! [{id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/data/federatedIdentityCredentials/data, name: data, issuer: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/", subject: "system:serviceaccount:shop:cart", audiences: ["api://AzureADTokenExchange"]}]
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {spec: {serviceAccountName: cart, volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]}}}}
//! ---
//! apiVersion: v1
//! kind: PersistentVolume
//! metadata: {name: data}
//! spec: {claimRef: {namespace: shop, name: data}, csi: {driver: file.csi.azure.com, volumeHandle: data, volumeAttributes: {clientID: 5a1e2c3d-0001-4000-8000-000000000001, mountWithWorkloadIdentityToken: "true"}}}
//! ```
//!
//! ```yaml
//! # a volume that nobody claims
//! apiVersion: v1
//! kind: PersistentVolume
//! metadata: {name: data}
//! spec: {csi: {driver: file.csi.azure.com, volumeHandle: data, volumeAttributes: {clientID: 5a1e2c3d-0001-4000-8000-000000000001, mountWithWorkloadIdentityToken: "true"}}}
//! ```
//!
//! ```yaml
//! # a placeholder
//! apiVersion: storage.k8s.io/v1
//! kind: StorageClass
//! metadata: {name: files}
//! provisioner: file.csi.azure.com
//! parameters: {clientID: "${CLIENT_ID}"}
//! ```
use crate::exchange::trusts_one_like;
use crate::model::{Life, Login, Volume, is_guid, is_placeholder};
use crate::on_behalf;
use crate::prelude::*;
use crate::whose::{Asked, right, whose};

pub(super) static RULE: Rule = Rule {
    summary: "a volume is mounted by an identity that does not trust the pods that have it",
    severity: Severity::Medium,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &["700213", "700016"],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Custom(check)],
};

fn check(custom: &Custom, trust: &Trust<'_>) -> Verdict {
    let Some(login) = custom.logins().first().filter(|_| custom.is_volume()) else { return Ok(None) };
    let id = login.client_id.as_str();
    if is_placeholder(id) {
        return Ok(None);
    }
    let told = |severity, message: String, fix: String| {
        let finding = Finding::new(severity, login.path.as_str(), message);
        Ok(Some(finding.with("clientId", id).fix(fix)))
    };
    let finding = |message: String, fix: String| told(RULE.severity, message, fix);
    if !is_guid(id) {
        return finding(format!("`{id}` is no client id"), "give the identity's client id, a GUID".to_owned());
    }
    let identity = match whose(id, || Ok(&login.tenant_id), trust)? {
        Asked::Of(identity) => identity,
        Asked::Nobody(why, meant) => return finding(why, format!("give {}", right(meant))),
        Asked::Disabled(why, fix) => return finding(why, fix),
    };
    let add = format!("add a federated credential to identity `{}` for", identity.name);
    if custom.kind.kind == "StorageClass" {
        if trusts_one_like(identity, custom.cluster, trust, |_, _| true)? {
            return Ok(None);
        }
        let message = format!("identity `{}` trusts no ServiceAccount of the cluster", identity.name);
        return finding(message, format!("{add} the ServiceAccount of each pod that has volumes of this class"));
    }
    match mounter(custom, login, identity, trust)? {
        None => Ok(None),
        Some((subject, life)) => {
            let (severity, mount) = match life {
                Life::Active => (RULE.severity, "mount"),
                _ => (Severity::Low, "will mount"),
            };
            let message =
                format!("identity `{}` does not trust `{subject}`, as which pods {mount} the volume", identity.name);
            told(severity, message, format!("{add} subject {subject}"))
        }
    }
}

/// Who mounts a volume in vain.
fn mounter(
    custom: &Custom,
    login: &Login,
    identity: &Identity,
    trust: &Trust<'_>,
) -> Result<Option<(Subject, Life)>, crate::trust::Unknown> {
    let Some((namespace, claim)) = &login.claim else { return Ok(None) };
    let is_it = |volume: &Volume| matches!(volume, Volume::Claim(name) if name == claim);
    on_behalf::distrusted_mounter(identity, (custom.cluster, namespace), trust, is_it)
}
