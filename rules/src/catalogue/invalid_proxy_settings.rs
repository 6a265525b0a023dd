//! The annotations of the migration proxy do not say what the webhook reads in them.
//!
//! The webhook looks whether `inject-proxy-sidecar` is there and not at its value: `false` injects the
//! proxy as well, and its privileged init container with it. `proxy-sidecar-port` is a number in
//! digits alone; with another text the webhook refuses the pod, and a port that is none from 1 to
//! 65535 the API server refuses after it.
//!
//! A port is not read without the other annotation, and neither of pods that do not opt in. A
//! placeholder as port is for `unresolved-placeholder` to tell.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/inject-proxy-sidecar: "false"}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/inject-proxy-sidecar: "true", azure.workload.identity/proxy-sidecar-port: "0"}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/inject-proxy-sidecar: "true", azure.workload.identity/proxy-sidecar-port: http}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # the proxy is wanted, on a port that there is
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/inject-proxy-sidecar: "true", azure.workload.identity/proxy-sidecar-port: "65535"}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! # no proxy is asked for, so its port is not read
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/proxy-sidecar-port: http}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! ```yaml
//! # the pod does not opt in
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   annotations: {azure.workload.identity/inject-proxy-sidecar: "false"}
//! ```
//!
//! ```yaml
//! # a placeholder
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/inject-proxy-sidecar: "true", azure.workload.identity/proxy-sidecar-port: "${PORT}"}
//! spec: {serviceAccountName: cart}
//! ```
//!
//! # As CEL
//!
//! ```cel
//! variables.optsIn
//!   && "azure.workload.identity/inject-proxy-sidecar" in variables.annotations
//!   && (variables.proxy != "true"
//!     || ("azure.workload.identity/proxy-sidecar-port" in variables.annotations
//!       && !variables.proxyPort.matches(variables.placeholder)
//!       && !(variables.proxyPort.matches("^[+]?0*[0-9]{1,5}$")
//!         && int(variables.proxyPort) >= 1
//!         && int(variables.proxyPort) <= 65535)))
//! ```
use crate::model::is_placeholder;
use crate::prelude::*;

pub(super) static RULE: Rule = Rule {
    summary: "the annotations of the migration proxy do not say what the webhook reads in them",
    severity: Severity::High,
    confidence: Confidence::High,
    breaks: Breaks::Named,
    aadsts: &[],
    frameworks: &[],
    yields_to: &[],
    since: "0.1.0",
    checks: &[Check::Workload(check)],
};

fn check(workload: &Workload, _: &Trust<'_>) -> Verdict {
    let annotations = &workload.template.annotations;
    let Some(inject) = annotations.get(annotation::INJECT_PROXY).filter(|_| workload.opts_in()) else {
        return Ok(None);
    };
    let port = annotations.get(annotation::PROXY_PORT);
    // Go's ParseInt in base 10 and Rust's parse take the same: a sign, then digits.
    let usable = |port: &&str| port.parse::<i64>().is_ok_and(|port| (1..=65535).contains(&port)) || is_placeholder(port);
    let (is_refused, field, value, message, fix) = if inject != "true" {
        let field = workload.annotation_path(annotation::INJECT_PROXY);
        let message =
            format!("`{}` is `{inject}`, but the webhook injects the proxy whatever its value", annotation::INJECT_PROXY);
        let fix = format!("remove `{field}`");
        (false, field, inject, message, fix)
    } else if let Some(port) = port.filter(|port| !usable(port)) {
        let field = workload.annotation_path(annotation::PROXY_PORT);
        let message = format!("`{}` is `{port}`, which is no port, so the pods are refused", annotation::PROXY_PORT);
        let fix = format!("set `{field}` to a number from \"1\" to \"65535\", or remove it for port 8000");
        (true, field, port, message, fix)
    } else {
        return Ok(None);
    };
    let finding = Finding::new(RULE.severity, field, message).with("value", value).fix(fix);
    Ok(Some(finding.breaks_if(is_refused, Hop::Webhook).expected("a number from 1 to 65535", Some(value))))
}
