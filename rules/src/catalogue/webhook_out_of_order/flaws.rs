//! What is wrong with the registration of a cluster's webhook, and with what runs it.

use super::RULE;
use crate::model::registration::{CONFIGURATION, CONTROLLER};
use crate::model::{ClusterIx, Origin, Platform, Registration, Requirement, Webhook};
use crate::prelude::*;
use crate::repair::{shell, subscription};

/// The field that says of which requests a webhook is asked.
pub(super) const RULES: &str = "rules";
/// The field that says so more closely.
pub(super) const CONDITIONS: &str = "matchConditions";

/// What a field would have to be and what it is, where no labelled pod gets a token because of it.
type Breaks = (&'static str, Option<String>);

/// A flaw: how bad, where, what, and what to do.
pub(super) struct Flaw {
    pub(super) severity: Severity,
    pub(super) field: String,
    pub(super) message: String,
    pub(super) breaks: Option<Breaks>,
    pub(super) fix: String,
    /// Where what has it was read.
    pub(super) origin: Option<Origin>,
}

/// A flaw of a registration: where, what, what to do, and what breaks.
type OfRegistration = (&'static str, String, String, Option<Breaks>);

/// There is no registration.
pub(super) fn missing(cluster: &Cluster) -> Flaw {
    let fix = match cluster.platform {
        Platform::Aks => {
            let group = if cluster.resource_group.is_empty() { "RESOURCE_GROUP" } else { &cluster.resource_group };
            let subscription =
                subscription(&cluster.id).map_or_else(String::new, |id| format!(" --subscription {}", shell(id)));
            format!(
                "az aks update --name {} --resource-group {}{subscription} --enable-oidc-issuer --enable-workload-identity; if that is on already, off and on again",
                shell(&cluster.name),
                shell(group)
            )
        }
        _ => "install the webhook of azure-workload-identity (anew)".into(),
    };
    Flaw {
        severity: RULE.severity,
        field: "webhooks".into(),
        message: format!("there is no MutatingWebhookConfiguration `{CONFIGURATION}`: no labelled pod gets a token"),
        breaks: Some((CONFIGURATION, None)),
        fix,
        origin: None,
    }
}

/// What is wrong with a registration.
pub(super) fn registered<'a>(it: &'a Registration, trust: &'a Trust<'_>) -> impl Iterator<Item = Flaw> + 'a {
    own(it).flat_map(move |(webhook, index)| {
        let at = move |flaw: OfRegistration| Flaw {
            severity: RULE.severity,
            field: format!("webhooks[{index}].{}", flaw.0),
            message: format!("MutatingWebhookConfiguration `{}`: {}", it.name, flaw.1),
            breaks: flaw.3,
            fix: format!("in MutatingWebhookConfiguration `{}`, {}", it.name, flaw.2),
            origin: Some(it.origin),
        };
        let selection = selection(webhook, it.cluster, trust);
        let all = [asked(webhook), selection, failure(webhook), trusted(webhook, it.live)];
        all.into_iter().flatten().map(at)
    })
}

/// What a webhook wants of pods beside the label, if all that were seen may have it.
pub(super) fn unclear(it: &Registration) -> Option<&Requirement> {
    own(it).find_map(|(webhook, _)| webhook.misses_by())
}

/// The webhooks of a registration that no operator sees to, each with its place.
fn own(it: &Registration) -> impl Iterator<Item = (&Webhook, usize)> {
    it.webhooks.iter().zip(0..).filter(|(webhook, _)| !webhook.is_of_openshift())
}

fn asked(webhook: &Webhook) -> Option<OfRegistration> {
    if webhook.ignores_new_pods {
        let message = "its `rules` do not ask about pods that are created, so that none gets a token".into();
        let fix = "set `rules` to operations: [CREATE], apiGroups: [\"\"], apiVersions: [v1], resources: [pods]".into();
        return Some((RULES, message, fix, Some(("CREATE of pods", None))));
    }
    let never = &webhook.never()?.name;
    let message = format!("its matchCondition `{never}` holds of no pod that is created, so that none gets a token");
    let fix = format!("delete matchCondition `{never}`, which is none of those that it is installed with");
    Some((CONDITIONS, message, fix, Some(("conditions that hold of new pods", Some(never.clone())))))
}

fn selection(webhook: &Webhook, cluster: ClusterIx, trust: &Trust<'_>) -> Option<OfRegistration> {
    let missed = |workload: &Workload| workload.needs_webhook() && webhook.unmet_by(workload).is_some();
    let message = if let Some((wanted, workload)) = webhook.misses_by().zip(trust.workloads(cluster).find(|it| missed(it))) {
        let (kind, namespace, name) = (workload.kind.kind, &workload.namespace, &workload.name);
        format!(
            "it misses pods that opt in, of which its `objectSelector` wants `{wanted}`, as those of {kind} `{namespace}/{name}`"
        )
    } else if webhook.takes_unlabelled() {
        format!("it takes in pods that do not opt in: its `objectSelector` does not ask for `{}`", label::USE)
    } else {
        return None;
    };
    let fix = format!("set `objectSelector.matchLabels` to `{}: \"true\"` and nothing else", label::USE);
    // Which pods it misses hangs on their other labels.
    Some(("objectSelector", message, fix, None))
}

fn failure(webhook: &Webhook) -> Option<OfRegistration> {
    let message = "`failurePolicy` is `Ignore`: while the webhook does not answer, pods start without a token".into();
    let fix = "set `failurePolicy: Fail`, which the webhook has had since v1.0.0".into();
    webhook.is_passed_over().then_some(("failurePolicy", message, fix, None))
}

fn trusted(webhook: &Webhook, live: bool) -> Option<OfRegistration> {
    let message = "`caBundle` is empty: the API server does not trust the webhook, and no labelled pod is made".into();
    let namespace = shell(webhook.service.as_ref().map_or("NAMESPACE", |(namespace, _)| namespace));
    let fix = format!(
        "have the webhook write `caBundle` anew: kubectl rollout restart deployment {CONTROLLER} -n {namespace}"
    );
    let breaks = Some(("the certificate of who signed the webhook's", None));
    (live && webhook.service.is_some() && !webhook.has_ca).then_some(("clientConfig.caBundle", message, fix, breaks))
}

/// What is wrong with the Deployments of the webhook. One that is scaled to nothing is out of use if
/// another may run.
pub(super) fn runners(index: ClusterIx, trust: &Trust<'_>) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let all = || trust.webhooks(index);
    let alone = all().count() == 1 && trust.knows_deployments(index);
    let in_use: Vec<&Workload> = all().filter(|it| it.replicas != Some(0) || alone).collect();
    if let [first, second, ..] = in_use.as_slice() {
        let origin = Some(first.origin);
        let [first, second] = [first, second].map(|it| it.namespace.as_str());
        flaws.push(Flaw {
            severity: RULE.severity,
            field: "spec.replicas".into(),
            message: format!(
                "the webhook is installed twice, in `{first}` and `{second}`, and both write the same configuration"
            ),
            breaks: None,
            fix: "remove the one that you installed, if the add-on of AKS or the extension of Arc runs the other".into(),
            origin,
        });
    }
    for it in in_use {
        let Some(ready) = it.ready.filter(|ready| *ready < 2) else { continue };
        let namespace = &it.namespace;
        let (severity, message) = if ready < 1 {
            (RULE.severity, format!("no replica of the webhook in `{namespace}` is ready: no labelled pod is made"))
        } else {
            (
                Severity::Medium,
                format!(
                    "one replica of the webhook in `{namespace}` is ready: when it goes down, no labelled pod is made"
                ),
            )
        };
        let all_ready = it.replicas.is_some_and(|wanted| wanted <= ready);
        let fix = if !all_ready {
            format!("see why its pods are not ready: kubectl describe deployment {CONTROLLER} -n {}", shell(namespace))
        } else {
            let scale = format!("kubectl scale deployment {CONTROLLER} -n {} --replicas 2", shell(namespace));
            let keeper = match it.is_managed_webhook() {
                true => "if the add-on of AKS or the extension of Arc runs it and sets that back, ask Azure support",
                false => "and set `replicaCount: 2` in the values of its chart",
            };
            format!("{scale}; {keeper}")
        };
        let breaks = (ready < 1).then(|| ("1 or more", Some("0".to_owned())));
        let (field, origin) = ("status.readyReplicas".into(), Some(it.origin));
        flaws.push(Flaw { severity, field, message, breaks, fix, origin });
    }
    flaws
}

