//! `skip-containers` does not name the containers it means.
//!
//! The webhook splits the annotation at semicolons and passes over the containers so named. A list
//! with commas is a single name that no container has; so is a misspelt one, and nobody is told.
//! A list of all containers leaves nobody to use the token. `azwi-proxy` is the migration proxy,
//! which cannot serve without one.
//!
//! Containers that other admission controllers add may be named: those in the parameter
//! `injectedContainers`, and in an audit those of the pods that were made of the workload. A pod that opts out is not judged, and a placeholder is for
//! `unresolved-placeholder` to tell.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/skip-containers: "logs,metrics"}
//! spec: {containers: [{name: app}, {name: logs}, {name: metrics}]}
//! ```
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/skip-containers: log}
//! spec: {containers: [{name: app}, {name: logs}]}
//! ```
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/skip-containers: app}
//! spec: {containers: [{name: app}]}
//! ```
//!
//! ```yaml
//! # the proxy cannot serve without a token
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true"}, annotations: {azure.workload.identity/skip-containers: app;azwi-proxy}}
//! spec: {serviceAccountName: cart, containers: [{name: app}, {name: web}]}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # parted by a semicolon
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/skip-containers: "logs; init"}
//! spec: {initContainers: [{name: init}], containers: [{name: app}, {name: logs}]}
//! ```
//!
//! ```yaml
//! # a container that a service mesh adds
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/skip-containers: istio-proxy}
//! spec: {containers: [{name: app}]}
//! ```
//!
//! ```yaml
//! # the pod opts out
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "false"}
//!   annotations: {azure.workload.identity/skip-containers: app}
//! spec: {containers: [{name: app}]}
//! ```
//!
//! ```yaml
//! # a placeholder
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/skip-containers: "{{ .Values.skip }}"}
//! spec: {containers: [{name: app}]}
//! ```
//!
//! # As CEL
//!
//! ```cel
//! "azure.workload.identity/skip-containers" in variables.annotations
//!   && !variables.optsOut
//!   && (variables.skip in variables.names || !variables.skip.matches(variables.placeholder))
//!   && (variables.skip.contains(",")
//!     || variables.skipped.exists(name,
//!       name == "azwi-proxy"
//!         || !(name in variables.names || variables.injectedContainers.exists(pattern, name.matches(pattern))))
//!     || (size(variables.skipped) > 0
//!       && size(variables.names) > 0
//!       && variables.names.all(name, name in variables.skipped)))
//! ```
use crate::model::is_placeholder;
use crate::parameters::any_glob;
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "`skip-containers` does not name the containers it means",
    severity: Severity::Medium,
    confidence: Confidence::High,
    breaks: Breaks::Modelled,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, trust: &Trust<'_>) -> Verdict {
    let Some(value) = workload.template.annotations.get(annotation::SKIP_CONTAINERS) else { return Ok(None) };
    let exists = |name: &str| workload.containers().any(|(container, _)| container.name == name);
    if workload.opts_out() || (is_placeholder(value) && !exists(value)) {
        return Ok(None);
    }
    let field = workload.annotation_path(annotation::SKIP_CONTAINERS);
    let injected = |name: &str| any_glob(&trust.parameters().injected_containers, name);
    let stranger = workload.skipped().find(|name| !exists(name) && !injected(name) && *name != "azwi-proxy");
    #[cfg(feature = "audit")]
    let stranger = stranger.filter(|_| !are_added(workload, trust));
    let (message, fix) = if value.contains(',') {
        let names: Vec<&str> = value.split([',', ';']).map(str::trim).filter(|name| !name.is_empty()).collect();
        let message = format!(
            "`{value}` holds a comma, but the webhook splits the list at semicolons and finds no such container"
        );
        (message, format!("set `{field}` to \"{}\"", names.join(";")))
    } else if workload.skipped().any(|name| name == "azwi-proxy") {
        let message = "`azwi-proxy` is to be skipped, but it is the migration proxy and cannot serve without a token";
        (message.to_owned(), format!("take `azwi-proxy` out of `{field}`"))
    } else if let Some(name) = stranger {
        let message = format!("`{name}` is to be skipped, but no container has that name, so it skips nobody");
        (message, format!("write in `{field}` the names of containers, or remove it"))
    } else if workload.skipped().next().is_some()
        && workload.containers().next().is_some()
        && workload.injected_containers().next().is_none()
    {
        let message = "every container is skipped, so none gets a token".to_owned();
        (message, format!("take out of `{field}` the containers that call Azure, or remove label `{}`", label::USE))
    } else {
        return Ok(None);
    };
    let containers: Vec<String> = workload.containers().map(|(container, _)| container.name.clone()).collect();
    Ok(Some(Finding::new(RULE.severity, field, message).with("value", value).with("containers", containers).fix(fix)))
}

/// Whether a pod that was made of a workload has every container that is to be skipped: what the workload lacks,
/// other webhooks add.
#[cfg(feature = "audit")]
fn are_added(workload: &Workload, trust: &Trust<'_>) -> bool {
    let all = trust.workloads_of(workload.cluster, &workload.namespace, workload.service_account());
    let made_by = |it: &Workload| {
        let by = it.controller.as_ref()?;
        all.iter().copied().find(|maker| maker.kind.kind == by.kind && maker.name == by.name)
    };
    // A pod, its ReplicaSet or Job, its Deployment or CronJob.
    let is_made = |pod: &Workload| {
        let makers = [made_by(pod), made_by(pod).and_then(made_by)];
        makers.into_iter().flatten().any(|maker| core::ptr::eq(maker, workload))
    };
    let has = |pod: &Workload, name: &str| pod.containers().any(|(container, _)| container.name == name);
    let mut pods = all.iter().filter(|it| it.template.live && is_made(it));
    pods.any(|pod| workload.skipped().all(|name| has(pod, name)))
}
