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
//! there knows its path, and one that does not opt in has no injected token to miss. In a container that
//! `skip-containers` names the webhook mounts nothing, so that the path leads nowhere. The variable in a manifest at a
//! path where no webhook puts a token is for `preset-variable` to tell. The contents of
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
//! ```yaml
//! # the webhook passes over the container that reads the token
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
//! # a token of its own in a container that is passed over
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/skip-containers: old}
//! spec:
//!   serviceAccountName: cart
//!   containers:
//!   - name: app
//!   - name: old
//!     args: [/var/run/secrets/azure/tokens/azure-identity-token]
//!     volumeMounts: [{name: own, mountPath: /var/run/secrets/azure/tokens}]
//!   volumes: [{name: own, projected: {sources: [{serviceAccountToken: {path: azure-identity-token, audience: "api://AzureADTokenExchange"}}]}}]
//! ```
//!
//! ```yaml
//! # the variable at a path that is no webhook's, which `preset-variable` tells
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec:
//!   template:
//!     metadata: {labels: {azure.workload.identity/use: "true"}}
//!     spec:
//!       serviceAccountName: cart
//!       containers: [{name: app, env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/tokens/azure-identity-toke}]}]
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
use crate::webhook::{MOUNT_PATHS, TOKEN_FILE, Version};

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

/// A container, where it stands, and where it names a path.
type Named<'a> = (&'a Container, Place, &'a TokenPath);

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let injected = named(workload).map(|named| of_injected(named, workload, trust));
    // What is broken already goes before what may be.
    if injected.as_ref().is_some_and(|finding| finding.breaks.is_some()) {
        return Ok(injected);
    }
    Ok(passed_over(workload).map(|named| of_passed_over(named, workload)).or(injected))
}

fn of_injected((container, place, named): Named<'_>, workload: &Workload, trust: &Trust<'_>) -> Finding {
    let field = format!("{place}.{}", named.field);
    let mounts = trust.mount_path(workload.cluster).filter(|path| !lies_in(&named.path, path));
    let newer = trust.newer_webhook(workload.cluster);
    let runs = mounts.filter(|_| newer.is_none());
    let severity = if runs.is_some() { Severity::High } else { RULE.severity };
    let but = match (mounts, newer) {
        (Some(path), Some(version)) => format!(
            "; the webhook that the cluster runs is `{version}`, and the newest that is known here, v1.6.0, mounts the token at `{path}`"
        ),
        (Some(path), None) => format!(", and the webhook that the cluster runs mounts the token at `{path}`"),
        (None, _) if is_known(&named.path) => ", which is another path with another version of the webhook".into(),
        (None, _) => ", where no version of the webhook that is known here puts a file".into(),
    };
    let message = format!("container `{}` names `{}`{but}", container.name, named.path);
    let fix = if is_variable(named) {
        format!("remove `{field}`: the webhook sets it")
    } else {
        format!("take the path in `{field}` from the variable `{TOKEN_FILE}`")
    };
    let finding = Finding::new(severity, field, message).with("path", named.path.as_str()).fix(fix);
    match runs {
        Some(path) => finding.breaks(Hop::Token).expected(path, Some(named.path.as_str())),
        None => finding,
    }
}

fn of_passed_over((container, place, named): Named<'_>, workload: &Workload) -> Finding {
    let list = workload.annotation_path(annotation::SKIP_CONTAINERS);
    let message = format!(
        "container `{}` names `{}`, but `{}` names the container, and the webhook mounts nothing there",
        container.name,
        named.path,
        annotation::SKIP_CONTAINERS
    );
    let fix = format!("take `{}` out of `{list}`, or mount a token of its own there", container.name);
    let finding = Finding::new(RULE.severity, format!("{place}.{}", named.field), message);
    let finding = finding.with("path", named.path.as_str()).fix(fix);
    finding.breaks(Hop::Token).expected("a file of a mounted volume", Some(named.path.as_str()))
}

/// Where a workload that opts in names a path of the webhook's itself, in a container into which it injects.
pub(super) fn named(workload: &Workload) -> Option<Named<'_>> {
    let running = workload.kind.shape == Shape::Pod;
    let is_misspelt = |named: &TokenPath| !is_known(&named.path) && !workload.brings_azure_token();
    let told_otherwise = |named: &TokenPath| is_variable(named) && (running || is_misspelt(named));
    workload.injected_containers().filter(|_| workload.opts_in()).find_map(|(container, place)| {
        let mut unmounted = unmounted(container);
        Some((container, place, unmounted.find(|named| !told_otherwise(named))?))
    })
}

/// The same in a container that is passed over.
fn passed_over(workload: &Workload) -> Option<Named<'_>> {
    let is_skipped = |container: &Container| workload.skipped().any(|name| name == container.name);
    let mut skipped = workload.containers().filter(|(container, _)| workload.opts_in() && is_skipped(container));
    skipped.find_map(|(container, place)| Some((container, place, unmounted(container).next()?)))
}

/// Where a container names a path at which it mounts nothing itself.
fn unmounted(container: &Container) -> impl Iterator<Item = &TokenPath> {
    let own = |named: &TokenPath| container.mounts.iter().any(|mount| mount.may_hold(&named.path));
    container.token_paths.iter().filter(move |named| !own(named))
}

fn is_variable(named: &TokenPath) -> bool {
    named.field == "env[AZURE_FEDERATED_TOKEN_FILE]"
}

/// Whether a version of the webhook puts something there. Those after v1.6.0 do it in a folder more.
fn is_known(path: &str) -> bool {
    const NEW: [&str; 4] = ["/token", "/token/azure-identity-token", "/ca-cert", "/ca-cert/ca.crt"];
    let [old, new] = MOUNT_PATHS;
    let path = path.trim_end_matches('/');
    let is_folder = |step: &str| step.rfind('/').unwrap_or_default() == 0;
    match path.strip_prefix(new) {
        Some(within) => {
            within.is_empty() || NEW.iter().any(|end| within.strip_suffix(end).is_some_and(is_folder))
        }
        None => path == old || path == Version::V1_5_1.token_file(),
    }
}

fn lies_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::is_known;

    #[test]
    fn a_path_is_known_if_a_version_puts_something_there() {
        for path in [
            "/var/run/secrets/azure/tokens",
            "/var/run/secrets/azure/tokens/",
            "/var/run/secrets/azure/tokens/azure-identity-token",
            "/var/run/secrets/azure/wi",
            "/var/run/secrets/azure/wi/token",
            "/var/run/secrets/azure/wi/token/azure-identity-token",
            "/var/run/secrets/azure/wi/ca-cert",
            "/var/run/secrets/azure/wi/ca-cert/ca.crt",
            "/var/run/secrets/azure/wi/0a1b/token/azure-identity-token",
        ] {
            assert!(is_known(path), "{path}");
        }
        for path in [
            "/var/run/secrets/azure/tokens/azure-identity-toke",
            "/var/run/secrets/azure/tokens/token/azure-identity-token",
            "/var/run/secrets/azure/wi/azure-identity-token",
            "/var/run/secrets/azure/wi/token/azure-identity-token/token",
            "/var/run/secrets/azure/wi/0a/1b/token/azure-identity-token",
        ] {
            assert!(!is_known(path), "{path}");
        }
    }
}
