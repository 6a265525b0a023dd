//! The ServiceAccount of a workload does not exist.
//!
//! Kubernetes refuses a pod whose ServiceAccount is not there, with `error looking up service account`, which
//! shows in the events of what should have made it and nowhere else. Pods that run already keep running, but
//! their token is not renewed. Mostly the name is misspelt, or stands in another namespace.
//!
//! Judged are workloads that ask for a token of Azure, whose ServiceAccounts are all listed. `default` is
//! made by Kubernetes in every namespace, so that no manifest needs to say it, and a Job that is done needs
//! none any more. A CronJob or a Job that is suspended makes no pod now, and will as soon as somebody or
//! something resumes it, as queues do with every Job of theirs: it is told at low severity, as all that
//! rests. A pod that runs had its ServiceAccount when it was made, and perhaps has it
//! still: pods are listed at another moment than ServiceAccounts. What made it is judged. The policy leaves it to
//! the audit: a ServiceAccount may be created after the workload, at the same time.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: v1
//! kind: List
//! items:
//! - {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! - {apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: shop}}
//! - {apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: kube-system}}
//! - apiVersion: apps/v1
//!   kind: Deployment
//!   metadata: {name: cart, namespace: shop}
//!   spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: carts, containers: [{name: app}]}}}
//! ```
//!
//! ```yaml
//! # suspended: its pods will be refused
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! apiVersion: batch/v1
//! kind: CronJob
//! metadata: {name: cart, namespace: shop}
//! spec: {schedule: "0 3 * * *", suspend: true, jobTemplate: {spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: carts, containers: [{name: app}]}}}}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # it is there
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app}]}
//! ```
//!
//! ```yaml
//! # Kubernetes makes this one
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {containers: [{name: app}]}
//! ```
//!
//! ```yaml
//! # the Job is done
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! apiVersion: batch/v1
//! kind: Job
//! metadata: {name: cart, namespace: shop, uid: 5f0c}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: carts, containers: [{name: app}]}}}
//! status: {completionTime: "2026-11-01T08:00:00Z"}
//! ```
//!
//! ```yaml
//! # it runs: the ServiceAccount was there
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, uid: 5f0c, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: carts, containers: [{name: app}]}
//! ```
//!
//! ```yaml
//! # nothing of Azure
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop}}
//! ---
//! {apiVersion: v1, kind: Pod, metadata: {name: cart, namespace: shop}, spec: {serviceAccountName: carts, containers: [{name: app}]}}
//! ```
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "the ServiceAccount of a workload does not exist",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Modelled,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let name = workload.service_account();
    if name == "default" || workload.template.live || !(workload.opts_in() || workload.projects_azure_token()) {
        return Ok(None);
    }
    if trust.service_account(workload).known()?.is_some() {
        return Ok(None);
    }
    let namespace = &workload.namespace;
    let field = format!("{}.serviceAccountName", workload.kind.spec_path());
    let message = format!("namespace `{namespace}` has no ServiceAccount `{name}`, so Kubernetes refuses the pods");
    let fix = match trust.account_like(workload.cluster, namespace, name) {
        Some(like) => format!("set `{field}` to `{}`, or create ServiceAccount {name} in namespace {namespace}", like.name),
        None => format!(
            "name another in `{field}`, or create it: kubectl create serviceaccount {name} --namespace {namespace}"
        ),
    };
    Ok(Some(Finding::new(RULE.severity, field, message).with("serviceAccount", name).fix(fix)))
}
