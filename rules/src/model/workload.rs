//! A workload: a pod, or anything with a pod template. One type for all of them.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

#[cfg(feature = "facts")]
use serde::{Deserialize, Serialize};

use super::bearing::{PodBearing, Shape};
#[cfg(feature = "audit")]
use super::life::Life;
use super::{Audience, ClusterIx, Origin, Pairs, Subject, annotation, label};
use crate::webhook::TOKEN_FILE;

/// A pod, or an object with a pod template.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Workload {
    /// Which kind it is.
    pub kind: &'static PodBearing,
    /// The cluster it lives in; one without a name if no source says.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub cluster: ClusterIx,
    /// Its namespace; `default` if the manifest names none.
    pub namespace: String,
    /// Whether nothing states its namespace, so that `default` is a guess.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub unplaced: bool,
    /// Its name, or its `generateName`.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub name: String,
    /// The object that controls it (`ownerReferences` with `controller: true`).
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub controller: Option<Controller>,
    /// The replicas asked for, where the kind has such a field.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub replicas: Option<i64>,
    /// `status.readyReplicas` of the webhook's Deployment in a cluster.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub ready: Option<i64>,
    /// Whether pods of it run or are made.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Life::is_active"))]
    pub life: Life,
    /// Whether it is a Deployment whose rollout does not go on: paused, or past its deadline (`paused` of its `spec`,
    /// `ProgressDeadlineExceeded` of its `status`), so that its pods stay those of an earlier template.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub stalled: bool,
    /// Whether `metadata.uid` says that it is of a cluster, where pods are made by it. Of a pod its template says it.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub live: bool,
    /// Whether its selector names the label that opts in.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub selects_label: bool,
    /// The labels of the object itself; a pod's are its template's.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Pairs::is_empty"))]
    pub labels: Pairs,
    /// The annotations of the object itself; a pod's are its template's.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Pairs::is_empty"))]
    pub annotations: Pairs,
    /// The labels of a CronJob's `spec.jobTemplate.metadata`.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Pairs::is_empty"))]
    pub job_labels: Pairs,
    /// The pod.
    #[cfg_attr(feature = "facts", serde(default))]
    pub template: PodTemplate,
    /// Where it was read.
    #[cfg_attr(feature = "facts", serde(skip))]
    pub origin: Origin,
}

/// The kind and name of a controlling object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Controller {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// What makes a pod.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct PodTemplate {
    /// `metadata.labels`.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Pairs::is_empty"))]
    pub labels: Pairs,
    /// The other labels, of pods that opt in: the webhook may be registered to be asked by them.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Pairs::is_empty"))]
    pub other_labels: Pairs,
    /// `metadata.annotations`.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Pairs::is_empty"))]
    pub annotations: Pairs,
    /// `spec.serviceAccountName`, else the deprecated `spec.serviceAccount`.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub service_account: Option<String>,
    /// `spec.initContainers`.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub init_containers: Vec<Container>,
    /// `spec.containers`.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub containers: Vec<Container>,
    /// Volumes that bear on the chain.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub volumes: Vec<Volume>,
    /// Where it is to run.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Placement::is_anywhere"))]
    pub placement: Placement,
    /// Volumes that have a name of the webhook's, or a token where it puts its own. Only the audit
    /// reads them.
    pub token_volumes: Vec<TokenVolume>,
    /// Whether `metadata.uid` says that this is a pod of a cluster, and no template. Only the audit
    /// reads it.
    pub live: bool,
}

/// A volume that the webhook made, or that stands in its way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct TokenVolume {
    /// Its name.
    pub name: String,
    /// The ServiceAccount tokens projected into it.
    pub tokens: Vec<ProjectedToken>,
}

/// `serviceAccountToken` of a projected volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct ProjectedToken {
    /// The file in the volume.
    pub path: String,
    /// `expirationSeconds`, where it is a number.
    pub lifetime: Option<i64>,
    /// `audience`; empty if it is for the API server.
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub audience: String,
}

/// Where a pod is to run, as far as that decides what the webhook can do for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Placement {
    /// `spec.hostNetwork`.
    pub host_network: bool,
    /// `windows` in `spec.os.name`, or in `spec.nodeSelector` under `kubernetes.io/os`.
    pub windows: bool,
    /// Whether it may go to a virtual node, and by what.
    pub virtual_node: Option<VirtualNode>,
}

/// What lets a pod go to a virtual node of AKS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub enum VirtualNode {
    /// A toleration of `virtual-kubelet.io/provider`: it may run elsewhere.
    Tolerated,
    /// `nodeSelector` with `type: virtual-kubelet`: it runs nowhere else.
    Selected,
    /// `nodeName` that begins with `virtual-node-`.
    Named,
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Container {
    /// Its name.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "String::is_empty"))]
    pub name: String,
    /// `env`, only variables named `AZURE_…` or `ARM_…`.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub env: Vec<EnvVar>,
    /// `envFrom`.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub env_from: Vec<EnvFrom>,
    /// Where its command, arguments and variables name a folder of the webhook's tokens. This and
    /// what follows only the audit reads.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub token_paths: Vec<TokenPath>,
    /// `volumeMounts` of projected tokens, of volumes that have a name of the webhook's, at a path of
    /// the webhook's, and at that of the token file that the container names itself.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub mounts: Vec<Mount>,
    /// `image`.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub image: Option<String>,
    /// Whether an argument names Azure as the provider (`--provider=azure`), as those of external-dns do.
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "super::is_false"))]
    pub for_azure: bool,
    /// What an argument of the webhook's own container names as the audience of its tokens (`--audience`).
    #[cfg(feature = "audit")]
    #[cfg_attr(feature = "facts", serde(default, skip_serializing_if = "Option::is_none"))]
    pub audience: Option<Value>,
}

/// A path of the webhook's tokens in the text of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct TokenPath {
    /// The field of the container: `args[1]`, `env[NAME]`.
    pub field: String,
    /// The path.
    pub path: String,
}

/// A volume's place in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Mount {
    /// The volume's name.
    pub volume: String,
    /// `mountPath`.
    pub path: String,
}

/// Where a container stands: a path that is written out only for findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    spec: &'static str,
    list: &'static str,
    index: usize,
}

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct EnvVar {
    /// Its name; empty for one of whatever other name that holds an annotation of the pod's own.
    pub name: String,
    /// Its value, or where it comes from.
    pub value: Value,
}

/// What a variable holds. Secret material is never kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub enum Value {
    /// A literal. Unless rules read it ([`EnvVar::is_read`]) or it is empty, the text is dropped.
    Literal(Option<String>),
    /// `valueFrom.secretKeyRef`: name and key.
    Secret(String, String),
    /// The same with `optional: true`: without Secret or key there is no variable. Only the audit tells it apart:
    /// at admission nothing is known of Secrets.
    #[cfg(feature = "audit")]
    Optional(String, String),
    /// `valueFrom.fieldRef` of an annotation of the pod's own that bears on the chain, by its key. Only the audit
    /// tells it apart.
    #[cfg(feature = "audit")]
    Annotation(String),
    /// Any other `valueFrom`.
    Elsewhere,
}

/// A source of many variables.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub enum EnvFrom {
    /// `secretRef`: the Secret's name and the prefix put before its keys.
    Secret(String, String),
    /// `configMapRef`.
    ConfigMap(String),
}

/// A volume that bears on the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub enum Volume {
    /// A projected ServiceAccount token with an audience of its own.
    Token(Token),
    /// Secrets Store CSI, by the name of its SecretProviderClass.
    SecretsStore(String),
    /// An inline Azure Files or Blob CSI volume that mounts with a workload identity token.
    AzureStorage,
    /// A PersistentVolumeClaim, by name.
    Claim(String),
}

/// A projected ServiceAccount token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
pub struct Token {
    /// `audience`.
    pub audience: Audience,
    /// The name of its volume. This and what follows only the audit reads.
    pub volume: String,
    /// `path` within the volume.
    pub path: String,
    /// `expirationSeconds`, where it is a number.
    pub lifetime: Option<i64>,
}

// === impl Placement ===

impl Placement {
    /// Whether nothing is said.
    pub fn is_anywhere(&self) -> bool {
        *self == Self::default()
    }
}

// === impl Workload ===

impl Workload {
    /// Whether the mutating webhook will be asked about its pods: the label, exactly `true`.
    pub fn opts_in(&self) -> bool {
        self.template.labels.get(label::USE) == Some("true")
    }

    /// Whether its pods say that they do not want an identity: the label, exactly `false`.
    pub fn opts_out(&self) -> bool {
        self.template.labels.get(label::USE) == Some("false")
    }

    /// Whether the label stands on the object itself and nowhere on its pod template, which needs it. That it wants no
    /// identity is true wherever it says so.
    pub fn has_misplaced_label(&self) -> bool {
        self.kind.shape != Shape::Pod
            && self.labels.get(label::USE).is_some_and(|value| value != "false")
            && self.template.labels.get(label::USE).is_none()
            && !self.projects_azure_token()
    }

    /// Whether the label stands on the Jobs that a CronJob makes, and nowhere on their pod template.
    #[cfg(feature = "audit")]
    pub fn labels_its_jobs(&self) -> bool {
        self.job_labels.get(label::USE).is_some_and(|value| value != "false")
            && self.template.labels.get(label::USE).is_none()
            && !self.projects_azure_token()
    }

    /// The ServiceAccount its pods run under, `default` if none is named.
    pub fn service_account(&self) -> &str {
        self.template.account_name()
    }

    /// The subject its pods present.
    pub fn subject(&self) -> Subject {
        Subject::of(&self.namespace, self.service_account())
    }

    /// The container whose image is this program's, and its place.
    #[cfg(feature = "audit")]
    pub fn running(&self, program: &str) -> Option<(&Container, Place)> {
        let is_it = |image: &str| super::ImageReference::of(image).name() == program;
        self.containers().find(|(container, _)| container.image.as_deref().is_some_and(is_it))
    }

    /// Whether its pods speak through an AKS identity binding. The annotation is read without
    /// regard to case, unlike the label (azure-workload-identity v1.6.0, `pkg/webhook/webhook.go`).
    pub fn uses_identity_binding(&self) -> bool {
        self.template
            .annotations
            .get(annotation::USE_IDENTITY_BINDING)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Init containers, then containers, each with its place.
    pub fn containers(&self) -> impl Iterator<Item = (&Container, Place)> {
        let spec = self.kind.spec_path();
        let lists = [("initContainers", &self.template.init_containers), ("containers", &self.template.containers)];
        lists.into_iter().flat_map(move |(list, containers)| {
            containers.iter().enumerate().map(move |(index, container)| (container, Place { spec, list, index }))
        })
    }

    /// Containers that the webhook injects into: those not named by `skip-containers`.
    pub fn injected_containers(&self) -> impl Iterator<Item = (&Container, Place)> {
        self.containers().filter(|(container, _)| !self.skipped().any(|name| name == container.name))
    }

    /// The names in `skip-containers`, as the webhook splits them: at semicolons, trimmed.
    pub fn skipped(&self) -> impl Iterator<Item = &str> {
        let list = self.template.annotations.get(annotation::SKIP_CONTAINERS).unwrap_or_default();
        list.split(';').map(str::trim).filter(|name| !name.is_empty())
    }

    /// Whether a container gets a token: of pods that bring their own, those that mount it or name its file.
    #[cfg(feature = "audit")]
    pub fn presents_in(&self, container: &Container) -> bool {
        let mut tokens = self.own_tokens();
        self.opts_in()
            || container.variable(TOKEN_FILE).is_some()
            || tokens.any(|token| container.mounts.iter().any(|mount| mount.volume == token.volume))
    }

    /// The audiences of tokens that its pods project by themselves, for whatever system.
    pub fn own_audiences(&self) -> impl Iterator<Item = &Audience> {
        self.own_tokens().map(|token| &token.audience)
    }

    /// The tokens that its pods project by themselves, for whatever system.
    pub fn own_tokens(&self) -> impl Iterator<Item = &Token> {
        self.template.volumes.iter().filter_map(|volume| match volume {
            Volume::Token(token) => Some(token),
            _ => None,
        })
    }

    /// Whether the pods bring their own token for Azure instead of the webhook's: a projection
    /// with an Azure exchange audience, or any projection beside `AZURE_FEDERATED_TOKEN_FILE`.
    pub fn projects_azure_token(&self) -> bool {
        self.own_audiences().any(|audience| audience.as_str().starts_with("api://AzureADTokenExchange"))
            || (self.own_audiences().next().is_some() && self.variable(TOKEN_FILE).is_some())
    }

    /// The same, of which only the audit can tell more.
    #[cfg(not(feature = "audit"))]
    pub fn brings_azure_token(&self) -> bool {
        self.projects_azure_token()
    }

    /// Whether a container is told what an annotation of the pod says (`fieldRef`).
    #[cfg(feature = "audit")]
    pub fn hands_on(&self, annotation: &str) -> bool {
        let is_it = |variable: &EnvVar| matches!(&variable.value, Value::Annotation(key) if key == annotation);
        self.containers().any(|(container, _)| container.env.iter().any(is_it))
    }

    /// The annotation of the pod with which a container's variable is filled (`fieldRef`), by its key.
    #[cfg(feature = "audit")]
    pub fn handed_on<'a>(&self, container: &'a Container, variable: &str) -> Option<&'a str> {
        match &container.variable(variable)?.value {
            Value::Annotation(key) => Some(key),
            _ => None,
        }
    }

    /// What a container is told by its own variable: its text, or that of the annotation with which it is filled,
    /// where none is nothing. `None` if it has no such variable, or has it from elsewhere.
    #[cfg(feature = "audit")]
    pub fn told<'a>(&'a self, container: &'a Container, variable: &str) -> Option<&'a str> {
        match &container.variable(variable)?.value {
            Value::Literal(text) => text.as_deref(),
            Value::Annotation(key) => Some(self.template.annotations.get(key).unwrap_or_default()),
            _ => None,
        }
    }

    /// The first container variable of that name.
    pub fn variable(&self, name: &str) -> Option<&EnvVar> {
        self.containers().find_map(|(container, _)| container.variable(name))
    }

    /// The path of a label of the pod.
    pub fn label_path(&self, key: &str) -> String {
        alloc::format!("{}.labels[{key}]", self.kind.metadata_path())
    }

    /// The path of its selector's labels.
    pub fn selector_path(&self) -> &'static str {
        match (self.kind.shape, self.kind.kind) {
            (_, "ReplicationController") => "spec.selector",
            (Shape::CronJob, _) => "spec.jobTemplate.spec.selector.matchLabels",
            _ => "spec.selector.matchLabels",
        }
    }

    /// The path of an annotation of the pod.
    pub fn annotation_path(&self, key: &str) -> String {
        alloc::format!("{}.annotations[{key}]", self.kind.metadata_path())
    }
}

// === impl PodTemplate ===

impl PodTemplate {
    /// The ServiceAccount its pods run under, `default` if none is named.
    pub fn account_name(&self) -> &str {
        self.service_account.as_deref().filter(|name| !name.is_empty()).unwrap_or("default")
    }
}

// === impl Mount ===

#[cfg(feature = "audit")]
impl Mount {
    /// Whether a file may be what is mounted, or in it.
    pub fn may_hold(&self, file: &str) -> bool {
        super::may_lie_in(file, &self.path)
    }
}

// === impl Place ===

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}[{}]", self.spec, self.list, self.index)
    }
}

// === impl Container ===

impl Container {
    /// The variable of that name. Of one that is set twice, the last: the API server warns that it hides what was
    /// said before (Kubernetes, `pkg/api/pod/warnings.go`). The webhook asks only whether there is one.
    pub fn variable(&self, name: &str) -> Option<&EnvVar> {
        self.env.iter().rfind(|variable| variable.name == name)
    }

    /// The literal value of the variable of that name, if it is one and not empty.
    pub fn literal(&self, name: &str) -> Option<&str> {
        match &self.variable(name)?.value {
            Value::Literal(Some(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }
}

// === impl EnvVar ===

impl EnvVar {
    /// Whether rules read what a variable of that name holds. Of every other the text is dropped: it
    /// may be a secret under any name.
    pub fn is_read(name: &str) -> bool {
        const READ: [&str; 7] = [
            "AZURE_CLIENT_ID",
            "AZURE_TENANT_ID",
            "AZURE_AUTHORITY_HOST",
            "AZURE_FEDERATED_TOKEN_FILE",
            "AZURE_TOKEN_CREDENTIALS",
            "ARM_CLIENT_ID",
            "ARM_TENANT_ID",
        ];
        READ.contains(&name)
    }
}
