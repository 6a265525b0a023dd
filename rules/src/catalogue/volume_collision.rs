//! A volume or mount stands where the webhook puts its own.
//!
//! The webhook adds a volume and mounts it. Up to v1.5.1 the volume is called `azure-identity-token`
//! and is mounted at `/var/run/secrets/azure/tokens`, unless the pod projects a token to a file
//! `azure-identity-token`: then it adds the mount alone, of a volume by its own name. From v1.6.0 on
//! the volume's name begins with `azure-workload-identity-reserved-` and its place is
//! `/var/run/secrets/azure/wi`. What is there already under that name or at that path makes a pod
//! that the API server refuses, or is overwritten.
//!
//! A volume of the right name with the right token is taken for the webhook's own, and a pod that has
//! been before the webhook has its volume from there. The policy leaves it to the audit.
//!
//! # Fails
//!
//! ```yaml
//! # another volume is mounted at the path
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   containers: [{name: app, volumeMounts: [{name: data, mountPath: /var/run/secrets/azure/wi}]}]
//!   volumes: [{name: data, emptyDir: {}}]
//! ```
//!
//! ```yaml
//! # a volume of that name holds something else
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   containers: [{name: app}]
//!   volumes: [{name: azure-identity-token, emptyDir: {}}]
//! ```
//!
//! ```yaml
//! # the token is there, in a volume of another name
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   containers: [{name: app}]
//!   volumes: [{name: token, projected: {sources: [{serviceAccountToken: {path: azure-identity-token}}]}}]
//! ```
//!
//! ```yaml
//! # a reserved name
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   containers: [{name: app}]
//!   volumes: [{name: azure-workload-identity-reserved-mine, emptyDir: {}}]
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the webhook's own, written out
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   containers: [{name: app, volumeMounts: [{name: azure-identity-token, mountPath: /var/run/secrets/azure/tokens}]}]
//!   volumes: [{name: azure-identity-token, projected: {sources: [{serviceAccountToken: {path: azure-identity-token, audience: "api://AzureADTokenExchange"}}]}}]
//! ```
//!
//! ```yaml
//! # the pod has been before the webhook
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, uid: 5f0c, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   containers: [{name: app, volumeMounts: [{name: azure-workload-identity-reserved-1c9f, mountPath: /var/run/secrets/azure/wi}]}]
//!   volumes: [{name: azure-workload-identity-reserved-1c9f, projected: {sources: [{serviceAccountToken: {path: token/azure-identity-token}}]}}]
//! ```
//!
//! ```yaml
//! # the container is skipped
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/skip-containers: app}
//! spec: {containers: [{name: app, volumeMounts: [{name: data, mountPath: /var/run/secrets/azure/wi}]}]}
//! ```
//!
//! ```yaml
//! # not labelled: nothing is injected
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart}
//! spec: {containers: [{name: app, volumeMounts: [{name: data, mountPath: /var/run/secrets/azure/tokens}]}]}
//! ```
use crate::prelude::*;
use crate::webhook::{self, MOUNT_PATHS, RESERVED, TOKEN_VOLUME};

pub(super) static RULE: Rule = Rule {
    summary: "a volume or mount stands where the webhook puts its own",
    severity: Severity::High,
    confidence: Confidence::High,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, _: &Trust<'_>) -> Verdict {
    if !workload.opts_in() || webhook::has_seen(&workload.template) {
        return Ok(None);
    }
    let mut all: Vec<(String, String)> = Vec::new();
    for volume in &workload.template.token_volumes {
        let has_the_token = volume.tokens.iter().any(|token| token.path == TOKEN_VOLUME);
        let name = &volume.name;
        let why = if name.starts_with(RESERVED) {
            "has a name that the webhook reserves from v1.6.0 on"
        } else if name == TOKEN_VOLUME && !has_the_token {
            "has the name of the webhook's volume up to v1.5.1, but not its token"
        } else if name != TOKEN_VOLUME {
            "has the token that the webhook up to v1.5.1 mounts from a volume `azure-identity-token`, which then is not there"
        } else {
            continue;
        };
        all.push((format!("{}.volumes", workload.kind.spec_path()), format!("volume `{name}` {why}")));
    }
    for (container, place) in workload.injected_containers() {
        for mount in &container.mounts {
            let own = mount.volume == TOKEN_VOLUME || mount.volume.starts_with(RESERVED);
            if !own && MOUNT_PATHS.contains(&mount.path.trim_end_matches('/')) {
                let what = format!(
                    "container `{}` mounts `{}` at {}, where the webhook mounts its token",
                    container.name, mount.volume, mount.path
                );
                all.push((format!("{place}.volumeMounts"), what));
            }
        }
    }
    let Some((field, _)) = all.first().cloned() else { return Ok(None) };
    let said: Vec<String> = all.into_iter().map(|(_, what)| what).collect();
    let finding = Finding::new(RULE.severity, field, said.join("; ")).with("collisions", said);
    Ok(Some(finding.fix("give the volume another name, and mount it elsewhere")))
}
