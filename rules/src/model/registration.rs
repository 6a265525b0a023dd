//! Registrations: which pods the API server hands to the mutating webhook of workload identity, and
//! what it does when nobody answers. Only the audit reads them.

use alloc::string::String;
use alloc::vec::Vec;

#[cfg(feature = "facts")]
use serde::{Deserialize, Serialize};

use super::{
    ClusterIx, Condition, Container, ImageReference, Origin, Pairs, Requirement, Selector, Workload, is_placeholder,
    label,
};

/// The Deployment of the webhook (azure-workload-identity, `deploy/azure-wi-webhook.yaml`, as all
/// names here).
pub const CONTROLLER: &str = "azure-wi-webhook-controller-manager";
/// The MutatingWebhookConfiguration.
pub const CONFIGURATION: &str = "azure-wi-webhook-mutating-webhook-configuration";
/// The webhook in it.
pub const WEBHOOK: &str = "mutation.azure-workload-identity.io";
/// What the operator of OpenShift, which keeps it up, calls the same webhook
/// (openshift/cloud-credential-operator, `pkg/operator/podidentity`).
const CONTROLLER_OF_OPENSHIFT: &str = "pod-identity-webhook";
const OF_OPENSHIFT: &str = "pod-identity-webhook.azure.mutate.io";
/// The Service it is called through.
pub const SERVICE: &str = "azure-wi-webhook-webhook-service";
/// The ConfigMap from which it takes its tenant and its cloud.
pub const SETTINGS: &str = "azure-wi-webhook-config";
/// Keeps the Admissions Enforcer of AKS from a configuration, as a label or an annotation
/// (Microsoft Learn, AKS FAQ).
pub const UNENFORCED: &str = "admissions.enforcer/disabled";
/// The label by which a namespace is selected by its name: the API server sets it.
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// The namespace in which AKS installs a webhook that it keeps up itself.
pub const OF_AKS: &str = "kube-system";
/// The namespace in which the extension of Arc does.
const OF_ARC: &str = "arc-workload-identity";

/// A MutatingWebhookConfiguration, with those of its webhooks that are workload identity's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Registration {
    /// Its cluster.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub cluster: ClusterIx,
    /// Its name.
    pub name: String,
    /// Whether it is of a cluster, and no manifest: it has a `uid`.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub live: bool,
    /// Whether the Admissions Enforcer of AKS lets it be.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub unenforced: bool,
    /// Its webhooks.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub webhooks: Vec<Webhook>,
    /// Where it was read.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub origin: Origin,
}

/// A webhook of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Webhook {
    /// Its name.
    pub name: String,
    /// `failurePolicy`; empty if it says none, which is `Fail`.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub failure_policy: String,
    /// `objectSelector`: which pods.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Selector::is_everything"))]
    pub pods: Selector,
    /// `namespaceSelector`: of which namespaces.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Selector::is_everything"))]
    pub namespaces: Selector,
    /// `clientConfig.service`, by namespace and name.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub service: Option<(String, String)>,
    /// Whether `clientConfig.caBundle` holds anything.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub has_ca: bool,
    /// Whether its `rules` are known not to ask about pods that are created.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub ignores_new_pods: bool,
    /// `matchConditions`: of which requests, by expressions all of which have to hold.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub conditions: Vec<Condition>,
}

/// What the webhook's ConfigMap says. Nothing else of ConfigMaps is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct WebhookSettings {
    /// Its cluster.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub cluster: ClusterIx,
    /// Its namespace.
    pub namespace: String,
    /// `AZURE_TENANT_ID`; empty if it says none.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub tenant_id: String,
    /// `AZURE_ENVIRONMENT`; empty if it says none, which is the public cloud.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub environment: String,
}

// === impl Webhook ===

impl Webhook {
    /// Whether it is workload identity's: by the name of its configuration, its own, or its Service's. The
    /// path `/mutate-v1-pod` is that of many operators.
    pub fn is_ours(&self, configuration: &str) -> bool {
        configuration == CONFIGURATION
            || self.name == WEBHOOK
            || self.is_of_openshift()
            || self.service.as_ref().is_some_and(|(_, name)| name == SERVICE)
    }

    /// Whether the operator of OpenShift registered it, and sees to it.
    pub fn is_of_openshift(&self) -> bool {
        self.name == OF_OPENSHIFT
    }

    /// Whether pods are made without it while nobody answers.
    pub fn is_passed_over(&self) -> bool {
        self.failure_policy == "Ignore"
    }

    /// Whether it is known not to be asked about any pod that is created.
    pub fn is_never_asked(&self) -> bool {
        self.ignores_new_pods || self.never().is_some()
    }

    /// The condition that holds of no pod that is created, whatever its namespace.
    pub fn never(&self) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.holds(None) == Some(false))
    }

    /// The condition that does not hold of the pods of a namespace, or the first of which that is not known
    /// if there is none; each with whether it is known. The API server asks no webhook one of whose
    /// conditions is false, whatever the others are (Kubernetes, "Dynamic Admission Control").
    pub fn unheld(&self, namespace: &str) -> Option<(&Condition, Option<bool>)> {
        let namespace = Some(namespace).filter(|name| !is_placeholder(name));
        let all = || self.conditions.iter().map(|condition| (condition, condition.holds(namespace)));
        let is_false = |(_, held): &(&Condition, Option<bool>)| *held == Some(false);
        all().find(is_false).or_else(|| all().find(|(_, held)| held.is_none()))
    }

    /// The requirement by which it misses pods that have the label and no other.
    pub fn misses_by(&self) -> Option<&Requirement> {
        self.pods.unmet(|key| (key == label::USE).then_some("true"))
    }

    /// The requirement that is known not to be met by the pods of a workload that opts in.
    pub fn unmet_by(&self, workload: &Workload) -> Option<&Requirement> {
        let unmet = |it: &&Requirement| workload.template.meets(workload.kind, it) == Some(false);
        self.pods.0.iter().find(unmet)
    }

    /// Whether it is asked about pods that do not have the label.
    pub fn takes_unlabelled(&self) -> bool {
        let asks = |requirement: &Requirement| requirement.key == label::USE && !requirement.holds(None);
        !self.pods.0.iter().any(asks)
    }
}

// === impl WebhookSettings ===

impl WebhookSettings {
    /// The top-level domain of that cloud's issuers, if it is one of those that have AKS
    /// (go-autorest, `autorest/azure/environments.go`, which reads the name without regard to case).
    pub fn cloud_domain(&self) -> Option<&'static str> {
        match self.environment.to_ascii_uppercase().as_str() {
            "" | "AZURECLOUD" | "AZUREPUBLICCLOUD" => Some("com"),
            "AZUREUSGOVERNMENT" | "AZUREUSGOVERNMENTCLOUD" => Some("us"),
            "AZURECHINACLOUD" => Some("cn"),
            _ => None,
        }
    }
}

// === impl Container ===

impl Container {
    /// Its image, if that is the webhook's.
    pub fn webhook_image(&self) -> Option<ImageReference<'_>> {
        let image = ImageReference::of(self.image.as_deref()?);
        image.repository.ends_with("workload-identity/webhook").then_some(image)
    }
}

// === impl Workload ===

impl Workload {
    /// Whether it is the Deployment of the webhook.
    pub fn is_webhook(&self) -> bool {
        self.kind.kind == "Deployment" && self.name == CONTROLLER
    }

    /// Whether it runs the webhook, by whatever name: the image says so, or it is the Deployment of OpenShift's
    /// Cloud Credential Operator.
    pub fn runs_webhook(&self) -> bool {
        self.kind.kind == "Deployment"
            && (self.name == CONTROLLER || self.name == CONTROLLER_OF_OPENSHIFT || self.webhook_image().is_some())
    }

    /// Whether it is in a namespace in which AKS or Arc installs the webhook, and keeps it up.
    pub fn is_managed_webhook(&self) -> bool {
        self.is_webhook() && is_managed(&self.namespace)
    }

    /// The version of the webhook: the tag of its image, if that names one.
    pub fn webhook_version(&self) -> Option<&str> {
        self.webhook_image()?.tag
    }

    fn webhook_image(&self) -> Option<ImageReference<'_>> {
        self.template.containers.iter().find_map(Container::webhook_image)
    }
}

/// Whether AKS or Arc installs the webhook in a namespace of this name.
pub fn is_managed(namespace: &str) -> bool {
    [OF_AKS, OF_ARC].contains(&namespace)
}

/// The value of a label of a namespace.
pub fn label_of<'s>(name: &'s str, labels: &'s Pairs, key: &str) -> Option<&'s str> {
    if key == NAME_LABEL { Some(name) } else { labels.get(key) }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;

    use super::*;
    use crate::model::Operator;

    fn requirement(operator: Operator, values: &[&str]) -> Requirement {
        Requirement { key: "tier".into(), operator, values: values.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn the_label_and_nothing_else_is_what_pods_need() {
        let labelled = Requirement { key: label::USE.into(), operator: Operator::In, values: vec!["true".into()] };
        let webhook = |pods: &[&Requirement]| Webhook {
            pods: Selector(pods.iter().copied().cloned().collect()),
            ..Webhook::default()
        };
        for (more, misses) in [
            (requirement(Operator::In, &["a"]), true),
            (requirement(Operator::Exists, &[]), true),
            (requirement(Operator::NotIn, &["a"]), false),
            (requirement(Operator::DoesNotExist, &[]), false),
        ] {
            let webhook = webhook(&[&labelled, &more]);
            assert_eq!((webhook.misses_by().is_some(), webhook.takes_unlabelled()), (misses, false), "{more}");
        }
        assert!(webhook(&[]).takes_unlabelled() && webhook(&[]).misses_by().is_none());
        let exists = Requirement { operator: Operator::Exists, values: vec![], ..labelled };
        assert!(!webhook(&[&exists]).takes_unlabelled());
    }
}
