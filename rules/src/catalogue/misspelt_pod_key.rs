//! A key of workload identity is misspelt on a pod, or the label that opts in is an annotation.
//!
//! Kubernetes takes any key, and the webhook passes over those it does not know: a hyphen for a dot
//! in `azure.workload.identity/use`, and the pod starts without a token. The webhook selects pods
//! by label, so the same key among the annotations does nothing either.
//!
//! Where the right key stands beside it, the misspelt one is a leftover and the finding is low, as
//! it is for a key that is none of workload identity's at all.
//! Left alone are `azure.workload.identity/use-…`, which asks for a token endpoint of that suffix,
//! `azure-workload-identity.io/…`, which marks the webhook's own objects, and the annotation beside
//! the label or with the value `false`, which asks for nothing. A prefix that is a letter off,
//! `azure.workload.identify/…`, may be anybody's own; that such a pod lacks the label, `pod-not-opted-in` says.
//!
//! # Fails
//!
//! ```yaml
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop}
//! spec: {template: {metadata: {labels: {azure.workload-identity/use: "true"}}}}
//! ```
//!
//! ```yaml
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, annotations: {azure.workload.identity/use: "true"}}
//! ```
//!
//! ```yaml
//! # on the Deployment itself
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: cart, namespace: shop, labels: {azure.workload-identity/use: "true"}}
//! spec: {template: {spec: {serviceAccountName: cart}}}
//! ```
//!
//! ```yaml
//! # beside the right one: untidy, no more
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identity/use: "true", azure.workload-identity/use: "true"}}
//! ```
//!
//! ```yaml
//! # the graver one is reported
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   namespace: shop
//!   labels: {azure.workload.identity/use: "true", azure.workload-identity/use: "true"}
//!   annotations: {azure.workload.identity/skip-container: side}
//! ```
//!
//! ```yaml
//! # of two alike, the first is reported
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload-identity/use: "true"}, annotations: {azure.workload.identity/skip-container: side}}
//! ```
//!
//! # Passes
//!
//! ```yaml
//! # a token endpoint of its own
//! apiVersion: v1
//! kind: Pod
//! metadata:
//!   name: cart
//!   labels: {azure.workload.identity/use: "true"}
//!   annotations: {azure.workload.identity/use-identity-binding: "true"}
//! ```
//!
//! ```yaml
//! # the webhook itself
//! apiVersion: apps/v1
//! kind: Deployment
//! metadata: {name: azure-wi-webhook-controller-manager, namespace: kube-system, labels: {azure-workload-identity.io/system: "true"}}
//! spec: {template: {metadata: {labels: {azure-workload-identity.io/system: "true"}}}}
//! ```
//!
//! ```yaml
//! # the annotation repeats the label
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, labels: {azure.workload.identity/use: "true"}, annotations: {azure.workload.identity/use: "true"}}
//! ```
//!
//! ```yaml
//! # a prefix of somebody else's, however near
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: cart, namespace: shop, labels: {azure.workload.identify/use: "true"}}
//! ```
//!
//! # As CEL
//!
//! ```cel
//! size(variables.misspelt) > 0 || variables.strayLabel
//! ```
//!
//! Only a warning:
//!
//! ```cel
//! !variables.strayLabel
//!   && variables.misspelt.all(m,
//!     m.meant == "" || m.meant in variables.labels || m.meant in variables.annotations)
//! ```
use crate::model::{Pairs, Shape};
use crate::prelude::*;
use crate::spelling;

pub(super) static RULE: Rule = Rule {
    summary: "a key of workload identity is misspelt on the pod, or its label is an annotation",
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
    let template = &workload.template;
    let path = workload.kind.metadata_path();
    let mut places = vec![(path, "labels", &template.labels), (path, "annotations", &template.annotations)];
    if workload.kind.shape != Shape::Pod {
        places.extend([("metadata", "labels", &workload.labels), ("metadata", "annotations", &workload.annotations)]);
    }
    let labelled = |labels: &Pairs| labels.pair(label::USE).is_some();
    let mut faults = Vec::new();
    for (path, list, pairs) in places {
        for pair in spelling::misspelt(pairs) {
            let meant = spelling::meant(&pair.key);
            let right =
                meant.filter(|key| template.labels.get(key).or_else(|| template.annotations.get(key)).is_none());
            let message = match meant {
                Some(key) => format!("key `{}` is misspelt, and nothing reads it; `{key}` is meant", pair.key),
                None => format!("key `{}` is none that workload identity reads", pair.key),
            };
            let severity = if right.is_some() { RULE.severity } else { Severity::Low };
            faults.push((severity, format!("{path}.{list}[{}]", pair.key), message, right));
        }
        let alone = list == "annotations" && !labelled(&template.labels) && !labelled(&workload.labels);
        if alone && pairs.get(label::USE).is_some_and(|value| value != "false") {
            let message = format!("`{}` is an annotation, and the webhook selects pods by label alone", label::USE);
            faults.push((RULE.severity, format!("{path}.{list}[{}]", label::USE), message, Some(label::USE)));
        }
    }
    let fields: Vec<String> = faults.iter().map(|(_, field, ..)| field.clone()).collect();
    let Some((severity, field, message, meant)) = faults.into_iter().reduce(|a, b| if b.0 > a.0 { b } else { a })
    else {
        return Ok(None);
    };
    let fix = match meant {
        None => format!("remove `{field}`"),
        Some(label::USE) => format!("set `{}` to \"true\", and remove `{field}`", workload.label_path(label::USE)),
        Some(key @ (annotation::CLIENT_ID | annotation::TENANT_ID)) => {
            format!(
                "set `metadata.annotations[{key}]` of ServiceAccount `{}`, and remove `{field}`",
                workload.service_account()
            )
        }
        Some(key) => format!("move the value to `{}`, and remove `{field}`", workload.annotation_path(key)),
    };
    Ok(Some(Finding::new(severity, field, message).with("fields", fields).fix(fix)))
}
