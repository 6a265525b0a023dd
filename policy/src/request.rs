//! The admission request, as far as it matters: rules read objects, never the operation or the user.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};

use wiguard_rules::json::{self, Fault, Json, Take};
use wiguard_rules::manifest::{self, Hint, Manifest, ManifestError};
use wiguard_rules::model::{ClusterIx, Origin};
use wiguard_rules::review;

use crate::answer::Outcome;
use crate::host::{Host, Messenger};
use crate::settings::Settings;

/// What a Kubewarden host passes to `validate`, but for the object.
#[derive(Default)]
struct Payload<'a> {
    request: Request<'a>,
    settings: Settings,
    /// Whether the settings are being read.
    in_settings: bool,
}

/// `AdmissionReview.request`. Kubewarden's audit scanner leaves out most of it, Gatekeeper's audit more.
#[derive(Default)]
struct Request<'a> {
    kind: Option<GroupVersionKind<'a>>,
    sub_resource: Option<Cow<'a, str>>,
    namespace: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
}

#[derive(Default)]
struct GroupVersionKind<'a> {
    group: Cow<'a, str>,
    version: Cow<'a, str>,
    kind: Cow<'a, str>,
}

/// Reviews the object of a request. The object is read where it stands, in the one pass that reads
/// the payload.
pub(crate) fn review(json: &[u8], host: &mut dyn Host) -> Result<Outcome, String> {
    let cluster = ClusterIx(0);
    let (kind, api_version);
    let mut payload = Payload::default();
    let mut read = manifest::read_within(&mut |take| payload.read(json, take), None, cluster, Origin::default());
    if let (Err(ManifestError::NotKubernetes), Some(said)) = (&read, payload.request.kind.take()) {
        // The object does not say what it is, but the request does.
        kind = said;
        api_version = kind.api_version();
        let hint = Hint { api_version: &api_version, kind: &kind.kind };
        read = manifest::read_within(&mut |take| payload.read(json, take), Some(hint), cluster, Origin::default());
    }
    if let Err(ManifestError::Malformed { .. }) = read {
        // Is it the object, or what is around it?
        payload.read(json, &mut |_| Ok(())).map_err(|error| match payload.in_settings {
            true => format!("could not read the settings: {error}"),
            false => format!("could not read the validation request: {error}"),
        })?;
    }
    let Payload { request, settings, .. } = payload;
    settings.check().map_err(|reason| format!("could not read the settings: {reason}"))?;
    // A subresource (`status`, `scale`, `ephemeralcontainers`) changes nothing that rules read: to
    // reject it would keep controllers, and people who debug, from objects that are there already.
    if request.sub_resource.as_deref().is_some_and(|name| !name.is_empty()) {
        return Ok(Outcome::nothing_to_judge());
    }
    Ok(match read {
        Ok(read) if read.deleting => Outcome::nothing_to_judge(),
        Ok(read) => judge(read.manifest, &request, &settings, host),
        Err(ManifestError::NotKubernetes) => Outcome::nothing_to_judge(),
        Err(error) => Outcome::unreadable(&error.to_string()),
    })
}

fn judge(manifest: Manifest, request: &Request<'_>, settings: &Settings, host: &mut dyn Host) -> Outcome {
    let mut inventory = settings.inventory();
    let namespace = request.namespace.as_deref().filter(|namespace| !namespace.is_empty());
    let account = match manifest {
        Manifest::Workload(mut workload) => {
            workload.namespace = namespace.map_or(workload.namespace, ToString::to_string);
            if let (true, Some(name)) = (workload.name.is_empty(), &request.name) {
                workload.name = name.to_string();
            }
            let account = (workload.namespace.clone(), workload.service_account().to_string());
            inventory.workloads.push(workload);
            account
        }
        Manifest::ServiceAccount(mut account) => {
            account.namespace = namespace.map_or(account.namespace, ToString::to_string);
            let names = (account.namespace.clone(), account.name.clone());
            inventory.service_accounts.push(account);
            names
        }
        _ => return Outcome::nothing_to_judge(),
    };
    if settings.exempts(&account.0, &account.1) {
        return Outcome::nothing_to_judge();
    }
    let judgements = review::review(&mut inventory, &settings.parameters, &settings.rules_on(), &mut Messenger(host));
    Outcome::of(judgements, settings)
}

// === impl Payload ===

impl<'a> Payload<'a> {
    /// Reads a payload anew, and has its object taken.
    fn read(&mut self, json: &'a [u8], take: &mut Take<'_, 'a>) -> Result<(), serde_json::Error> {
        *self = Self::default();
        json::read(json, &mut |json| {
            let mut has_request = false;
            json.object(&mut [
                ("request", &mut |json| self.request.read(json, take).map(|is_there| has_request = is_there)),
                ("settings", &mut |json| {
                    self.in_settings = true;
                    self.settings.fill(json)?;
                    self.in_settings = false;
                    Ok(())
                }),
            ])?;
            if has_request { Ok(()) } else { Err(Fault::missing_field("request")) }
        })
    }
}

// === impl Request ===

impl<'a> Request<'a> {
    fn read(&mut self, json: &mut dyn Json<'a>, take: &mut Take<'_, 'a>) -> Result<bool, Fault> {
        let (mut camel, mut snake, mut lower) = (None, None, None);
        let is_there = json.object_if_any(&mut [
            ("kind", &mut |json| GroupVersionKind::read(json).map(|kind| self.kind = kind)),
            ("namespace", &mut |json| json.text().map(|text| self.namespace = text)),
            ("name", &mut |json| json.text().map(|text| self.name = text)),
            ("object", &mut |json| take(json)),
            ("subResource", &mut |json| json.text().map(|text| camel = text)),
            ("sub_resource", &mut |json| json.text().map(|text| snake = text)),
            ("subresource", &mut |json| json.text().map(|text| lower = text)),
        ])?;
        // However a host writes it.
        self.sub_resource = camel.or(snake).or(lower);
        Ok(is_there)
    }
}

// === impl GroupVersionKind ===

impl<'a> GroupVersionKind<'a> {
    fn read(json: &mut dyn Json<'a>) -> Result<Option<Self>, Fault> {
        let mut read = Self::default();
        let is_there = json.object_if_any(&mut [
            ("group", &mut |json| json.text().map(|text| read.group = text.unwrap_or_default())),
            ("version", &mut |json| json.text().map(|text| read.version = text.unwrap_or_default())),
            ("kind", &mut |json| json.text().map(|text| read.kind = text.unwrap_or_default())),
        ])?;
        Ok(is_there.then_some(read))
    }

    fn api_version(&self) -> Cow<'_, str> {
        match self.group.as_ref() {
            "" => Cow::Borrowed(&self.version),
            group => Cow::Owned(format!("{group}/{}", self.version)),
        }
    }
}
