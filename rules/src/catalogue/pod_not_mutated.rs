//! A labelled pod runs without what the webhook injects.
//!
//! The pod has the label, and none of its containers has `AZURE_FEDERATED_TOKEN_FILE`: the webhook
//! did not see it. It was not there when the pod was created, or does not look into this namespace,
//! or the label was set on a pod that ran already: the webhook sees pods only as they are created.
//! The SDKs find no token and go on to the next credential.
//!
//! Only pods of a cluster can tell, which have a `uid`; in a manifest nothing is injected yet. A pod
//! of which `skip-containers` names every container, and one that brings a token of its own, are as
//! they should be. One that has ended asks for no token any more, and Kubernetes keeps thousands of them. The policy
//! leaves it to the audit.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, uid: 5f0c, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}]}]}
//! status: {phase: Running}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # it has what is injected
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, uid: 5f0c, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/tokens/azure-identity-token}], volumeMounts: [{name: azure-identity-token, mountPath: /var/run/secrets/azure/tokens}]}]}
//! ```
//!
//! ```yaml
//! # a manifest: it is not created yet
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app}]}
//! ```
//!
//! ```yaml
//! # every container is skipped
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   uid: 5f0c
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/skip-containers: app}
//! spec: {serviceAccountName: cart, containers: [{name: app}]}
//! ```
//!
//! ```yaml
//! # it brings a token of its own
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, uid: 5f0c, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app}]
//!   volumes: [{name: azure, projected: {sources: [{serviceAccountToken: {audience: "api://AzureADTokenExchange", path: token}}]}}]
//! ```
//!
//! ```yaml
//! # it has ended: it was evicted
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, uid: 5f0c, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app}]}
//! status: {phase: Failed, reason: Evicted}
//! ```
//!
//! ```yaml
//! # it has ended: it is done
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, uid: 5f0c, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app}]}
//! status: {phase: Succeeded}
//! ```
//!
//! ```yaml
//! # it is not labelled
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, uid: 5f0c}
//! spec: {serviceAccountName: cart, containers: [{name: app}]}
//! ```
//!
//! ```yaml
//! # one container has it: the webhook saw the pod
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, uid: 5f0c, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/tokens/azure-identity-token}], volumeMounts: [{name: azure-identity-token, mountPath: /var/run/secrets/azure/tokens}]}, {name: added-later}]}
//! ```
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "a labelled pod runs without what the webhook injects",
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
    #[cfg(feature = "audit")]
    if workload.has_ended() {
        return Ok(None);
    }
    let mut injected = workload.injected_containers().peekable();
    let told = |(container, _): (&Container, Place)| container.variable("AZURE_FEDERATED_TOKEN_FILE").is_some();
    if !workload.template.live
        || !workload.opts_in()
        || workload.brings_azure_token()
        || injected.peek().is_none()
        || injected.any(told)
    {
        return Ok(None);
    }
    let message = "the pod is labelled, but no container has `AZURE_FEDERATED_TOKEN_FILE`: the webhook did not see it when it was created";
    let fix = "see that the webhook runs and looks into this namespace, then delete the pod so that it is created anew";
    Ok(Some(Finding::new(RULE.severity, workload.label_path(label::USE), message).fix(fix)))
}
