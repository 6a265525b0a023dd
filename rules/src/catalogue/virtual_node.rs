//! A pod that opts in goes to a virtual node.
//!
//! Virtual nodes of AKS run pods in Azure Container Instances, which do not mount the projected
//! token of a ServiceAccount: the webhook injects its volume, and the container finds no file.
//!
//! A pod that merely tolerates virtual nodes may run elsewhere, and the finding is medium. Where Azure
//! says that the cluster has no virtual nodes, it is for information. A toleration of everything
//! names no virtual node, and pods that do not opt in are not judged.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, nodeSelector: {type: virtual-kubelet}}
//! ```
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, nodeName: virtual-node-aci-linux}
//! ```
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, tolerations: [{key: virtual-kubelet.io/provider, operator: Exists}]}
//! ```
//!
//! ```yaml
//! # the cluster has none
//! {name: prod, type: Microsoft.ContainerService/ManagedClusters, addonProfiles: {aciConnectorLinux: {enabled: false}}, oidcIssuerProfile: {enabled: true, issuerUrl: "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/22222222-2222-2222-2222-222222222222/"}, securityProfile: {workloadIdentity: {enabled: true}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, nodeSelector: {type: virtual-kubelet}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # an ordinary node, and a toleration of everything
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, nodeName: node-1, nodeSelector: {type: gpu}, tolerations: [{operator: Exists}]}
//! ```
//!
//! ```yaml
//! # the pod does not opt in
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {serviceAccountName: cart, nodeSelector: {type: virtual-kubelet}}
//! ```
//!
//! # As CEL
//!
//! What Azure says of the cluster is not seen.
//!
//! ```cel
//! variables.optsIn
//!   && (variables.template.?spec.?nodeSelector[?"type"].orValue(dyn(null)) == "virtual-kubelet"
//!     || [variables.template.?spec.?nodeName.orValue(dyn(null))].exists(name,
//!       name != null && string(name).startsWith("virtual-node-"))
//!     || (variables.template.?spec.?tolerations.orValue(null) == null ? [] : variables.template.spec.tolerations)
//!       .exists(t, t.?key.orValue(dyn(null)) == "virtual-kubelet.io/provider"))
//! ```
//!
//! Only a warning:
//!
//! ```cel
//! variables.template.?spec.?nodeSelector[?"type"].orValue(dyn(null)) != "virtual-kubelet"
//!   && ![variables.template.?spec.?nodeName.orValue(dyn(null))].exists(name,
//!     name != null && string(name).startsWith("virtual-node-"))
//! ```
use crate::model::VirtualNode;
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "a pod that opts in goes to a virtual node",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Named,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let Some(by) = workload.template.placement.virtual_node.filter(|_| workload.opts_in()) else { return Ok(None) };
    let spec = workload.kind.spec_path();
    let (severity, field, go) = match by {
        VirtualNode::Named => (RULE.severity, format!("{spec}.nodeName"), "go"),
        VirtualNode::Selected => (RULE.severity, format!("{spec}.nodeSelector[type]"), "go"),
        VirtualNode::Tolerated => (Severity::Medium, format!("{spec}.tolerations"), "may go"),
    };
    let none = trust.cluster(workload.cluster).and_then(|cluster| cluster.virtual_nodes) == Some(false);
    let (severity, but) = if none { (Severity::Info, "; the cluster has none") } else { (severity, "") };
    let message = format!("the pods opt in and {go} to a virtual node, where no token is mounted{but}");
    let fix = format!("run them on ordinary nodes: change `{field}`");
    let finding = Finding::new(severity, field, message).with("chosen", by != VirtualNode::Tolerated);
    Ok(Some(finding.breaks_if(severity == RULE.severity, Hop::Token).fix(fix)))
}
