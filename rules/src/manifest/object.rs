//! The JSON of an object, read in one pass: `kind` decides what of `spec` is looked at.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::family::Family;
use super::metadata::Metadata;
use super::spec::Spec;
use super::{Hint, ManifestError, Visit};
#[cfg(feature = "audit")]
use super::{metadata::Kept, operators, pod::is, rbac, registration};
use crate::json::{Fault, Json};
#[cfg(feature = "audit")]
use crate::model::{Body, PodBearing, Webhook, WebhookSettings};

/// An object before it is known what it means.
pub(super) struct Object<'a> {
    pub(super) api_version: Cow<'a, str>,
    pub(super) kind: Cow<'a, str>,
    pub(super) metadata: Metadata<'a>,
    pub(super) spec: Spec<'a>,
    /// What its status says.
    #[cfg(feature = "audit")]
    pub(super) status: Status,
}

/// What is read of a status.
#[cfg(feature = "audit")]
#[derive(Clone, Copy, Default)]
pub(super) struct Status {
    /// `readyReplicas` of a Deployment, 0 if it has a status without.
    pub(super) ready: Option<i64>,
    /// Whether a Job is done or has failed, so that no pod of it starts again, or a pod runs no more.
    pub(super) ended: bool,
    /// Whether a Deployment says that its rollout is past its deadline.
    pub(super) overdue: bool,
}

/// An object as far as it was read.
#[derive(Default)]
struct Reading<'a> {
    hint: Option<Hint<'a>>,
    api_version: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    metadata: Option<Metadata<'a>>,
    /// What the body is read as, once that is known.
    family: Option<Family>,
    spec: Option<Spec<'a>>,
    keys: Vec<String>,
    is_there: bool,
    has_spec: bool,
    has_data: bool,
    #[cfg(feature = "audit")]
    access: rbac::Said,
    #[cfg(feature = "audit")]
    webhooks: Option<Vec<Webhook>>,
    #[cfg(feature = "audit")]
    settings: WebhookSettings,
    /// `provisioner` of a StorageClass, and the client id in its `parameters`.
    #[cfg(feature = "audit")]
    storage: operators::StorageClass,
    #[cfg(feature = "audit")]
    status: Status,
    /// Whether a part of the body came before it was known what it means.
    #[cfg(feature = "audit")]
    early: bool,
    /// Whether the metadata did.
    #[cfg(feature = "audit")]
    has_early_metadata: bool,
}

/// Reads an object.
pub(super) fn parse<'a>(visit: &mut Visit<'_, 'a>, hint: Option<Hint<'a>>) -> Result<Object<'a>, ManifestError> {
    let (mut reading, mut result) = Reading::of(visit, hint, None);
    let Some((api_version, kind)) = reading.identity() else {
        return Err(match result {
            Ok(()) => ManifestError::NotKubernetes,
            Err(error) => unidentified(visit, &reading.metadata.unwrap_or_default(), &error),
        });
    };
    let family = Some(Family::of(&api_version, &kind));
    if result.is_ok() && reading.is_premature(family) {
        // The body came before `kind`: once more, now that it is known.
        (reading, result) = Reading::of(visit, hint, family);
    }
    let metadata = reading.metadata.unwrap_or_default();
    #[cfg(feature = "audit")]
    let status = reading.status;
    match result {
        Ok(()) => {
            let spec = match (reading.spec, family) {
                (_, Some(Family::Secret)) => Spec::Secret(reading.keys),
                #[cfg(feature = "audit")]
                (_, Some(Family::Role)) => Spec::Role(reading.access),
                #[cfg(feature = "audit")]
                (_, Some(Family::RoleBinding)) => Spec::RoleBinding(reading.access),
                #[cfg(feature = "audit")]
                (_, Some(Family::Registration)) => Spec::Registration(reading.webhooks.unwrap_or_default()),
                #[cfg(feature = "audit")]
                (_, Some(Family::ConfigMap)) => Spec::ConfigMap(reading.settings),
                #[cfg(feature = "audit")]
                (_, Some(Family::Custom(kind))) if kind.kind == "StorageClass" => {
                    Spec::Custom(kind, Body::Operator(operators::of_storage_class(reading.storage)))
                }
                (Some(spec), _) => spec,
                (None, family) => Spec::empty(family),
            };
            Ok(Object {
                api_version,
                kind,
                metadata,
                spec,
                #[cfg(feature = "audit")]
                status,
            })
        }
        Err(error) => Err(malformed(&kind, &metadata, &error)),
    }
}

/// Reads an object of a kind that a user declared.
#[cfg(feature = "audit")]
pub(super) fn parse_as<'a>(
    visit: &mut Visit<'_, 'a>,
    hint: Option<Hint<'a>>,
    kind: &'static PodBearing,
) -> Result<Object<'a>, ManifestError> {
    let family = Family::Pods(kind);
    let (reading, result) = Reading::of(visit, hint, Some(family));
    let metadata = reading.metadata.unwrap_or_default();
    if let Err(error) = result {
        return Err(malformed(kind.kind, &metadata, &error));
    }
    let spec = reading.spec.unwrap_or_else(|| Spec::empty(Some(family)));
    Ok(Object {
        api_version: kind.api_version.into(),
        kind: kind.kind.into(),
        metadata,
        spec,
        status: Status::default(),
    })
}

/// Something before `kind` was odd: look for the head alone, so that the object can be named.
fn unidentified(visit: &mut Visit<'_, '_>, metadata: &Metadata<'_>, error: &serde_json::Error) -> ManifestError {
    let (mut api_version, mut kind) = (None, None);
    let head = visit(&mut |value| {
        value.object(&mut [
            ("apiVersion", &mut |value| value.text().map(|text| api_version = text)),
            ("kind", &mut |value| value.text().map(|text| kind = text)),
        ])
    });
    match (head, api_version, kind) {
        (Ok(()), Some(_), Some(kind)) => malformed(&kind, metadata, error),
        (Ok(()), ..) => ManifestError::NotKubernetes,
        (Err(error), ..) => ManifestError::Malformed { object: String::new(), reason: error.to_string() },
    }
}

fn malformed(kind: &str, metadata: &Metadata<'_>, error: &serde_json::Error) -> ManifestError {
    let name = metadata.name.as_deref().or(metadata.generate_name.as_deref()).unwrap_or("(no name)");
    let object = match metadata.namespace.as_deref() {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    };
    ManifestError::Malformed { object, reason: error.to_string() }
}

// === impl Reading ===

impl<'a> Reading<'a> {
    fn of(
        visit: &mut Visit<'_, 'a>,
        hint: Option<Hint<'a>>,
        family: Option<Family>,
    ) -> (Self, Result<(), serde_json::Error>) {
        let mut reading = Self { hint, family, ..Self::default() };
        let result = visit(&mut |json| {
            reading.is_there = json.members_if_any(&mut |key, json| reading.member(key, json))?;
            Ok(())
        });
        (reading, result)
    }

    fn member(&mut self, key: &str, json: &mut dyn Json<'a>) -> Result<(), Fault> {
        match key {
            "apiVersion" => set(&mut self.api_version, "apiVersion", json),
            "kind" => set(&mut self.kind, "kind", json),
            "metadata" if self.metadata.is_some() => Err(Fault::duplicate_field("metadata")),
            #[cfg(feature = "audit")]
            "metadata" => {
                self.identify();
                let kept = self.family.map_or(Kept::OfTheChain, Family::keeps);
                self.has_early_metadata = self.family.is_none();
                self.metadata.insert(Metadata { kept, ..Metadata::default() }).read(json)
            }
            #[cfg(not(feature = "audit"))]
            "metadata" => self.metadata.insert(Metadata::default()).read(json),
            "spec" if self.has_spec => Err(Fault::duplicate_field("spec")),
            "spec" => {
                self.has_spec = true;
                self.body();
                self.spec = self.family.map(|family| Spec::read(family, json)).transpose()?;
                Ok(())
            }
            "data" | "stringData" => {
                self.has_data = true;
                self.body();
                match self.family {
                    Some(Family::Secret) => json.keys(&mut |key| self.keys.push(key.into())),
                    #[cfg(feature = "audit")]
                    Some(Family::ConfigMap) => registration::settings(&mut self.settings, json),
                    _ => Ok(()),
                }
            }
            #[cfg(feature = "audit")]
            "status" => self.status(json),
            #[cfg(feature = "audit")]
            "webhooks" => self.webhooks(json),
            #[cfg(feature = "audit")]
            "provisioner" | "parameters" => self.storage(key, json),
            #[cfg(feature = "audit")]
            "rules" => self.access("rules", json),
            #[cfg(feature = "audit")]
            "aggregationRule" => self.access("aggregationRule", json),
            #[cfg(feature = "audit")]
            "roleRef" => self.access("roleRef", json),
            #[cfg(feature = "audit")]
            "subjects" => self.access("subjects", json),
            _ => Ok(()),
        }
    }

    /// A member of a Role or of a binding, if it is one.
    #[cfg(feature = "audit")]
    fn access(&mut self, key: &'static str, json: &mut dyn Json<'a>) -> Result<(), Fault> {
        self.identify();
        match self.family {
            Some(Family::Role | Family::RoleBinding) => self.access.member(key, json),
            Some(_) => Ok(()),
            None => {
                self.early = true;
                Ok(())
            }
        }
    }

    /// The webhooks of a MutatingWebhookConfiguration, if it is one.
    #[cfg(feature = "audit")]
    fn webhooks(&mut self, json: &mut dyn Json<'a>) -> Result<(), Fault> {
        self.identify();
        match self.family {
            Some(Family::Registration) if self.webhooks.is_some() => Err(Fault::duplicate_field("webhooks")),
            Some(Family::Registration) => registration::webhooks(self.webhooks.insert(Vec::new()), json),
            Some(_) => Ok(()),
            None => {
                self.early = true;
                Ok(())
            }
        }
    }

    /// A member of a StorageClass, if it is one.
    #[cfg(feature = "audit")]
    fn storage(&mut self, key: &str, json: &mut dyn Json<'a>) -> Result<(), Fault> {
        self.identify();
        match self.family {
            Some(Family::Custom(kind)) if kind.kind == "StorageClass" => {
                operators::storage_class(&mut self.storage, key, json)
            }
            Some(_) => Ok(()),
            None => {
                self.early = true;
                Ok(())
            }
        }
    }

    /// How many replicas of a Deployment are ready and whether its rollout goes on, and whether a Job or a pod has ended
    /// (Kubernetes, `apps/v1` DeploymentStatus, `batch/v1` JobStatus and `v1` PodStatus).
    #[cfg(feature = "audit")]
    fn status(&mut self, json: &mut dyn Json<'a>) -> Result<(), Fault> {
        self.identify();
        let Some(Family::Pods(kind)) = self.family else {
            self.early |= self.family.is_none();
            return Ok(());
        };
        let (mut ready, mut ended, mut overdue) = (None, false, false);
        let is_there = match kind.kind {
            "Deployment" => json.object_if_any(&mut [
                ("readyReplicas", &mut |json| json.integer().map(|number| ready = number)),
                ("conditions", &mut |json| json.elements(&mut |json| is_overdue(&mut overdue, json))),
            ])?,
            "Job" => job_status(&mut ended, json)?,
            "Pod" => json.object_if_any(&mut [("phase", &mut |json| {
                json.loose().map(|phase| ended = matches!(&*phase.text, "Succeeded" | "Failed"))
            })])?,
            _ => return Ok(()),
        };
        let is_deployment = is_there && kind.kind == "Deployment";
        self.status = Status { ready: is_deployment.then(|| ready.unwrap_or(0)), ended, overdue };
        Ok(())
    }

    /// Whether the body was read as something else than it is.
    fn is_premature(&self, family: Option<Family>) -> bool {
        #[cfg(feature = "audit")]
        {
            let keeps_more = family.is_some_and(|family| family.keeps() != Kept::OfTheChain);
            if self.early || (self.has_early_metadata && keeps_more) {
                return true;
            }
        }
        (self.has_spec || self.has_data) && self.family != family
    }

    /// A part of the body begins. What is read of it depends on the kind, which metadata may tell too late.
    fn body(&mut self) {
        self.identify();
        #[cfg(feature = "audit")]
        {
            self.early |= self.family.is_none();
        }
    }

    fn identify(&mut self) {
        if self.family.is_none() {
            self.family = self.identity().map(|(api_version, kind)| Family::of(&api_version, &kind));
        }
    }

    fn identity(&self) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
        match (&self.api_version, &self.kind, self.hint) {
            // What an API server cut down to its metadata says its kind in the list alone.
            (_, Some(kind), Some(hint)) if kind == "PartialObjectMetadata" => {
                Some((hint.api_version.into(), hint.kind.into()))
            }
            (Some(api_version), Some(kind), _) => Some((api_version.clone(), kind.clone())),
            (None, None, Some(hint)) if self.is_there => Some((hint.api_version.into(), hint.kind.into())),
            _ => None,
        }
    }
}

/// A condition of a Deployment: that of type `Progressing` has this reason once `progressDeadlineSeconds` are over.
#[cfg(feature = "audit")]
fn is_overdue(overdue: &mut bool, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    let mut is_so = false;
    json.object(&mut [("reason", &mut |json| is(&mut is_so, "ProgressDeadlineExceeded", json))])?;
    *overdue |= is_so;
    Ok(())
}

/// `status` of a Job: one that fails has no `completionTime`, but a condition.
#[cfg(feature = "audit")]
fn job_status(ended: &mut bool, json: &mut dyn Json<'_>) -> Result<bool, Fault> {
    let (mut is_complete, mut has_condition) = (false, false);
    let is_there = json.object_if_any(&mut [
        ("completionTime", &mut |json| json.text().map(|time| is_complete = time.is_some())),
        ("conditions", &mut |json| {
            json.elements(&mut |json| {
                let (mut is_last, mut holds) = (false, false);
                json.object(&mut [
                    ("type", &mut |json| {
                        json.loose().map(|kind| is_last = matches!(&*kind.text, "Complete" | "Failed"))
                    }),
                    ("status", &mut |json| is(&mut holds, "True", json)),
                ])?;
                has_condition |= is_last && holds;
                Ok(())
            })
        }),
    ])?;
    *ended = is_complete || has_condition;
    Ok(is_there)
}

fn set<'a>(slot: &mut Option<Cow<'a, str>>, name: &'static str, json: &mut dyn Json<'a>) -> Result<(), Fault> {
    if slot.is_some() {
        return Err(Fault::duplicate_field(name));
    }
    *slot = json.text()?.filter(|text| !text.is_empty());
    Ok(())
}
