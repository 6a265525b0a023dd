//! A container names the path of the injected token itself.
//!
//! Where the token lies is the webhook's own affair and has changed: up to v1.5.1 in
//! `/var/run/secrets/azure/tokens`, from v1.6.0 on in `/var/run/secrets/azure/wi`, and on AKS the
//! webhook is updated without asking. What names the path then finds no file. `AZURE_FEDERATED_TOKEN_FILE`
//! always says where it is. Where the version that the cluster runs is known and mounts elsewhere, the path is
//! wrong already, and the finding is high.
//!
//! That variable on a running pod is what the webhook wrote. A pod that mounts a token of its own
//! there knows its path, and one that does not opt in has no injected token to miss. The contents of
//! ConfigMaps are not read. The policy leaves it to the audit: it would have to search every argument.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   template:
//!     metadata: {labels: {azure.workload.identity/use: "true"}}
//!     spec:
//!       serviceAccountName: cart
//!       containers: [{name: app, args: [--token-file=/var/run/secrets/azure/tokens/azure-identity-token]}]
//! ```
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   template:
//!     metadata: {labels: {azure.workload.identity/use: "true"}}
//!     spec:
//!       serviceAccountName: cart
//!       containers: [{name: app, env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/wi/token/azure-identity-token}]}]
//! ```
//!
//! ```yaml
//! # what is mounted is something else
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   template:
//!     metadata: {labels: {azure.workload.identity/use: "true"}}
//!     spec:
//!       serviceAccountName: cart
//!       containers: [{name: app, args: [--token-file=/var/run/secrets/azure/tokens/azure-identity-token], volumeMounts: [{name: own, mountPath: /var/run/secrets/azure/token}]}]
//!       volumes: [{name: own, projected: {sources: [{serviceAccountToken: {path: own, audience: "api://AzureADTokenExchange"}}]}}]
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # what the webhook wrote
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app, env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/tokens/azure-identity-token}]}]
//! ```
//!
//! ```yaml
//! # a token of its own
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   serviceAccountName: cart
//!   containers:
//!   - name: app
//!     command: [app, /var/run/secrets/azure/tokens/token]
//!     volumeMounts: [{name: entra, mountPath: /var/run/secrets/azure/tokens}]
//!   volumes: [{name: entra, projected: {sources: [{serviceAccountToken: {path: token, audience: "api://AzureADTokenExchange"}}]}}]
//! ```
//!
//! ```yaml
//! # the pod does not opt in
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop}
//! spec: {containers: [{name: app, args: [/var/run/secrets/azure/tokens/azure-identity-token]}]}
//! ```
//!
//! ```yaml
//! # another folder
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}}
//! spec: {serviceAccountName: cart, containers: [{name: app, args: [/var/run/secrets/azure/tokens-of-old/token]}]}
//! ```
use crate::model::{Shape, TokenPath};
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "a container names the path of the injected token itself",
    severity: Severity::Medium,
    confidence: Confidence::High,
    breaks: Breaks::Named,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let Some((container, place, named)) = named(workload) else { return Ok(None) };
    let field = format!("{place}.{}", named.field);
    let runs = trust.mount_path(workload.cluster).filter(|path| !lies_in(&named.path, path));
    let (severity, message) = match runs {
        Some(path) => (
            Severity::High,
            format!(
                "container `{}` names `{}`, and the webhook that the cluster runs mounts the token at `{path}`",
                container.name, named.path
            ),
        ),
        None => (
            RULE.severity,
            format!(
                "container `{}` names `{}`, which is another path with another version of the webhook",
                container.name, named.path
            ),
        ),
    };
    let fix = if named.field == "env[AZURE_FEDERATED_TOKEN_FILE]" {
        format!("remove `{field}`: the webhook sets it")
    } else {
        format!("take the path in `{field}` from the variable `AZURE_FEDERATED_TOKEN_FILE`")
    };
    let finding = Finding::new(severity, field, message).with("path", named.path.as_str()).fix(fix);
    Ok(Some(match runs {
        Some(path) => finding.breaks(Hop::Token).expected(path, Some(named.path.as_str())),
        None => finding,
    }))
}

/// Where a workload that opts in names a path of the webhook's itself.
pub(super) fn named(workload: &Workload) -> Option<(&Container, Place, &TokenPath)> {
    let running = workload.kind.shape == Shape::Pod;
    let injected = |named: &&TokenPath| running && named.field == "env[AZURE_FEDERATED_TOKEN_FILE]";
    workload.containers().filter(|_| workload.opts_in()).find_map(|(container, place)| {
        let own = |named: &&TokenPath| {
            container.mounts.iter().any(|mount| lies_in(&named.path, mount.path.trim_end_matches('/')))
        };
        let named = container.token_paths.iter().find(|named| !injected(named) && !own(named))?;
        Some((container, place, named))
    })
}

fn lies_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
