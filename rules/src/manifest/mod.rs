//! A manifest: one object of Kubernetes as JSON, reduced to the facts the rules read. Admission
//! and audit both come through here, so that they agree from the first byte on.

#[cfg(feature = "audit")]
mod commands;
#[cfg(feature = "audit")]
mod custom;
mod family;
mod metadata;
mod object;
#[cfg(feature = "audit")]
mod operators;
mod pod;
#[cfg(feature = "audit")]
mod rbac;
#[cfg(feature = "audit")]
mod registration;
mod spec;

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

#[cfg(feature = "facts")]
use serde::{Deserialize, Serialize};

use crate::inventory::{Namespace, SecretKeys, SecretProviderClass};
use crate::json::{self, Take};
#[cfg(feature = "audit")]
use crate::model::{
    BYSTANDERS, Body, Pairs, label,
    registration::{CONTROLLER, SETTINGS, UNENFORCED},
};
use crate::model::{ClusterIx, Custom, Origin, ServiceAccount, Workload};
#[cfg(feature = "audit")]
use crate::model::{
    Life, PodBearing, PodTemplate, Registration, Role, RoleBinding, Shape, WebhookSettings, is_past_revision,
};
#[cfg(feature = "audit")]
use crate::spelling::like_ours;
use object::Object;
#[cfg(feature = "audit")]
use object::Status;
use pod::Template;
use spec::Spec;

/// An object of Kubernetes.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "facts", derive(Serialize, Deserialize), serde(rename_all = "camelCase"))]
#[allow(clippy::large_enum_variant, reason = "it is taken apart at once, and most objects are workloads")]
pub enum Manifest {
    /// A pod, or anything that makes pods.
    Workload(Workload),
    /// A ServiceAccount.
    ServiceAccount(ServiceAccount),
    /// A Namespace.
    Namespace(Namespace),
    /// A Secret, without its values.
    Secret(SecretKeys),
    /// A SecretProviderClass of any provider.
    SecretProviderClass(SecretProviderClass),
    /// A custom resource of a kind in [`crate::model::CUSTOM`].
    Custom(Custom),
    /// A Role or ClusterRole.
    #[cfg(feature = "audit")]
    Role(Role),
    /// A RoleBinding or ClusterRoleBinding.
    #[cfg(feature = "audit")]
    RoleBinding(RoleBinding),
    /// A MutatingWebhookConfiguration.
    #[cfg(feature = "audit")]
    Registration(Registration),
    /// The ConfigMap of the webhook.
    #[cfg(feature = "audit")]
    WebhookSettings(WebhookSettings),
    /// A list that was not taken apart: its kind.
    List(String),
    /// An object of a kind that no rule reads.
    Other {
        /// Its API version.
        api_version: String,
        /// Its kind.
        kind: String,
    },
}

/// What an object is said to be by the list around it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hint<'a> {
    /// API version of the list.
    pub api_version: &'a str,
    /// Kind of its elements.
    pub kind: &'a str,
}

/// Why an object could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestError {
    /// It has no `apiVersion` and `kind`: not an object of Kubernetes.
    NotKubernetes,
    /// It is one, but not as its kind must be.
    Malformed {
        /// Kind, namespace and name as far as they could be read.
        object: String,
        /// What the parser says.
        reason: String,
    },
}

/// A manifest with what its list would have to know about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The object.
    pub manifest: Manifest,
    /// Whether it carries a `uid`, so that it comes from an API server.
    pub live: bool,
    /// Whether it is being deleted, so that only its finalizers still change.
    pub deleting: bool,
    /// Whether nothing states its namespace, if its kind has one, so that `default` is a guess.
    #[cfg(feature = "audit")]
    pub unplaced: bool,
    /// The same object as a bystander, if it has labels or annotations that nothing reads there.
    #[cfg(feature = "audit")]
    pub bystander: Option<Manifest>,
}

/// Parses a document and gives what is handed to it the object that is meant; if asked again, it
/// does so again.
pub type Visit<'v, 'a> = dyn FnMut(&mut Take<'_, 'a>) -> Result<(), serde_json::Error> + 'v;

/// Reads one object.
///
/// # Errors
/// If it is not an object of Kubernetes, or not as its kind must be.
pub fn read(json: &[u8], hint: Option<Hint<'_>>, cluster: ClusterIx, origin: Origin) -> Result<Read, ManifestError> {
    read_within(&mut |take| json::read(json, take), hint, cluster, origin)
}

/// Reads one object of a kind that a user declared; an object without a template is of no kind that is read.
///
/// # Errors
/// If it is not as its kind must be.
#[cfg(feature = "audit")]
pub fn read_as(
    json: &[u8],
    hint: Option<Hint<'_>>,
    kind: &'static PodBearing,
    cluster: ClusterIx,
    origin: Origin,
) -> Result<Read, ManifestError> {
    let object = object::parse_as(&mut |take| json::read(json, take), hint, kind)?;
    let (live, deleting, unplaced) = (object.metadata.live, object.metadata.deleting, object.metadata.is_unplaced());
    Ok(Read { manifest: manifest(object, cluster, origin), live, deleting, unplaced, bystander: None })
}

/// Reads one object where it stands in a larger document.
///
/// # Errors
/// If it is not an object of Kubernetes, or not as its kind must be, or the document is no JSON.
pub fn read_within<'a>(
    visit: &mut Visit<'_, 'a>,
    hint: Option<Hint<'a>>,
    cluster: ClusterIx,
    origin: Origin,
) -> Result<Read, ManifestError> {
    let object = object::parse(visit, hint)?;
    let (live, deleting) = (object.metadata.live, object.metadata.deleting);
    #[cfg(feature = "audit")]
    let (bystander, unplaced) = (bystander(&object, cluster, origin), object.metadata.is_unplaced());
    Ok(Read {
        manifest: manifest(object, cluster, origin),
        live,
        deleting,
        #[cfg(feature = "audit")]
        unplaced,
        #[cfg(feature = "audit")]
        bystander,
    })
}

/// The object as a bystander, if it is one.
#[cfg(feature = "audit")]
fn bystander(object: &Object<'_>, cluster: ClusterIx, origin: Origin) -> Option<Manifest> {
    let kind = BYSTANDERS.iter().find(|known| known.kind == object.kind && known.api_version == object.api_version)?;
    let kept = |pairs: &Pairs| Pairs(like_ours(pairs).cloned().collect());
    let (labels, annotations) = (kept(&object.metadata.labels), kept(&object.metadata.annotations));
    if labels.is_empty() && annotations.is_empty() {
        return None;
    }
    let namespace = object.metadata.namespace.as_deref().filter(|namespace| !namespace.is_empty());
    let namespace = if kind.namespaced { namespace.unwrap_or("default").into() } else { String::new() };
    let name = object.metadata.name.as_deref().unwrap_or_default().into();
    Some(Manifest::Custom(Custom {
        kind,
        cluster,
        namespace,
        unplaced: false,
        name,
        body: Body::Bystander(labels, annotations),
        origin,
    }))
}

fn manifest(object: Object<'_>, cluster: ClusterIx, origin: Origin) -> Manifest {
    #[cfg(feature = "audit")]
    let Status { ready, ended, overdue } = object.status;
    let Object { api_version, kind, metadata, spec, .. } = object;
    let namespace =
        metadata.namespace.filter(|namespace| !namespace.is_empty()).map_or_else(|| "default".into(), Cow::into_owned);
    let names = [metadata.name, metadata.generate_name];
    let name = names.into_iter().flatten().find(|name| !name.is_empty()).map(Cow::into_owned).unwrap_or_default();
    let (labels, annotations) = (metadata.labels, metadata.annotations);
    #[cfg(feature = "audit")]
    let (mut job_labels, mut other_labels) = (Pairs::default(), metadata.other_labels);
    #[cfg(feature = "audit")]
    let mut other_annotations = metadata.other_annotations;
    #[cfg(feature = "audit")]
    let (mut is_suspended, mut stalled) = (false, false);
    #[cfg(feature = "audit")]
    let waking = metadata.waking;
    // What makes Jobs and is no CronJob, such as a JobSet, resumes them itself.
    #[cfg(feature = "audit")]
    let is_resumed = metadata.controller.as_ref().is_some_and(|it| it.kind != "CronJob");
    let (kind, replicas, selects_label, template) = match spec {
        Spec::Pod(kind, spec) => (kind, None, false, spec.template(labels.clone(), annotations.clone())),
        Spec::Template(kind, replicas, selects_label, template) => {
            #[cfg(feature = "audit")]
            let Template { metadata, spec, job, suspended, paused } = *template;
            #[cfg(not(feature = "audit"))]
            let Template { metadata, spec } = *template;
            #[cfg(feature = "audit")]
            {
                (job_labels, other_labels) = (job.labels, metadata.other_labels);
                other_annotations = metadata.other_annotations;
                stalled = kind.kind == "Deployment" && (paused || overdue);
                is_suspended = suspended
                    && match kind.kind {
                        "Job" => !waking.queued.get() && !is_resumed,
                        "CronJob" => true,
                        _ => false,
                    };
            }
            (kind, replicas, selects_label, spec.template(metadata.labels, metadata.annotations))
        }
        Spec::ServiceAccount => {
            return Manifest::ServiceAccount(ServiceAccount {
                cluster,
                namespace,
                #[cfg(feature = "audit")]
                unplaced: false,
                name,
                labels,
                annotations,
                origin,
            });
        }
        Spec::Namespace => {
            return Manifest::Namespace(Namespace {
                cluster,
                name,
                #[cfg(feature = "audit")]
                labels,
                origin,
            });
        }
        Spec::Secret(keys) => return Manifest::Secret(SecretKeys { cluster, namespace, name, keys }),
        Spec::SecretProviderClass(azure) => {
            return Manifest::SecretProviderClass(SecretProviderClass { cluster, namespace, name, azure });
        }
        #[cfg(feature = "audit")]
        Spec::Custom(kind, body) => {
            let namespace = if kind.namespaced { namespace } else { String::new() };
            return Manifest::Custom(Custom { kind, cluster, namespace, unplaced: false, name, body, origin });
        }
        #[cfg(feature = "audit")]
        Spec::Role(said) => {
            let namespace = if kind == "Role" { namespace } else { String::new() };
            let (grants, open) = said.role(metadata.live);
            return Manifest::Role(Role { cluster, namespace, name, grants, open });
        }
        #[cfg(feature = "audit")]
        Spec::RoleBinding(said) => {
            let namespace = if kind == "RoleBinding" { namespace } else { String::new() };
            let ((of_cluster_role, role), subjects) = said.binding(&namespace);
            return Manifest::RoleBinding(RoleBinding {
                cluster,
                namespace,
                name,
                of_cluster_role,
                role,
                subjects,
                origin,
            });
        }
        #[cfg(feature = "audit")]
        Spec::Registration(mut webhooks) => {
            let says = |pairs: &Pairs| pairs.get(UNENFORCED) == Some("true");
            let unenforced = says(&labels) || says(&annotations);
            webhooks.retain(|webhook| webhook.is_ours(&name));
            let live = metadata.live;
            return Manifest::Registration(Registration { cluster, name, live, unenforced, webhooks, origin });
        }
        #[cfg(feature = "audit")]
        Spec::ConfigMap(said) if name == SETTINGS => {
            return Manifest::WebhookSettings(WebhookSettings { cluster, namespace, ..said });
        }
        #[cfg(feature = "audit")]
        Spec::ConfigMap(_) => {
            return Manifest::Other { api_version: api_version.into_owned(), kind: kind.into_owned() };
        }
        Spec::List => return Manifest::List(kind.into_owned()),
        Spec::Other => return Manifest::Other { api_version: api_version.into_owned(), kind: kind.into_owned() },
    };
    #[cfg(feature = "audit")]
    let ready = ready.filter(|_| metadata.live && name == CONTROLLER);
    #[cfg(feature = "audit")]
    let template = {
        let opts_in = template.labels.get(label::USE) == Some("true");
        let other_labels = if opts_in { other_labels } else { Pairs::default() };
        let live = kind.shape == Shape::Pod && metadata.live;
        pod::fill(PodTemplate { live, other_labels, ..template }, &other_annotations)
    };
    let controller = metadata.controller;
    #[cfg(feature = "audit")]
    let life = {
        let is_empty = metadata.live && replicas == Some(0) && controller.is_none();
        match ended || is_past_revision(kind.kind, replicas, controller.is_some()) {
            true => Life::Ended,
            false if (is_suspended || is_empty) && !waking.idled.get() => Life::Dormant,
            false => Life::Active,
        }
    };
    let workload = Workload {
        kind,
        cluster,
        namespace,
        #[cfg(feature = "audit")]
        unplaced: false,
        name,
        controller,
        replicas,
        #[cfg(feature = "audit")]
        ready,
        #[cfg(feature = "audit")]
        life,
        #[cfg(feature = "audit")]
        stalled,
        #[cfg(feature = "audit")]
        live: kind.shape != Shape::Pod && metadata.live,
        selects_label,
        labels,
        annotations,
        #[cfg(feature = "audit")]
        job_labels,
        template,
        origin,
    };
    #[cfg(feature = "audit")]
    let workload = without_others_audience(workload);
    Manifest::Workload(workload)
}

/// Keeps the audience of containers that the webhook runs in, and of no other.
#[cfg(feature = "audit")]
fn without_others_audience(mut workload: Workload) -> Workload {
    if !workload.runs_webhook() {
        let PodTemplate { init_containers, containers, .. } = &mut workload.template;
        init_containers.iter_mut().chain(containers).for_each(|container| container.audience = None);
    }
    workload
}

impl Manifest {
    /// Kind, namespace and name of an object that has a name of its own.
    pub fn id(&self) -> Option<(&'static str, &str, &str)> {
        Some(match self {
            Self::Workload(it) => (it.kind.kind, &it.namespace, &it.name),
            Self::ServiceAccount(it) => ("ServiceAccount", &it.namespace, &it.name),
            Self::Namespace(it) => ("Namespace", "", &it.name),
            Self::Secret(it) => ("Secret", &it.namespace, &it.name),
            Self::SecretProviderClass(it) => ("SecretProviderClass", &it.namespace, &it.name),
            Self::Custom(it) => (it.kind.kind, &it.namespace, &it.name),
            #[cfg(feature = "audit")]
            Self::Role(it) => (it.kind(), &it.namespace, &it.name),
            #[cfg(feature = "audit")]
            Self::RoleBinding(it) => (it.kind(), &it.namespace, &it.name),
            #[cfg(feature = "audit")]
            Self::Registration(it) => ("MutatingWebhookConfiguration", "", &it.name),
            #[cfg(feature = "audit")]
            Self::WebhookSettings(it) => ("ConfigMap", &it.namespace, SETTINGS),
            Self::List(_) | Self::Other { .. } => return None,
        })
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotKubernetes => f.write_str("has no `apiVersion` and `kind`"),
            Self::Malformed { object, reason } if object.is_empty() => f.write_str(reason),
            Self::Malformed { object, reason } => write!(f, "{object}: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests;
