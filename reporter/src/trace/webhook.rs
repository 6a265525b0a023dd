//! What the mutating webhook does to the pods of a workload, in words.

use wiguard_rules::model::{ClusterIx, Condition, Operator, ServiceAccount, Webhook, Workload, annotation, label};
use wiguard_rules::near::{self, annotate};
use wiguard_rules::trust::{Key, Link, PassedOver, Trust, Unknown, Unmet};
use wiguard_rules::webhook::{
    Change, Configuration, Injected, Injection, Outcome, PodName, Refusal, TOKEN_FILE, TokenEndpoint, Version, admit,
};

use super::walk::{State, Step};

const LINK: &str = "webhook";
/// What only a pod with an identity binding has.
const TOKEN_PROXY: &str = "AZURE_KUBERNETES_TOKEN_PROXY";

/// The link: injected, or refused. The pods are labelled.
pub(super) fn step(workload: &Workload, account: &Link<&ServiceAccount>, trust: &Trust<'_>) -> Step {
    if workload.template.live {
        return running(workload);
    }
    if let Some(step) = passed_over(workload, trust) {
        return step;
    }
    let account = match account {
        Link::Found(account) => Some(*account),
        Link::Absent => None,
        Link::Unknown(key) => {
            // What the pods themselves say is refused whatever the ServiceAccount says.
            let anyhow = admit(
                &workload.template,
                PodName::Unknown,
                Some(&ServiceAccount::default()),
                &installed(Version::V1_5_1, ""),
            );
            if let Outcome::Refused(refusal) = anyhow {
                return refused(workload, None, &refusal);
            }
            let mut step = Step::unknown(LINK, &Unknown(key.clone()));
            step.message.push_str(", on which hangs what the webhook does");
            return step;
        }
    };
    let name = match workload.kind.kind {
        "Pod" => PodName::Name(&workload.name),
        _ => PodName::Unknown,
    };
    let runs = installed_in(workload.cluster, trust);
    if workload.uses_identity_binding() {
        if let Some(version) = trust.before_bindings(workload.cluster) {
            return too_old(version);
        }
        if runs.is_some_and(|version| !version.has_endpoints()) {
            // Another that was not read may be the one that injects.
            return Step::unknown(LINK, &Unknown(Key::Deployments(workload.cluster)));
        }
    }
    let audiences = trust.audiences(workload.cluster).unwrap_or_default();
    // Where the webhook takes it from elsewhere, what the credentials accept cannot be told either.
    let audience = audiences.first().map_or("that of its flag", |audience| audience.as_str());
    let outcomes: Vec<(Version, Outcome)> = Version::ALL
        .into_iter()
        .filter(|version| runs.is_none_or(|runs| runs == *version))
        .map(|version| (version, admit(&workload.template, name, account, &installed(version, audience))))
        .collect();
    if let Some(refusal) = outcomes.iter().find_map(|(_, outcome)| match outcome {
        Outcome::Refused(refusal) => Some(refusal),
        _ => None,
    }) {
        return refused(workload, account, refusal);
    }
    injected(workload, &outcomes)
}

/// The link where the webhook is not asked about these pods, or perhaps not. That nobody installed it a rule
/// of the catalogue says.
fn passed_over(workload: &Workload, trust: &Trust<'_>) -> Option<Step> {
    if workload.brings_azure_token() {
        return None;
    }
    if let Some(unknown) = trust.unregistered(workload.cluster) {
        return Some(Step::unknown(LINK, &unknown));
    }
    let enabled = trust.cluster(workload.cluster).and_then(|cluster| cluster.workload_identity_enabled);
    if let Err(unknown) = trust.lacks_webhook(workload.cluster, enabled) {
        return Some(Step::unknown(LINK, &unknown));
    }
    // What Azure keeps up it sets back.
    let managed = trust.calls_managed(workload.cluster);
    if managed == Ok(true) {
        return None;
    }
    let PassedOver { registration, webhook, why } = match trust.passed_over(workload) {
        Ok(missed) => missed?,
        Err(unknown) => return Some(perhaps(workload, trust, &unknown)),
    };
    if let Err(unknown) = managed {
        return Some(Step::unknown(LINK, &unknown));
    }
    let step = Step::new(LINK, State::Broken, "no registration of the webhook asks about these pods");
    let name = &registration.name;
    let step = match why {
        Unmet::Label(unmet) => {
            let pods = &workload.template;
            let actual = pods.labels.get(&unmet.key).or_else(|| pods.other_labels.get(&unmet.key));
            let off = match unmet.operator {
                Operator::NotIn | Operator::DoesNotExist => format!("take {} off the pods, or ", unmet.key),
                Operator::In | Operator::Exists => String::new(),
            };
            step.compare(&workload.label_path(&unmet.key), &unmet.to_string(), actual).fix(format!(
                "{off}in MutatingWebhookConfiguration {name}, set objectSelector.matchLabels to `{}: \"true\"` and nothing else",
                label::USE
            ))
        }
        Unmet::Condition(Condition { name: condition, .. }) => step
            .detail(format!("matchCondition {condition} of {name} {} does not hold of namespace {}", webhook.name, workload.namespace))
            .fix(format!("in MutatingWebhookConfiguration {name}, delete matchCondition {condition}, or move the pods to a namespace of which it holds")),
    };
    Some(step)
}

/// The link where a registration asks for what is not known of these pods: a label that their controller may
/// add, or a condition that hangs on more than their namespace. As it is installed it asks for neither.
fn perhaps(workload: &Workload, trust: &Trust<'_>, unknown: &Unknown) -> Step {
    let step = Step::unknown(LINK, unknown);
    let all = trust.registrations(workload.cluster);
    let all = all.flat_map(|it| it.webhooks.iter().map(move |webhook| (&it.name, webhook)));
    let mut reasons = all.filter_map(|(name, webhook)| Some((name, reason(workload, webhook)?)));
    let Some((name, reason)) = reasons.next() else { return step };
    step.detail(format!("MutatingWebhookConfiguration {name} {reason}"))
        .fix(format!("see what it asks for: kubectl get mutatingwebhookconfiguration {} -o yaml", near::shell(name)))
}

/// What a webhook wants that is not known.
fn reason(workload: &Workload, webhook: &Webhook) -> Option<String> {
    let mut labels = webhook.pods.0.iter().filter(|it| workload.template.meets(workload.kind, it).is_none());
    match (labels.next(), webhook.unheld(&workload.namespace)) {
        (Some(label), _) => Some(format!("wants `{label}` of pods, which it does not as it is installed")),
        (None, Some((condition, None))) => Some(format!(
            "has matchCondition {}, which hangs on more than the namespace of pods and is not evaluated",
            condition.name
        )),
        _ => None,
    }
}

/// The version that a cluster runs, if the Deployments of its webhook that were read say one that is modelled.
fn installed_in(cluster: ClusterIx, trust: &Trust<'_>) -> Option<Version> {
    let mut tags = trust.webhooks(cluster).map(|webhook| webhook.webhook_version());
    let tag = tags.next()??;
    let runs = Version::ALL.into_iter().find(|version| tag.strip_prefix('v') == Some(version.as_str()))?;
    tags.all(|other| other == Some(tag)).then_some(runs)
}

/// A version from before identity bindings injects what Entra takes, and the annotation is nothing to it.
fn too_old(version: &str) -> Step {
    Step::new(LINK, State::Broken, "the version that the cluster runs knows no identity bindings")
        .compare("version", "1.6.0 or later", Some(version.trim_start_matches('v')))
        .fix("have AKS run a later one: az feature register --namespace Microsoft.ContainerService --name IdentityBindingPreview, or upgrade the chart")
}

/// As AKS and the chart install it, with that audience: from 1.6.0 on with identity bindings.
fn installed(version: Version, audience: &str) -> Configuration {
    let endpoint = TokenEndpoint {
        annotation: annotation::USE_IDENTITY_BINDING.into(),
        audience: "api://AKSIdentityBinding".into(),
        // What they are is for each cluster to say, and that they are is what is told.
        proxy: "PROXY".into(),
        sni_name: "SNI_NAME".into(),
        ..TokenEndpoint::default()
    };
    Configuration { endpoint: Some(endpoint), audience: audience.into(), ..Configuration::new(version) }
}

/// A pod that runs already has been before the webhook.
fn running(workload: &Workload) -> Step {
    let mut wanted = workload.injected_containers().peekable();
    if wanted.peek().is_none() && !workload.template.containers.is_empty() {
        return skipped();
    }
    let has = |(container, _): &(&wiguard_rules::model::Container, _)| container.variable(TOKEN_FILE).is_some();
    let names: Vec<&str> = wanted.filter(has).map(|(container, _)| container.name.as_str()).collect();
    if names.is_empty() {
        return Step::new(LINK, State::Broken, "this pod is labelled, and no container has what the webhook injects")
            .compare(&format!("variable {TOKEN_FILE}"), "the path of the token", None)
            .detail("the webhook was not there when the pod was created, or the label came later")
            .detail("see whether it runs: kubectl get deployments -A -l azure-workload-identity.io/system=true")
            .fix("delete the pod, so that it is created anew before the webhook");
    }
    if workload.uses_identity_binding()
        && !workload.injected_containers().any(|(container, _)| container.variable(TOKEN_PROXY).is_some())
    {
        return Step::new(LINK, State::Broken, "this pod has a token for Entra, and none for an identity binding")
            .compare(&format!("variable {TOKEN_PROXY}"), "the address of the cluster's proxy", None)
            .detail("its annotation came later, or the version that injected knows no identity bindings")
            .fix("delete the pod, so that it is created anew before the webhook");
    }
    Step::new(LINK, State::Holds, format!("has injected into {}", names.join(", ")))
}

fn skipped() -> Step {
    Step::new(LINK, State::Broken, "every container is named in skip-containers, so none gets a token")
        .fix(format!("take those that call Azure out of the annotation {}", annotation::SKIP_CONTAINERS))
}

fn refused(workload: &Workload, account: Option<&ServiceAccount>, refusal: &Refusal) -> Step {
    let (namespace, name) = (&workload.namespace, workload.service_account());
    let step = match refusal {
        // Kubernetes looks it up before it asks any webhook.
        Refusal::NoServiceAccount(_) => {
            Step::new("ServiceAccount", State::Broken, "Kubernetes refuses these pods, with the words").detail(format!(
                "error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found"
            ))
        }
        _ => Step::new(LINK, State::Broken, "every version refuses these pods, with the words")
            .detail(format!("admission webhook \"mutation.azure-workload-identity.io\" denied the request: {refusal}")),
    };
    let step = match workload.kind.kind {
        "Pod" => step,
        kind => step.detail(format!("the {kind} is admitted; the refusal stands in the events of what makes its pods")),
    };
    match refusal {
        Refusal::NoServiceAccount(_) => {
            let field = format!("{}.serviceAccountName", workload.kind.spec_path());
            step.compare(&field, "a ServiceAccount that exists", Some(name)).fix(format!(
                "create ServiceAccount {namespace}/{name}, or name another; it must be in the namespace of the pods"
            ))
        }
        Refusal::HostNetwork => {
            step.compare(&format!("{}.hostNetwork", workload.kind.spec_path()), "false", Some("true")).fix(format!(
                "delete the annotation {}: it asks for the proxy, whatever its value",
                annotation::INJECT_PROXY
            ))
        }
        Refusal::ProxyPort(_) => {
            let field = workload.annotation_path(annotation::PROXY_PORT);
            let port = workload.template.annotations.get(annotation::PROXY_PORT);
            step.compare(&field, "a number from 1 to 65535", port).fix(format!("set {field} to such a number"))
        }
        Refusal::Lifetime(_) | Refusal::LifetimeOutOfRange(_) => {
            let own = workload.template.annotations.get(annotation::EXPIRATION).filter(|text| !text.is_empty());
            let expected = "whole seconds from 3600 to 86400";
            if own.is_some() {
                let field = workload.annotation_path(annotation::EXPIRATION);
                return step.compare(&field, expected, own).fix(format!("set {field} to such a number, as \"3600\""));
            }
            let said = account.and_then(|account| account.annotations.get(annotation::EXPIRATION));
            let field = format!("ServiceAccount {namespace}/{name} metadata.annotations[{}]", annotation::EXPIRATION);
            step.compare(&field, expected, said).fix(annotate(namespace, name, annotation::EXPIRATION, "3600"))
        }
    }
}

fn injected(workload: &Workload, outcomes: &[(Version, Outcome)]) -> Step {
    let mut told: Vec<(Vec<&str>, Vec<String>)> = Vec::new();
    let mut any = false;
    for (version, outcome) in outcomes {
        let Outcome::Injected(injection) = outcome else { continue };
        any |= injection.containers.iter().any(|container| !container.skipped) || injection.containers.is_empty();
        let words = words(workload, injection);
        match told.iter_mut().find(|(_, same)| *same == words) {
            Some((versions, _)) => versions.push(version.as_str()),
            None => told.push((vec![version.as_str()], words)),
        }
    }
    if !any {
        return skipped();
    }
    let mut step = Step::new(LINK, State::Holds, "injects what the Azure SDKs look for");
    let (differ, known) = (told.len() > 1, outcomes.len() == 1);
    for (versions, words) in told {
        let here = if known { ", which the cluster runs" } else { "" };
        step = step.detail(format!("version {}{here}:", versions.join(", ")));
        for word in words {
            step = step.detail(format!("  {word}"));
        }
    }
    if differ {
        step =
            step.detail("which one runs: kubectl get deployments -A -l azure-workload-identity.io/system=true -o wide");
    }
    step
}

/// What is injected, a line for each thing.
fn words(workload: &Workload, injection: &Injection) -> Vec<String> {
    let mut lines = Vec::new();
    let mut sets: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
    for container in injection.containers.iter().filter(|container| !container.skipped) {
        let added: Vec<&str> = container.variables.iter().map(|variable| variable.name).collect();
        match sets.iter_mut().find(|(_, same)| *same == added) {
            Some((names, _)) => names.push(&container.name),
            None => sets.push((vec![&container.name], added)),
        }
    }
    for (names, added) in sets {
        let added = if added.is_empty() { "no variable".into() } else { added.join(", ") };
        lines.push(format!("into {}: {added}", names.join(", ")));
    }
    lines.extend(injection.containers.iter().filter_map(|container| own(workload, container)));
    let skipped: Vec<&str> = injection
        .containers
        .iter()
        .filter(|container| container.skipped)
        .map(|container| container.name.as_str())
        .collect();
    if !skipped.is_empty() {
        lines.push(format!("passes over {}, named in skip-containers", skipped.join(", ")));
    }
    if let Some(port) = injection.proxy_port {
        lines.push(format!("adds the migration proxy on port {port}, in a privileged init container and a sidecar"));
    }
    let volume = &injection.volume;
    lines.push(match volume.change {
        Change::Kept => format!("no volume: the pod has a token at {} already", volume.path),
        _ => format!(
            "the token is {}/{}, for {} s, with audience {}",
            volume.mount_path, volume.path, volume.lifetime, volume.audience
        ),
    });
    lines
}

/// The variables that a container keeps as its own.
fn own(workload: &Workload, container: &Injected) -> Option<String> {
    let (before, _) = workload.containers().find(|(before, _)| before.name == container.name)?;
    let wanted = ["AZURE_CLIENT_ID", "AZURE_TENANT_ID", TOKEN_FILE, "AZURE_AUTHORITY_HOST"];
    let kept: Vec<&str> = wanted.into_iter().filter(|name| before.variable(name).is_some()).collect();
    let shown = !kept.is_empty() && !container.skipped;
    shown.then(|| format!("{} keeps its own {}", container.name, kept.join(", ")))
}
