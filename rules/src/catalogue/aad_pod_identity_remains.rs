//! AAD Pod Identity still runs in a cluster.
//!
//! Its DaemonSet NMI intercepts what pods ask of the node's endpoint for tokens, on every node, and
//! needs rights over the identities of the whole cluster. It was archived in 2023, and the AKS add-on
//! has had no fixes since September 2025. It is told by `podIdentityProfile` of the cluster, or by the images
//! of NMI and its controller MIC.
//!
//! The policy leaves it to the audit: what is installed already is not to be kept out.
//!
//! # Fails
//!
//! ```yaml
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, podIdentityProfile: {enabled: true}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ```
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: DaemonSet
//! metadata: {name: nmi, namespace: kube-system}
//! spec: {template: {spec: {containers: [{name: nmi, image: "mcr.microsoft.com/oss/azure/aad-pod-identity/nmi:v1.8.17"}]}}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the add-on is off, and the images are others
//! {id: /subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod, name: prod, type: Microsoft.ContainerService/ManagedClusters, resourceGroup: rg, podIdentityProfile: {enabled: false}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: mic, namespace: shop}
//! spec: {template: {spec: {containers: [{name: mic, image: "example.azurecr.io/sound/mic:1"}]}}}
//! ```
use crate::prelude::*;
use crate::repair::{shell, subscription};

pub(super) static RULE: Rule = Rule {
    summary: "AAD Pod Identity still runs in a cluster",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Nothing,
    aadsts: &[],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(on_workload), Check::Cluster(on_cluster)],
};

fn on_cluster(cluster: &Cluster, _: &Trust<'_>) -> Verdict {
    if cluster.pod_identity_enabled != Some(true) {
        return Ok(None);
    }
    let group = if cluster.resource_group.is_empty() { "RESOURCE_GROUP" } else { &cluster.resource_group };
    let subscription =
        subscription(&cluster.id).map_or_else(String::new, |id| format!(" --subscription {}", shell(id)));
    let fix = format!(
        "move what is labelled `{}` to workload identity, then: az aks update --name {} --resource-group {}{subscription} --disable-pod-identity",
        label::AAD_POD_IDENTITY,
        shell(&cluster.name),
        shell(group)
    );
    let message = "the add-on for AAD Pod Identity is on, which is no longer maintained";
    Ok(Some(Finding::new(RULE.severity, "podIdentityProfile.enabled", message).fix(fix)))
}

fn on_workload(workload: &Workload, _: &Trust<'_>) -> Verdict {
    let part = |image: &&str| {
        let name = image.rsplit('/').next().unwrap_or_default();
        let name = name.split([':', '@']).next().unwrap_or_default();
        image.contains("aad-pod-identity/") && ["nmi", "mic"].contains(&name)
    };
    let images = workload.containers().filter_map(|(container, place)| Some((container.image.as_deref()?, place)));
    let Some((image, place)) = images.into_iter().find(|(image, _)| part(image)) else { return Ok(None) };
    let message = format!("image `{image}` is of AAD Pod Identity, which is no longer maintained");
    let fix = format!(
        "move what is labelled `{}` to workload identity, then remove AAD Pod Identity from the cluster",
        label::AAD_POD_IDENTITY
    );
    Ok(Some(Finding::new(RULE.severity, format!("{place}.image"), message).with("image", image).fix(fix)))
}
