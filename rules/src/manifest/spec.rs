//! The body of an object, by its family.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::family::Family;
#[cfg(feature = "audit")]
use super::metadata::Metadata;
#[cfg(feature = "audit")]
use super::pod::is;
use super::pod::{PodSpec, Template};
#[cfg(feature = "audit")]
use super::{custom, rbac};
use crate::json::{Fault, Json};
use crate::model::{AzureParameters, PodBearing, Shape, label};
#[cfg(feature = "audit")]
use crate::model::{Body, CustomKind, SCALERS, TemplatePath, Webhook, WebhookSettings};

/// What of an object's body is read, by kind.
pub(super) enum Spec<'a> {
    Pod(&'static PodBearing, Box<PodSpec<'a>>),
    Template(&'static PodBearing, Option<i64>, bool, Box<Template<'a>>),
    ServiceAccount,
    Namespace,
    Secret(Vec<String>),
    SecretProviderClass(Option<AzureParameters>),
    #[cfg(feature = "audit")]
    Custom(&'static CustomKind, Body),
    #[cfg(feature = "audit")]
    Role(rbac::Said),
    #[cfg(feature = "audit")]
    RoleBinding(rbac::Said),
    #[cfg(feature = "audit")]
    Registration(Vec<Webhook>),
    #[cfg(feature = "audit")]
    ConfigMap(WebhookSettings),
    List,
    Other,
}

// === impl Spec ===

impl<'a> Spec<'a> {
    pub(super) fn empty(family: Option<Family>) -> Self {
        match family {
            Some(Family::Pods(kind)) if kind.shape == Shape::Pod => Self::Pod(kind, Box::default()),
            #[cfg(feature = "audit")]
            Some(Family::Pods(kind)) if matches!(kind.shape, Shape::Under(_)) => Self::Other,
            Some(Family::Pods(kind)) => Self::Template(kind, None, false, Box::default()),
            Some(Family::ServiceAccount) => Self::ServiceAccount,
            Some(Family::Namespace) => Self::Namespace,
            Some(Family::Secret) => Self::Secret(Vec::new()),
            Some(Family::SecretProviderClass) => Self::SecretProviderClass(None),
            #[cfg(feature = "audit")]
            Some(Family::Custom(kind)) => Self::Custom(kind, custom::empty(kind)),
            #[cfg(feature = "audit")]
            Some(Family::Role) => Self::Role(rbac::Said::default()),
            #[cfg(feature = "audit")]
            Some(Family::RoleBinding) => Self::RoleBinding(rbac::Said::default()),
            #[cfg(feature = "audit")]
            Some(Family::Registration) => Self::Registration(Vec::new()),
            #[cfg(feature = "audit")]
            Some(Family::ConfigMap) => Self::ConfigMap(WebhookSettings::default()),
            Some(Family::List) => Self::List,
            Some(Family::Other) | None => Self::Other,
        }
    }

    pub(super) fn read(family: Family, json: &mut dyn Json<'a>) -> Result<Self, Fault> {
        #[cfg(feature = "audit")]
        if let Family::Pods(kind) = family
            && let Shape::Under(path) = kind.shape
        {
            return under(kind, path, json);
        }
        let mut spec = Self::empty(Some(family));
        match &mut spec {
            Self::Pod(_, pod) => pod.read(json)?,
            #[cfg(feature = "audit")]
            Self::Template(kind, _, selects, template) if kind.shape == Shape::CronJob => {
                let (mut job, mut suspended) = (Metadata::default(), false);
                json.object(&mut [
                    ("suspend", &mut |json| is(&mut suspended, "true", json)),
                    ("jobTemplate", &mut |json| {
                        json.object(&mut [
                            ("metadata", &mut |json| job.read(json)),
                            ("spec", &mut |json| template_spec(&mut None, selects, template, json)),
                        ])
                    }),
                ])?;
                template.suspended = suspended || (template.suspended && !job.waking.queued.get());
                template.job = job;
            }
            #[cfg(not(feature = "audit"))]
            Self::Template(kind, _, selects, template) if kind.shape == Shape::CronJob => json
                .object(&mut [("jobTemplate", &mut |json| {
                    json.object(&mut [("spec", &mut |json| template_spec(&mut None, selects, template, json))])
                })])?,
            Self::Template(_, replicas, selects, template) => template_spec(replicas, selects, template, json)?,
            #[cfg(feature = "audit")]
            Self::SecretProviderClass(azure) => *azure = custom::provider_class(json)?,
            #[cfg(not(feature = "audit"))]
            Self::SecretProviderClass(_) => {}
            #[cfg(feature = "audit")]
            Self::Custom(kind, body) => custom::read(kind, body, json)?,
            #[cfg(feature = "audit")]
            Self::Role(_) | Self::RoleBinding(_) | Self::Registration(_) | Self::ConfigMap(_) => {}
            Self::ServiceAccount | Self::Namespace | Self::Secret(_) | Self::List | Self::Other => {}
        }
        Ok(spec)
    }
}

fn template_spec<'a>(
    replicas: &mut Option<i64>,
    selects_label: &mut bool,
    template: &mut Template<'a>,
    json: &mut dyn Json<'a>,
) -> Result<(), Fault> {
    #[cfg(feature = "audit")]
    let (mut suspended, mut paused) = (false, false);
    json.object(&mut [
        #[cfg(feature = "audit")]
        ("paused", &mut |json| is(&mut paused, "true", json)),
        #[cfg(feature = "audit")]
        ("suspend", &mut |json| is(&mut suspended, "true", json)),
        ("replicas", &mut |json| json.integer().map(|number| *replicas = number)),
        ("selector", &mut |json| selector(selects_label, json)),
        ("template", &mut |json| template.read(json)),
    ])?;
    #[cfg(feature = "audit")]
    {
        (template.suspended, template.paused) = (suspended, paused);
    }
    Ok(())
}

fn selector(selects_label: &mut bool, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    json.members(&mut |key, json| {
        // A ReplicationController's selector is the labels themselves.
        *selects_label |= key == label::USE;
        if key == "matchLabels" { json.keys(&mut |key| *selects_label |= key == label::USE) } else { Ok(()) }
    })
}

/// `spec` of a custom kind: without a template it makes no pods itself. A Rollout may have those of its `workloadRef`
/// made, unless it asks for none.
#[cfg(feature = "audit")]
fn under<'a>(kind: &'static PodBearing, path: &TemplatePath, json: &mut dyn Json<'a>) -> Result<Spec<'a>, Fault> {
    let (mut replicas, mut selects_label, mut template, mut scaled) = (None, false, None, None);
    let rollout = SCALERS.iter().find(|known| known.kind == kind.kind && known.group == kind.group);
    let Some((first, rest)) = path.members.split_first() else { return Ok(Spec::Other) };
    json.object(&mut [
        ("replicas", &mut |json| json.loose().map(|number| replicas = number.text.parse().ok())),
        ("selector", &mut |json| selector(&mut selects_label, json)),
        (*first, &mut |json| descend(rest, &mut template, json)),
        ("workloadRef", &mut |json| {
            scaled = rollout.map(|_| custom::scaled(json)).transpose()?;
            Ok(())
        }),
    ])?;
    Ok(match (template, rollout.zip(scaled)) {
        (Some(template), _) => Spec::Template(kind, replicas, selects_label, template),
        (None, Some((rollout, scaled))) if replicas != Some(0) => Spec::Custom(rollout, scaled),
        (None, _) => Spec::Other,
    })
}

#[cfg(feature = "audit")]
fn descend<'a>(
    members: &[&'static str],
    template: &mut Option<Box<Template<'a>>>,
    json: &mut dyn Json<'a>,
) -> Result<(), Fault> {
    if let Some((first, rest)) = members.split_first() {
        return json.object(&mut [(*first, &mut |json| descend(rest, template, json))]);
    }
    let mut read = Box::<Template<'a>>::default();
    *template = read.read_if_any(json)?.then_some(read);
    Ok(())
}
