//! Registrations: which pods the API server hands to the mutating webhook of workload identity, and
//! what it does when nobody answers. Only the audit reads them.

use alloc::string::String;
use alloc::vec::Vec;

#[cfg(feature = "facts")]
use serde::{Deserialize, Serialize};

use super::{ClusterIx, ImageReference, Origin, Pairs, Workload, label};

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
/// The namespaces in which AKS and the extension of Arc install a webhook that they keep up themselves.
const MANAGED: [&str; 2] = ["kube-system", "arc-workload-identity"];

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

/// A label selector: all of its requirements have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(transparent))]
pub struct Selector(pub Vec<Requirement>);

/// A requirement of a selector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// What is required of it.
    pub operator: Operator,
    /// The values that are allowed or not.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub values: Vec<String>,
}

/// What a requirement says of a label; named as in `matchExpressions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub enum Operator {
    /// It has one of the values.
    In,
    /// It has none of the values, or is not there.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

// === impl Registration ===

impl Registration {
    /// Whether it calls a webhook that AKS or Arc keeps up.
    pub fn is_managed(&self) -> bool {
        let managed = |(namespace, _): &(String, String)| MANAGED.contains(&namespace.as_str());
        self.webhooks.iter().any(|webhook| webhook.service.as_ref().is_some_and(managed))
    }
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

    /// The requirement by which it misses pods that have the label and no other.
    pub fn misses_by(&self) -> Option<&Requirement> {
        self.pods.unmet(|key| (key == label::USE).then_some("true"))
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

// === impl Selector ===

impl Selector {
    /// Whether it requires nothing.
    pub const fn is_everything(&self) -> bool {
        self.0.is_empty()
    }

    /// The first requirement that labels do not meet.
    pub fn unmet<'s>(&self, labels: impl Fn(&str) -> Option<&'s str>) -> Option<&Requirement> {
        self.0.iter().find(|requirement| !requirement.holds(labels(&requirement.key)))
    }
}

// === impl Requirement ===

impl Requirement {
    /// Whether the value of its label meets it; none if there is no such label.
    pub fn holds(&self, value: Option<&str>) -> bool {
        let listed = value.is_some_and(|value| self.values.iter().any(|known| known == value));
        match self.operator {
            Operator::In => listed,
            Operator::NotIn => !listed,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

impl core::fmt::Display for Requirement {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {}", self.key, self.operator.as_str())?;
        if self.values.is_empty() { Ok(()) } else { write!(f, " ({})", self.values.join(", ")) }
    }
}

// === impl Operator ===

impl Operator {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::In, Self::NotIn, Self::Exists, Self::DoesNotExist];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "In",
            Self::NotIn => "NotIn",
            Self::Exists => "Exists",
            Self::DoesNotExist => "DoesNotExist",
        }
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
        self.is_webhook() && MANAGED.contains(&self.namespace.as_str())
    }

    /// The version of the webhook: the tag of its image, if that names one.
    pub fn webhook_version(&self) -> Option<&str> {
        self.webhook_image()?.tag
    }

    fn webhook_image(&self) -> Option<ImageReference<'_>> {
        let images = self.template.containers.iter().filter_map(|container| container.image.as_deref());
        images.map(ImageReference::of).find(|image| image.repository.ends_with("workload-identity/webhook"))
    }
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

    fn requirement(operator: Operator, values: &[&str]) -> Requirement {
        Requirement { key: "tier".into(), operator, values: values.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn a_requirement_holds_as_kubernetes_says() {
        for (operator, values, none, a, b) in [
            (Operator::In, &["a"][..], false, true, false),
            (Operator::NotIn, &["a"], true, false, true),
            (Operator::Exists, &[], false, true, true),
            (Operator::DoesNotExist, &[], true, false, false),
        ] {
            let requirement = requirement(operator, values);
            let held = [None, Some("a"), Some("b")].map(|value| requirement.holds(value));
            assert_eq!(held, [none, a, b], "{requirement}");
        }
        assert_eq!(requirement(Operator::NotIn, &["a", "b"]).to_string(), "tier NotIn (a, b)");
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
