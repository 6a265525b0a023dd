//! The label stands on the workload itself, not on its pods.
//!
//! The mutating webhook is asked about pods, and selects them by a label of the pod. A label on
//! the metadata of a Deployment, StatefulSet or CronJob stays there: its pods start without
//! `AZURE_FEDERATED_TOKEN_FILE`, and the first call to Azure falls through to the node's identity or fails.
//!
//! The metadata of a CronJob's `jobTemplate` is as idle: the Jobs get it, and their pods do not. The policy
//! leaves that to the audit.
//!
//! Some tools put labels on the metadata of every workload, of those too that want nothing of Azure. Where the
//! ServiceAccount is known and names no identity, no container is told a client id, and it is `default` or known
//! that no identity trusts it, the finding is low where the cluster's Deployments were all read; the policy leaves
//! that to the audit as well.
//!
//! A template that projects its own token is left alone, and so is who opts out with the value `false`, there or here.
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
//! ```yaml
//! # low: the pods may want no identity
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: shop}}
//! ---
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: redis, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {template: {spec: {containers: [{name: redis}]}}}
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
//! ```yaml
//! # opts out, if in the wrong place
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "false"}}
//! spec: {template: {spec: {serviceAccountName: cart}}}
//! ```
//!
//! ```yaml
//! # as do the Jobs
//! apiVersion: batch/v1
//! kind: CronJob
//! metadata: {name: nightly, namespace: shop}
//! spec: {jobTemplate: {metadata: {labels: {azure.workload.identity/use: "false"}}, spec: {template: {spec: {serviceAccountName: cart}}}}}
//! ```
//!
//! # As CEL
//!
//! ```cel
//! object.kind != "Pod"
//!   && "azure.workload.identity/use" in variables.ownLabels
//!   && !(variables.ownLabels["azure.workload.identity/use"] in [dyn("false"), dyn(false)])
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

#[cfg_attr(not(feature = "audit"), expect(unused_variables, reason = "the audit's alone"))]
fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
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
    let message =
        format!("label `{}` is on the {kind} itself, where nothing reads it; its pods are not labelled", label::USE);
    let finding =
        Finding::new(RULE.severity, here, message).with("value", value).with("expectedAt", there.as_str());
    #[cfg(feature = "audit")]
    if wants_nothing(workload, trust) {
        return Ok(Some(mild(finding, workload)));
    }
    Ok(Some(finding.fix(format!("move the label to `{there}`, with the value \"true\" in quotes"))))
}

/// Whether it is known that the pods have nothing to ask for: their ServiceAccount names no identity, is `default` or
/// trusted by none, and no container is told a client id.
#[cfg(feature = "audit")]
fn wants_nothing(workload: &Workload, trust: &Trust<'_>) -> bool {
    let Link::Found(account) = trust.service_account(workload) else { return false };
    let told = |container: &Container| container.variable("AZURE_CLIENT_ID").is_some() || !container.env_from.is_empty();
    trust.knows_deployments(workload.cluster)
        && account.client_id().is_none()
        && !workload.containers().any(|(container, _)| told(container))
        && (account.name == "default" || trust.is_admitted_by_none(workload))
}

#[cfg(feature = "audit")]
fn mild(mut finding: Finding, workload: &Workload) -> Finding {
    finding.severity = Severity::Low;
    let account = workload.service_account();
    finding.message.push_str(&format!(", and ServiceAccount `{account}` names no identity, which they may not want"));
    let fix = format!("remove `{}`; if the pods are to have an identity, label them, and name it on a ServiceAccount of their own", finding.field);
    finding.with("serviceAccount", account).fix(fix)
}
