//! A container names the path of the injected token itself.
//!
//! Where the token lies is the webhook's own affair and has changed: up to v1.5.1 in
//! `/var/run/secrets/azure/tokens`, from v1.6.0 on in `/var/run/secrets/azure/wi`, and on AKS the
//! webhook is updated without asking. What names the path then finds no file. `AZURE_FEDERATED_TOKEN_FILE`
//! always says where it is. Where the version that the cluster runs is known and mounts elsewhere, the path is
//! wrong already, and the finding is high. Of a version after v1.6 nobody has said here where it mounts: it is
//! told where v1.6.0 does, and nothing is taken for wrong.
//!
//! Read are the variables, command and arguments of containers, and the commands of their probes and hooks, which run
//! among the same files. That variable on a running pod is what the webhook wrote. A pod that mounts a token of its own
//! there knows its path, and one that does not opt in has no injected token to miss, nor has a container that
//! `skip-containers` names. The contents of
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
//! ```yaml
//! # a probe
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   template:
//!     metadata: {labels: {azure.workload.identity/use: "true"}}
//!     spec:
//!       serviceAccountName: cart
//!       containers: [{name: app, livenessProbe: {exec: {command: [test, -s, /var/run/secrets/azure/tokens/azure-identity-token]}}}]
//! ```
//!
//! ```yaml
//! # a hook
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   template:
//!     metadata: {labels: {azure.workload.identity/use: "true"}}
//!     spec:
//!       serviceAccountName: cart
//!       containers: [{name: app, lifecycle: {preStop: {exec: {command: [leave, /var/run/secrets/azure/tokens/azure-identity-token]}}}}]
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
//! # nothing is injected into this container
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/skip-containers: old}
//! spec: {serviceAccountName: cart, containers: [{name: app}, {name: old, args: [/var/run/secrets/azure/tokens/azure-identity-token]}]}
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
    let mounts = trust.mount_path(workload.cluster).filter(|path| !lies_in(&named.path, path));
    let newer = trust.newer_webhook(workload.cluster);
    let runs = mounts.filter(|_| newer.is_none());
    let (severity, message) = match (mounts, newer) {
        (Some(path), Some(version)) => (
            RULE.severity,
            format!(
                "container `{}` names `{}`; the webhook that the cluster runs is `{version}`, and the newest that is known here, v1.6.0, mounts the token at `{path}`",
                container.name, named.path
            ),
        ),
        (Some(path), None) => (
            Severity::High,
            format!(
                "container `{}` names `{}`, and the webhook that the cluster runs mounts the token at `{path}`",
                container.name, named.path
            ),
        ),
        (None, _) => (
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
    workload.injected_containers().filter(|_| workload.opts_in()).find_map(|(container, place)| {
        let own = |named: &&TokenPath| container.mounts.iter().any(|mount| mount.may_hold(&named.path));
        let named = container.token_paths.iter().find(|named| !injected(named) && !own(named))?;
        Some((container, place, named))
    })
}

fn lies_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
