//! A running pod has what an annotation said once.
//!
//! The webhook writes the client id, the tenant and the token's lifetime into a pod as it is created.
//! A pod that was there before its ServiceAccount was annotated was told nothing, and asks for nobody.
//! When the annotations change afterwards, pods that run go on with the old identity,
//! and those that start get the new one: the same Deployment is two identities at once, until it is
//! restarted.
//!
//! Without an annotation the webhook tells a tenant of its own, and does not start without one. A pod that was told none
//! is from a time when the annotation was there and said nothing.
//!
//! Variables that the manifest sets itself are no business of the annotation, so a pod is judged only
//! if what makes it was read and sets none. A pod that has ended asks for nobody any more; the next one of its
//! CronJob is told what the annotation says then. The policy leaves it to the audit.
//!
//! # Fails
//!
//! ```yaml
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0002-4000-8000-000000000002}}}
//! ---
//! apiVersion: apps/v1
//! kind: ReplicaSet
//! metadata: {name: cart, namespace: shop}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart-x
//!   namespace: shop
//!   uid: 5f0c
//!   labels: {azure.workload.identity/use: "true"}
//!   ownerReferences: [{kind: ReplicaSet, name: cart, controller: true}]
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}, {name: AZURE_TENANT_ID, value: 11111111-1111-1111-1111-111111111111}, {name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/tokens/azure-identity-token}], volumeMounts: [{name: azure-identity-token, mountPath: /var/run/secrets/azure/tokens}]}]
//! ```
//!
//! ```yaml
//! # the lifetime
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/service-account-token-expiration: "7200"}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, uid: 5f0c, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app, env: [{name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/tokens/azure-identity-token}], volumeMounts: [{name: azure-identity-token, mountPath: /var/run/secrets/azure/tokens}]}]
//!   volumes: [{name: azure-identity-token, projected: {sources: [{serviceAccountToken: {path: azure-identity-token, expirationSeconds: 3600}}]}}]
//! ```
//!
//! ```yaml
//! # the ServiceAccount was annotated after the pod had started
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0002-4000-8000-000000000002}}}
//! ---
//! apiVersion: apps/v1
//! kind: ReplicaSet
//! metadata: {name: cart, namespace: shop}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart-x, namespace: shop, uid: 5f0c, labels: {azure.workload.identity/use: "true"}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: cart, controller: true}]}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_TENANT_ID, value: 11111111-1111-1111-1111-111111111111}, {name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/tokens/azure-identity-token}], volumeMounts: [{name: azure-identity-token, mountPath: /var/run/secrets/azure/tokens}]}]}
//! ```
//!
//! ```yaml
//! # it was told no tenant when the annotation was empty, and the annotation is gone
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: apps/v1
//! kind: ReplicaSet
//! metadata: {name: cart, namespace: shop}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart-x
//!   namespace: shop
//!   uid: 5f0c
//!   labels: {azure.workload.identity/use: "true"}
//!   ownerReferences: [{kind: ReplicaSet, name: cart, controller: true}]
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}, {name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/tokens/azure-identity-token}], volumeMounts: [{name: azure-identity-token, mountPath: /var/run/secrets/azure/tokens}]}]
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # what the annotation says now
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0001-4000-8000-000000000001}}}
//! ---
//! apiVersion: apps/v1
//! kind: ReplicaSet
//! metadata: {name: cart, namespace: shop}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart-x
//!   namespace: shop
//!   uid: 5f0c
//!   labels: {azure.workload.identity/use: "true"}
//!   ownerReferences: [{kind: ReplicaSet, name: cart, controller: true}]
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}]}]
//!   volumes: [{name: azure-identity-token, projected: {sources: [{serviceAccountToken: {path: azure-identity-token, expirationSeconds: 3600}}]}}]
//! ```
//!
//! ```yaml
//! # it has ended
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0002-4000-8000-000000000002}}}
//! ---
//! apiVersion: batch/v1
//! kind: Job
//! metadata: {name: cart, namespace: shop, uid: 5f0d}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}
//! status: {conditions: [{type: Complete, status: "True"}]}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart-x, namespace: shop, uid: 5f0c, labels: {azure.workload.identity/use: "true"}, ownerReferences: [{kind: Job, name: cart, controller: true}]}
//! spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}, {name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/tokens/azure-identity-token}], volumeMounts: [{name: azure-identity-token, mountPath: /var/run/secrets/azure/tokens}]}]}
//! status: {phase: Succeeded}
//! ```
//!
//! ```yaml
//! # the manifest sets the variable
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0002-4000-8000-000000000002}}}
//! ---
//! apiVersion: apps/v1
//! kind: ReplicaSet
//! metadata: {name: cart, namespace: shop}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}]}]}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart-x
//!   namespace: shop
//!   uid: 5f0c
//!   labels: {azure.workload.identity/use: "true"}
//!   ownerReferences: [{kind: ReplicaSet, name: cart, controller: true}]
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}]}]
//! ```
//!
//! ```yaml
//! # nothing made it, so that the variable can be its own
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0002-4000-8000-000000000002}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, uid: 5f0c, labels: {azure.workload.identity/use: "true"}}
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}]}]
//! ```
//!
//! ```yaml
//! # the annotation is empty, and the webhook writes nothing
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: ""}}}
//! ---
//! apiVersion: apps/v1
//! kind: ReplicaSet
//! metadata: {name: cart, namespace: shop}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart-x
//!   namespace: shop
//!   uid: 5f0c
//!   labels: {azure.workload.identity/use: "true"}
//!   ownerReferences: [{kind: ReplicaSet, name: cart, controller: true}]
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}, {name: AZURE_TENANT_ID, value: 11111111-1111-1111-1111-111111111111}, {name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/tokens/azure-identity-token}], volumeMounts: [{name: azure-identity-token, mountPath: /var/run/secrets/azure/tokens}]}]
//! ```
//!
//! ```yaml
//! # the pod does not opt in
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0002-4000-8000-000000000002}}}
//! ---
//! apiVersion: apps/v1
//! kind: ReplicaSet
//! metadata: {name: cart, namespace: shop}
//! spec: {template: {metadata: {labels: {app: cart}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart-x
//!   namespace: shop
//!   uid: 5f0c
//!   labels: {app: cart}
//!   ownerReferences: [{kind: ReplicaSet, name: cart, controller: true}]
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}, {name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/tokens/azure-identity-token}], volumeMounts: [{name: azure-identity-token, mountPath: /var/run/secrets/azure/tokens}]}]
//! ```
//!
//! ```yaml
//! # a manifest of a pod, not a pod that runs
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0002-4000-8000-000000000002}}}
//! ---
//! apiVersion: apps/v1
//! kind: ReplicaSet
//! metadata: {name: cart, namespace: shop}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart-x
//!   namespace: shop
//!   labels: {azure.workload.identity/use: "true"}
//!   ownerReferences: [{kind: ReplicaSet, name: cart, controller: true}]
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}, {name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/tokens/azure-identity-token}], volumeMounts: [{name: azure-identity-token, mountPath: /var/run/secrets/azure/tokens}]}]
//! ```
//!
//! ```yaml
//! # the pod brings a token of its own
//! {apiVersion: v1, kind: ServiceAccount, metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/client-id: 5a1e2c3d-0002-4000-8000-000000000002}}}
//! ---
//! apiVersion: apps/v1
//! kind: ReplicaSet
//! metadata: {name: cart, namespace: shop}
//! spec: {template: {metadata: {labels: {azure.workload.identity/use: "true"}}, spec: {serviceAccountName: cart, containers: [{name: app}]}}}
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart-x
//!   namespace: shop
//!   uid: 5f0c
//!   labels: {azure.workload.identity/use: "true"}
//!   ownerReferences: [{kind: ReplicaSet, name: cart, controller: true}]
//! spec:
//!   serviceAccountName: cart
//!   containers: [{name: app, env: [{name: AZURE_CLIENT_ID, value: 5a1e2c3d-0001-4000-8000-000000000001}, {name: AZURE_FEDERATED_TOKEN_FILE, value: /var/run/secrets/azure/tokens/azure-identity-token}], volumeMounts: [{name: azure-identity-token, mountPath: /var/run/secrets/azure/tokens}]}]
//!   volumes: [{name: token, projected: {sources: [{serviceAccountToken: {path: token, audience: api://AzureADTokenExchange}}]}}]
//! ```
use super::tenant_id_malformed::may_be_tenant;
use crate::model::{Controller, Value};
use crate::prelude::*;
use crate::webhook::{self, RESERVED, TOKEN_VOLUME};
use crate::trust::{Key, Unknown};

pub(super) static RULE: Rule = Rule {
    summary: "a running pod has what an annotation said once",
    severity: Severity::Medium,
    confidence: Confidence::High,
    breaks: Breaks::Named,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

const TENANT: &str = "AZURE_TENANT_ID";

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    if workload.has_ended() {
        return Ok(None);
    }
    if !workload.template.live || !workload.opts_in() || workload.brings_azure_token() {
        return Ok(None);
    }
    let Some(account) = trust.service_account(workload).known()? else { return Ok(None) };
    let mut outdated: Vec<(&str, String, String)> = Vec::new();
    for (variable, key) in [("AZURE_CLIENT_ID", annotation::CLIENT_ID), (TENANT, annotation::TENANT_ID)] {
        let Some(now) = account.annotations.get(key).filter(|value| !value.is_empty()) else { continue };
        let values = || workload.injected_containers().filter_map(|(container, _)| told(container, variable));
        if let Some(then) = values().find(|then| !then.eq_ignore_ascii_case(now))
            && is_injected(workload, variable, trust)?
        {
            outdated.push((variable, then.into(), now.into()));
        }
    }
    if let (Some(then), Ok(now)) = (lifetime(workload), webhook::lifetime(&workload.template, account))
        && then != now
    {
        outdated.push(("the token's lifetime", then.to_string(), now.to_string()));
    }
    match is_untold(workload, account, trust) {
        Ok(true) => outdated.push((TENANT, String::new(), String::new())),
        Err(unknown) if outdated.is_empty() => return Err(unknown),
        _ => {}
    }
    // The walk of a chain asks for the client id of each container.
    let untold = outdated.iter().any(|(what, then, _)| *what == TENANT && !may_be_tenant(then));
    let Some((what, ..)) = outdated.first() else { return Ok(None) };
    let field = if what.starts_with("AZURE") { "containers" } else { "volumes" };
    let said = outdated.iter().map(|(what, then, now)| {
        let then = if then.is_empty() { "nothing".into() } else { format!("`{then}`") };
        match now.as_str() {
            "" => format!("{what} is {then}, and the webhook now tells its own"),
            now => format!("{what} is {then}, and the annotations now say `{now}`"),
        }
    });
    let said: Vec<String> = said.collect();
    let finding = Finding::new(RULE.severity, format!("{}.{field}", workload.kind.spec_path()), said.join("; "));
    Ok(Some(finding.with("outdated", said).fix(anew(workload, trust)).breaks_if(untold, Hop::Tenant)))
}

/// Whether a container lacks the tenant that the webhook tells where no annotation does: it does not start without one
/// (azure-workload-identity, `pkg/config/config.go`).
fn is_untold(workload: &Workload, account: &ServiceAccount, trust: &Trust<'_>) -> Result<bool, Unknown> {
    let lacks = |container: &Container| container.variable(TENANT).is_none() && told(container, TENANT).is_some();
    let is_annotated = account.annotations.get(annotation::TENANT_ID).is_some();
    if is_annotated || !workload.injected_containers().any(|(container, _)| lacks(container)) {
        return Ok(false);
    }
    is_injected(workload, TENANT, trust)
}

/// What has a pod made anew. `kubectl rollout restart` knows Deployments, DaemonSets and StatefulSets alone
/// (kubectl, `pkg/polymorphichelpers/objectrestarter.go`).
pub(super) fn anew(pod: &Workload, trust: &Trust<'_>) -> String {
    let namespace = &pod.namespace;
    let Some(by) = &pod.controller else { return format!("create pod {} anew", pod.name) };
    let Controller { kind, name } = by;
    let delete = format!("kubectl delete pod {} --namespace {namespace}", pod.name);
    let owner = || makers(pod, by, trust).find_map(|maker| maker.controller.as_ref()).filter(|it| it.kind == "Deployment");
    match kind.as_str() {
        "DaemonSet" | "StatefulSet" => {
            format!("kubectl rollout restart {}/{name} --namespace {namespace}", kind.to_ascii_lowercase())
        }
        "ReplicaSet" => match owner() {
            Some(owner) => format!("kubectl rollout restart deployment/{} --namespace {namespace}", owner.name),
            None => format!("{delete}, and so with each pod of ReplicaSet {name}"),
        },
        "Job" => format!("wait until Job {name} is done: its next run is told anew; or {delete}, which counts as a failure of the Job"),
        _ => format!("{delete}: {kind} {name} makes another"),
    }
}

/// What made a pod, as far as it was read: of whatever has the name.
fn makers<'t, 'a>(
    pod: &'t Workload,
    by: &'t Controller,
    trust: &'t Trust<'a>,
) -> impl Iterator<Item = &'a Workload> + use<'t, 'a> {
    let all = trust.workloads_of(pod.cluster, &pod.namespace, pod.service_account());
    all.iter().copied().filter(move |it| it.kind.kind == by.kind && it.name == by.name)
}

/// What the webhook told a container: nothing, if there was nothing to tell.
fn told<'a>(container: &'a Container, variable: &str) -> Option<&'a str> {
    let is_injected = container.variable(webhook::TOKEN_FILE).is_some() && container.env_from.is_empty();
    match container.variable(variable).map(|variable| &variable.value) {
        None => is_injected.then_some(""),
        Some(Value::Literal(text)) => text.as_deref(),
        Some(_) => None,
    }
}

/// Whether a variable of a pod is the webhook's: what makes the pod sets none. Of a pod that nothing
/// makes it cannot be told.
pub(super) fn is_injected(pod: &Workload, variable: &str, trust: &Trust<'_>) -> Result<bool, Unknown> {
    let Some(controller) = &pod.controller else { return Ok(false) };
    let mut makers = makers(pod, controller, trust).peekable();
    if makers.peek().is_none() {
        let Controller { kind, name } = controller;
        return Err(Unknown(Key::Value(format!("whether {kind} {}/{name} sets {variable}", pod.namespace))));
    }
    Ok(makers.all(|maker| maker.variable(variable).is_none()))
}

/// The lifetime of the token in the webhook's volume.
fn lifetime(pod: &Workload) -> Option<i64> {
    let mut volumes = pod.template.token_volumes.iter();
    let own = volumes.find(|volume| volume.name == TOKEN_VOLUME || volume.name.starts_with(RESERVED))?;
    own.tokens.first()?.lifetime
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use crate::inventory::Inventory;
    use crate::parameters::Parameters;
    use crate::sample::{CLIENT, account, cluster, workload};

    #[test]
    fn of_two_that_may_have_made_a_pod_neither_sets_the_variable() {
        let env = r#""env":[{"name":"AZURE_CLIENT_ID","value":"5a1e2c3d-0001-4000-8000-000000000001"}]"#;
        let maker = |env: &str| {
            workload(&format!(
                r#"{{"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{{"name":"cart","namespace":"shop"}},"spec":{{"template":{{"metadata":{{"labels":{{"azure.workload.identity/use":"true"}}}},"spec":{{"serviceAccountName":"cart","containers":[{{"name":"app",{env}}}]}}}}}}}}"#
            ))
        };
        let pod = workload(&format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"cart-x","namespace":"shop","uid":"5f0c","labels":{{"azure.workload.identity/use":"true"}},"ownerReferences":[{{"kind":"ReplicaSet","name":"cart","controller":true}}]}},"spec":{{"serviceAccountName":"cart","containers":[{{"name":"app",{env}}}]}}}}"#
        ));
        let found = |makers: Vec<Workload>| {
            let mut inventory = Inventory { service_accounts: vec![account(CLIENT)], ..cluster() };
            inventory.workloads = [vec![pod.clone()], makers].concat();
            let parameters = Parameters::default();
            check(&inventory.workloads[0], &Trust::join(&inventory, &parameters)).map(|found| found.is_some())
        };
        let (sets, none) = (|| maker(env), || maker(r#""image":"cart""#));
        assert_eq!(found(vec![none(), none()]), Ok(true));
        assert_eq!(found(vec![none(), sets()]), Ok(false));
        assert!(found(vec![]).is_err());
    }
}
