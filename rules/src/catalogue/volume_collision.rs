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
//! been before the webhook has its volume from there. Where the version that the cluster runs is known,
//! what only later ones do is of medium severity, until the upgrade, and what only earlier ones did is for
//! information. The policy leaves it to the audit.
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
    breaks: Breaks::Named,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    if !workload.opts_in() || webhook::has_seen(&workload.template) {
        return Ok(None);
    }
    let [old, new] = MOUNT_PATHS;
    let runs = trust.mount_path(workload.cluster);
    let mut all: Vec<(Severity, String, String)> = Vec::new();
    for volume in &workload.template.token_volumes {
        let has_the_token = volume.tokens.iter().any(|token| token.path == TOKEN_VOLUME);
        let name = &volume.name;
        let (at, why) = if name.starts_with(RESERVED) {
            (new, "has a name that the webhook reserves from v1.6.0 on")
        } else if name == TOKEN_VOLUME && !has_the_token {
            (old, "has the name of the webhook's volume up to v1.5.1, but not its token")
        } else if name != TOKEN_VOLUME {
            (old, "has the token that the webhook up to v1.5.1 mounts from a volume `azure-identity-token`, which then is not there")
        } else {
            continue;
        };
        let field = format!("{}.volumes", workload.kind.spec_path());
        all.push((severity(at, runs), field, format!("volume `{name}` {why}")));
    }
    for (container, place) in workload.injected_containers() {
        for mount in &container.mounts {
            let own = mount.volume == TOKEN_VOLUME || mount.volume.starts_with(RESERVED);
            let path = mount.path.trim_end_matches('/');
            if !own && MOUNT_PATHS.contains(&path) {
                let what = format!(
                    "container `{}` mounts `{}` at {}, where the webhook mounts its token",
                    container.name, mount.volume, mount.path
                );
                all.push((severity(path, runs), format!("{place}.volumeMounts"), what));
            }
        }
    }
    all.sort_by_key(|(severity, ..)| core::cmp::Reverse(*severity));
    let Some((severity, field, _)) = all.first().cloned() else { return Ok(None) };
    let said: Vec<String> = all.into_iter().map(|(.., what)| what).collect();
    let but = match runs {
        Some(path) if severity < RULE.severity => format!("; the webhook that the cluster runs mounts its token at `{path}`"),
        _ => String::new(),
    };
    let finding = Finding::new(severity, field, format!("{}{but}", said.join("; "))).with("collisions", said);
    let finding = finding.breaks_if(severity == RULE.severity, Hop::Token);
    Ok(Some(finding.fix("give the volume another name, and mount it elsewhere")))
}

/// How grave it is to stand where versions of the webhook mount at `path`, where the one that runs mounts
/// at another: what later ones do comes with an upgrade, and what earlier ones did is over.
fn severity(path: &str, runs: Option<&str>) -> Severity {
    let [old, new] = MOUNT_PATHS;
    match runs {
        Some(runs) if runs == new && path == old => Severity::Info,
        Some(runs) if runs == old && path == new => Severity::Medium,
        _ => RULE.severity,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::inventory::{Extent, Inventory};
    use crate::manifest::{Manifest, read};
    use crate::model::{ClusterIx, Origin};
    use crate::parameters::Parameters;

    fn workload(json: &str) -> Workload {
        match read(json.as_bytes(), None, ClusterIx(0), Origin::default()).unwrap().manifest {
            Manifest::Workload(workload) => workload,
            other => panic!("{other:?}"),
        }
    }

    /// The severity for a pod with this volume, in a cluster whose webhook is of these versions.
    fn found(volume: &str, versions: &[&str], all_known: bool) -> Severity {
        let pod = workload(&format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"cart","labels":{{"azure.workload.identity/use":"true"}}}},
            "spec":{{"containers":[{{"name":"app"}}],"volumes":[{{"name":"{volume}","emptyDir":{{}}}}]}}}}"#
        ));
        let mut inventory = Inventory::default();
        for (namespace, version) in ["kube-system", "other"].iter().zip(versions) {
            inventory.workloads.push(workload(&format!(
                r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"azure-wi-webhook-controller-manager","namespace":"{namespace}"}},
                "spec":{{"template":{{"spec":{{"containers":[{{"name":"manager","image":"mcr.microsoft.com/oss/azure/workload-identity/webhook:{version}"}}]}}}}}}}}"#
            )));
        }
        if all_known {
            inventory.coverage.cluster(ClusterIx(0)).deployments = Extent::Everything;
        }
        let parameters = Parameters::default();
        check(&pod, &Trust::join(&inventory, &parameters)).unwrap().unwrap().severity
    }

    #[test]
    fn what_another_version_than_the_one_that_runs_would_do_is_milder() {
        let reserved = format!("{RESERVED}mine");
        let [before, since] = [TOKEN_VOLUME, reserved.as_str()];
        for (volume, versions, expected) in [
            (before, &["v1.5.1"][..], Severity::High),
            (since, &["v1.5.1"], Severity::Medium),
            (before, &["v1.6.0-alpha.1"], Severity::Info),
            (since, &["v1.6.0"], Severity::High),
            (before, &["v1.6.0", "v1.5.1"], Severity::High),
            (before, &["v1.6.0", "latest"], Severity::High),
            (before, &[], Severity::High),
        ] {
            assert_eq!(found(volume, versions, true), expected, "{volume} {versions:?}");
            assert_eq!(found(volume, versions, false), Severity::High, "not every Deployment was seen");
        }
    }
}
