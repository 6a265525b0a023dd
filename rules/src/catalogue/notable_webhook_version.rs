//! The version of the webhook behaves otherwise than what is documented now, or than before.
//!
//! What pods get differs by the version of `azure-wi-webhook-controller-manager`, which is the tag of its
//! image. Before v1.0.0 the labels of ServiceAccounts counted, and the webhook was registered with
//! `failurePolicy: Ignore`. Before v1.5.1 a ServiceAccount without client id got its pods an empty
//! `AZURE_CLIENT_ID`, before which `envFrom` yields. From v1.6.0 on the token is at another path, and what
//! names the path of before (`hard-coded-token-path`, AWI503) finds nothing there: the finding says who.
//!
//! Nobody but Azure upgrades the webhook of the add-on of AKS, in `kube-system`, and of the extension
//! of Arc, in `arc-workload-identity`: of theirs it is only said. The version is all that is judged; the
//! webhook's ConfigMap `azure-wi-webhook-config`, with its tenant and its cloud, is not read. The policy
//! leaves it to the audit.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v0.15.0"}]}}}
//! ```
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.3.0"}]}}}
//! ```
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: kube-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.3.0"}]}}}
//! ```
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: kube-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.6.0"}]}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app, args: [/var/run/secrets/azure/tokens/azure-identity-token]}]}}}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the path is still that of before
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"}]}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app, args: [/var/run/secrets/azure/tokens/azure-identity-token]}]}}}}
//! ```
//!
//! ```yaml
//! # nobody names the path of before
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: azure-workload-identity-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.6.0"}]}}}
//! ---
//! {apiVersion: apps/v1, kind: Deployment, metadata: {name: cart, namespace: shop}, spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}}
//! ```
//!
//! ```yaml
//! # another Deployment
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: webhook-of-old, namespace: azure-workload-identity-system}
//! spec: {replicas: 2, template: {spec: {serviceAccountName: azure-wi-webhook-admin, containers: [{name: manager, image: "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.3.0"}]}}}
//! ```
use super::hard_coded_token_path;
use crate::prelude::*;
use crate::release::Release;
use crate::trust::{Key, Unknown};
use crate::webhook::MOUNT_PATHS;

pub(super) static RULE: Rule = Rule {
    summary: "the version of the webhook behaves otherwise than what is documented now, or than before",
    severity: Severity::Medium,
    confidence: Confidence::High,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

/// Workloads that are named in a finding.
const NAMED: usize = 20;

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    if !workload.is_webhook() {
        return Ok(None);
    }
    let below = |least: &str| workload.webhook_version().and_then(|version| Release::is_below(version, least));
    let unsaid = || Unknown(Key::Value("the version of the webhook".into()));
    // The path came with the first of the versions before 1.6.0, in which AKS tried identity bindings.
    let (ancient, old) = (below("1.0.0-alpha").ok_or_else(unsaid)?, below("1.5.1").ok_or_else(unsaid)?);
    let moved = !below("1.6.0-alpha").ok_or_else(unsaid)?;
    let version = workload.webhook_version().unwrap_or_default();
    let (severity, message) = if ancient {
        (
            Severity::High,
            format!(
                "the webhook is `{version}`: before v1.0.0 it went by the labels of ServiceAccounts too, and pods were made without a token while it did not answer"
            ),
        )
    } else if old {
        (
            Severity::Low,
            format!(
                "the webhook is `{version}`: before v1.5.1 it sets `AZURE_CLIENT_ID` to nothing where a ServiceAccount names no client id, and hides what `envFrom` sets"
            ),
        )
    } else if moved {
        return paths(workload, version, trust);
    } else {
        return Ok(None);
    };
    let (severity, fix) = if workload.is_managed_webhook() {
        (Severity::Info, "keep the cluster up to date: Azure upgrades this webhook, and nobody else can")
    } else {
        (severity, "upgrade the webhook to v1.5.1 or later; from v1.6.0 on the token has another path")
    };
    Ok(Some(finding(workload, severity, message, version).fix(fix)))
}

/// Who names the path of before, where the webhook has the new one.
fn paths(workload: &Workload, version: &str, trust: &Trust<'_>) -> Verdict {
    let [old, new] = MOUNT_PATHS;
    let names_old = |it: &&Workload| {
        hard_coded_token_path::named(it).is_some_and(|(.., named)| named.path.starts_with(old))
    };
    let mut hit: Vec<String> = trust
        .workloads(workload.cluster)
        .filter(names_old)
        .map(|it| format!("{}/{}/{}", it.namespace, it.kind.kind, it.name))
        .collect();
    if hit.is_empty() {
        let all_known = trust.knows_deployments(workload.cluster);
        return if all_known { Ok(None) } else { Err(Unknown(Key::Deployments(workload.cluster))) };
    }
    hit.sort_unstable();
    let whose = match hit.as_slice() {
        [one] => format!("`{one}` names"),
        [one, others @ ..] => format!("`{one}` and {} more name", others.len()),
        [] => return Ok(None),
    };
    let message = format!("the webhook is `{version}`, which mounts the token at `{new}`: {whose} `{old}`");
    let count = hit.len();
    hit.truncate(NAMED);
    let fix = "have each take the path from the variable `AZURE_FEDERATED_TOKEN_FILE`, and make its pods anew";
    let finding = finding(workload, Severity::Info, message, version).with("workloads", hit);
    Ok(Some(finding.with("workloadCount", count).fix(fix)))
}

fn finding(workload: &Workload, severity: Severity, message: String, version: &str) -> Finding {
    let at = workload.containers().find(|(container, _)| container.image.is_some());
    let field = at.map_or_else(|| "spec.template.spec.containers".to_owned(), |(_, place)| format!("{place}.image"));
    Finding::new(severity, field, message).with("version", version)
}
