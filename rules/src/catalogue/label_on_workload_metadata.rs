//! The label stands on the workload itself, not on its pods.
//!
//! The mutating webhook is asked about pods, and selects them by a label of the pod. A label on
//! the metadata of a Deployment, StatefulSet or CronJob stays there: its pods start without
//! `AZURE_FEDERATED_TOKEN_FILE`, and the first call to Azure falls through to the node's identity or fails.
//!
//! The metadata of a CronJob's `jobTemplate` is as idle: the Jobs get it, and their pods do not. The policy
//! leaves that to the audit.
//!
//! A template that projects its own token, and one that opts out with the value `false`, are left alone.
//! So is one that has the label with a wrong value, which is for `label-value-not-true` to tell: a
//! ReplicaSet's own labels are a copy of its template's.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata:
//!   name: cart
//!   namespace: shop
//!   labels:
//!     azure.workload.identity/use: "true"
//! spec:
//!   template:
//!     metadata:
//!       labels: {app: cart}
//!     spec:
//!       serviceAccountName: cart
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the label is where it belongs
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   template:
//!     metadata:
//!       labels: {app: cart, azure.workload.identity/use: "true"}
//! ```
//!
//! ```yaml
//! # the template opts out
//! apiVersion: batch/v1
//! kind: CronJob
//! metadata: {name: report, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {jobTemplate: {spec: {template: {metadata: {labels: {azure.workload.identity/use: "false"}}}}}}
//! ```
//!
//! ```yaml
//! # the template has it too, with another value
//! apiVersion: apps/v1
//! kind: ReplicaSet
//! metadata: {name: cart-5d8f7, namespace: shop, labels: {azure.workload.identity/use: "True"}}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "True"}}}}
//! ```
//!
//! ```yaml
//! # the template projects its own token
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   template:
//!     spec:
//!       volumes:
//!       - name: token
//!         projected: {sources: [{serviceAccountToken: {path: token, audience: "api://AzureADTokenExchange"}}]}
//! ```
//!
//! # As CEL
//!
//! ```cel
//! object.kind != "Pod"
//!   && "azure.workload.identity/use" in variables.ownLabels
//!   && !("azure.workload.identity/use" in variables.labels)
//!   && !variables.audiences.exists(volume, volume.exists(a, a.startsWith("api://AzureADTokenExchange")))
//!   && !(size(variables.audiences) > 0
//!     && variables.containers.exists(c, c.env.exists(e, e.name == "AZURE_FEDERATED_TOKEN_FILE")))
//! ```
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "the label that opts in stands on the workload, not on its pod template",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Modelled,
    aadsts: &[],
    frameworks: &["MCSB IM-3"],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, _: &Trust<'_>) -> Verdict {
    let own = workload.labels.get(label::USE).filter(|_| workload.has_misplaced_label());
    let own = own.map(|value| (value, "metadata", workload.kind.kind));
    #[cfg(feature = "audit")]
    let own = own.or_else(|| {
        let value = workload.job_labels.get(label::USE).filter(|_| workload.labels_its_jobs())?;
        Some((value, "spec.jobTemplate.metadata", "job template"))
    });
    let Some((value, path, kind)) = own else { return Ok(None) };
    let here = format!("{path}.labels[{}]", label::USE);
    let there = workload.label_path(label::USE);
    Ok(Some(
        Finding::new(
            RULE.severity,
            here,
            format!("label `{}` is on the {kind} itself, where nothing reads it; its pods are not labelled", label::USE),
        )
        .with("value", value)
        .with("expectedAt", there.as_str())
        .fix(format!("move the label to `{there}`, with the value \"true\" in quotes")),
    ))
}
