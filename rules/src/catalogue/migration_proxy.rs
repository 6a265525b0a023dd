//! A pod asks for the migration proxy.
//!
//! The proxy answers like the node's endpoint for tokens, for programs whose SDK does not know
//! workload identity yet: an aid for the time of a migration. It comes with a privileged init container
//! that turns the pod's traffic, which Pod Security admits neither at `baseline` nor at `restricted`. A
//! Job with it does not complete before Kubernetes 1.32, where it became a native sidecar.
//!
//! Where it cannot work the finding is high: with `hostNetwork`, for which the webhook refuses the
//! pod; on Windows, which has no such proxy; and without the label that opts in, when nobody injects
//! it. So it is for a Job whose cluster is known to be older than 1.32, and in a namespace that enforces one of
//! those levels, of which the audit alone knows. Elsewhere it is medium. A pod that opts out is not judged.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/inject-proxy-sidecar: "true"}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/inject-proxy-sidecar: "true"}
//! spec: {serviceAccountName: cart, hostNetwork: true}
//! ```
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/inject-proxy-sidecar: "true"}
//! spec: {serviceAccountName: cart, nodeSelector: {kubernetes.io/os: windows}}
//! ```
//!
//! ```yaml
//! apiVersion: batch/v1
//! kind: Job
//! metadata: {name: cart}
//! spec:
//!   template:
//!     metadata: {annotations: {azure.workload.identity/inject-proxy-sidecar: "true"}}
//!     spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! # a Job does not complete with it
//! apiVersion: batch/v1
//! kind: Job
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   template:
//!     metadata:
//!       labels: {azure.workload.identity/use: "true"}
//!       annotations: {azure.workload.identity/inject-proxy-sidecar: "true"}
//!     spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! # its namespace refuses it
//! {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: baseline}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/inject-proxy-sidecar: "true"}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # no proxy, on the node's network and on Windows
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, hostNetwork: true, os: {name: windows}}
//! ```
//!
//! ```yaml
//! # the pod opts out
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "false"}
//!   annotations: {azure.workload.identity/inject-proxy-sidecar: "true"}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! # As CEL
//!
//! ```cel
//! "azure.workload.identity/inject-proxy-sidecar" in variables.annotations && !variables.optsOut
//! ```
//!
//! Only a warning:
//!
//! ```cel
//! variables.optsIn
//!   && variables.template.?spec.?hostNetwork.orValue(dyn(null)) != true
//!   && variables.template.?spec.?os.?name.orValue(dyn(null)) != "windows"
//!   && variables.template.?spec.?nodeSelector[?"kubernetes.io/os"].orValue(dyn(null)) != "windows"
//! ```
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "a pod asks for the migration proxy",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Named,
    aadsts: &[],
    frameworks: &[],
    yields_to: &["AWI101", "AWI102", "AWI103"],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let asked = workload.template.annotations.get(annotation::INJECT_PROXY).is_some();
    if !asked || workload.opts_out() {
        return Ok(None);
    }
    let field = workload.annotation_path(annotation::INJECT_PROXY);
    let placement = workload.template.placement;
    let finishes = matches!(workload.kind.kind, "Job" | "CronJob");
    let mut never_starts = false;
    let (severity, why) = if !workload.opts_in() {
        (RULE.severity, "but they do not opt in, so nobody injects it")
    } else if placement.host_network {
        (RULE.severity, "but the webhook refuses it to pods on the node's network")
    } else if placement.windows {
        never_starts = true;
        (RULE.severity, "but there is none for Windows")
    } else if cfg!(feature = "audit") && is_kept_out(workload, trust) {
        never_starts = true;
        (RULE.severity, "but their namespace enforces Pod Security, which refuses its privileged container")
    } else if finishes && cfg!(feature = "audit") && lacks_native_sidecars(workload, trust) {
        (RULE.severity, "with which a Job does not complete in this cluster, which is older than Kubernetes 1.32")
    } else if finishes {
        (Severity::Medium, "with which a Job does not complete before Kubernetes 1.32")
    } else {
        (Severity::Medium, "an aid for migrations that brings a privileged container")
    };
    let message = format!("the pods ask for the migration proxy, {why}");
    let fix = format!("update the Azure SDK to one that knows workload identity, and remove `{field}`");
    let finding = Finding::new(severity, field, message).breaks_if(never_starts, Hop::Webhook);
    Ok(Some(
        finding.with("hostNetwork", placement.host_network).with("windows", placement.windows).with("optsIn", workload.opts_in()).fix(fix),
    ))
}

/// Whether the namespace is known to enforce a level of Pod Security that admits no privileged container
/// (Kubernetes, Pod Security Standards).
#[cfg(feature = "audit")]
fn is_kept_out(workload: &Workload, trust: &Trust<'_>) -> bool {
    let labels = trust.namespace_labels(workload.cluster, &workload.namespace).known().ok().flatten();
    let level = labels.and_then(|labels| labels.get("pod-security.kubernetes.io/enforce"));
    level.is_some_and(|level| matches!(level, "baseline" | "restricted"))
}

#[cfg(not(feature = "audit"))]
fn is_kept_out(_: &Workload, _: &Trust<'_>) -> bool {
    false
}

/// Whether the cluster is known to be older than 1.32.
fn lacks_native_sidecars(workload: &Workload, trust: &Trust<'_>) -> bool {
    let version = trust.cluster(workload.cluster).map_or("", |cluster| cluster.kubernetes_version.as_str());
    let mut numbers = version.trim_start_matches('v').split(['.', '+', '-']).map_while(|text| text.parse::<u32>().ok());
    numbers.next().zip(numbers.next()).is_some_and(|version| version < (1, 32))
}
