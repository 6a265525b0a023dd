//! The admission request, as far as it matters: rules read objects, never the operation or the user.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::ToString;

use wiguard_rules::inventory::Inventory;
use wiguard_rules::json::{self, Fault, Json};
use wiguard_rules::manifest::{self, Hint, Manifest};
use wiguard_rules::model::{ClusterIx, Origin};
use wiguard_rules::review::review as judge;

use crate::answer::Outcome;
use crate::host::{Host, fetch};
use crate::settings::Settings;

/// What a Kubewarden host passes to `validate`.
#[derive(Default)]
pub(crate) struct Payload<'a> {
    pub(crate) request: Request<'a>,
    /// Their JSON.
    pub(crate) settings: Option<&'a [u8]>,
}

/// `AdmissionReview.request`. Kubewarden's audit scanner leaves out most of it, Gatekeeper's audit more.
#[derive(Default)]
pub(crate) struct Request<'a> {
    kind: Option<GroupVersionKind<'a>>,
    sub_resource: Option<Cow<'a, str>>,
    namespace: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
    /// Its JSON.
    object: Option<&'a [u8]>,
}

#[derive(Default)]
struct GroupVersionKind<'a> {
    group: Cow<'a, str>,
    version: Cow<'a, str>,
    kind: Cow<'a, str>,
}

// === impl Payload ===

impl<'a> Payload<'a> {
    /// Reads what a host passes.
    pub(crate) fn read(payload: &'a [u8]) -> Result<Self, serde_json::Error> {
        let mut read = Self::default();
        json::read(payload, |json| {
            let mut has_request = false;
            json.object(&mut [
                ("request", &mut |json| read.request.fill(json).map(|is_there| has_request = is_there)),
                ("settings", &mut |json| json.bytes().map(|bytes| read.settings = bytes)),
            ])?;
            if has_request { Ok(()) } else { Err(Fault::missing_field("request")) }
        })?;
        Ok(read)
    }
}

// === impl Request ===

impl<'a> Request<'a> {
    fn fill(&mut self, json: &mut dyn Json<'a>) -> Result<bool, Fault> {
        let (mut camel, mut snake, mut lower) = (None, None, None);
        let is_there = json.object_if_any(&mut [
            ("kind", &mut |json| GroupVersionKind::read(json).map(|kind| self.kind = kind)),
            ("namespace", &mut |json| json.text().map(|text| self.namespace = text)),
            ("name", &mut |json| json.text().map(|text| self.name = text)),
            ("object", &mut |json| json.bytes().map(|bytes| self.object = bytes)),
            ("subResource", &mut |json| json.text().map(|text| camel = text)),
            ("sub_resource", &mut |json| json.text().map(|text| snake = text)),
            ("subresource", &mut |json| json.text().map(|text| lower = text)),
        ])?;
        // However a host writes it.
        self.sub_resource = camel.or(snake).or(lower);
        Ok(is_there)
    }
}

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
}

/// Reviews the object of a request.
pub(crate) fn review(request: &Request<'_>, settings: &Settings, host: &mut dyn Host) -> Outcome {
    // A change of status is the controllers' word, not the author's; a deletion carries no object.
    let Some(object) = request.object.filter(|_| request.sub_resource.as_deref() != Some("status")) else {
        return Outcome::nothing_to_judge();
    };
    let kind = request.kind.as_ref();
    let api_version = kind.map(|kind| match kind.group.as_ref() {
        "" => kind.version.to_string(),
        group => format!("{group}/{}", kind.version),
    });
    let hint = kind.zip(api_version.as_deref()).map(|(kind, api_version)| Hint { api_version, kind: &kind.kind });
    let cluster = ClusterIx(0);
    let read = match manifest::read(object, hint, cluster, Origin::default()) {
        Ok(read) if read.deleting => return Outcome::nothing_to_judge(),
        Ok(read) => read.manifest,
        Err(manifest::ManifestError::NotKubernetes) => return Outcome::nothing_to_judge(),
        Err(error) => return Outcome::unreadable(&error.to_string()),
    };
    let mut inventory = settings.inventory();
    let namespace = request.namespace.as_deref().filter(|namespace| !namespace.is_empty());
    let account = match read {
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
    let judgements = judge(
        &mut inventory,
        &settings.parameters,
        |entry| !settings.is_off(entry),
        &mut |key, inventory: &mut Inventory| fetch(key, inventory, host),
    );
    Outcome::of(judgements, settings)
}
