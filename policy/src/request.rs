//! The admission request, as far as it matters: rules read objects, never the operation or the user.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};

use wiguard_rules::inventory::Inventory;
use wiguard_rules::json::{self, Fault, Json, Take};
use wiguard_rules::manifest::{self, Hint, Manifest, ManifestError, Read};
use wiguard_rules::model::{ClusterIx, Origin};
use wiguard_rules::review;

use crate::answer::Outcome;
use crate::host::{Host, Messenger};
use crate::moved::{Moved, moved};
use crate::published::Published;
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
    operation: Option<Cow<'a, str>>,
    namespace: Option<Cow<'a, str>>,
    name: Option<Cow<'a, str>>,
}

#[derive(Default)]
struct GroupVersionKind<'a> {
    group: Cow<'a, str>,
    version: Cow<'a, str>,
    kind: Cow<'a, str>,
}

/// Reviews the object of a request as it is.
pub(crate) fn review(json: &[u8], host: &mut dyn Host) -> Result<Outcome, String> {
    judge(json, host, false)
}

/// Reviews the object of a request, mended as far as the settings want it so.
pub(crate) fn validate(json: &[u8], host: &mut dyn Host) -> Result<Outcome, String> {
    judge(json, host, true)
}

/// The object is read where it stands, in the one pass that reads the payload.
fn judge(json: &[u8], host: &mut dyn Host, may_mend: bool) -> Result<Outcome, String> {
    let cluster = ClusterIx(0);
    let (kind, api_version);
    let mut payload = Payload::default();
    let mut hint = None;
    let mut read = manifest::read_within(&mut |take| payload.read(json, take), hint, cluster, Origin::default());
    if let (Err(ManifestError::NotKubernetes), Some(said)) = (&read, payload.request.kind.take()) {
        // The object does not say what it is, but the request does.
        kind = said;
        api_version = kind.api_version();
        hint = Some(Hint { api_version: &api_version, kind: &kind.kind });
        read = manifest::read_within(&mut |take| payload.read(json, take), hint, cluster, Origin::default());
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
    let mut change = None;
    if let (true, Ok(found)) = (may_mend && settings.move_label, &mut read)
        && let Some((mended, moved)) = mend(found, json, &request, hint)
    {
        *found = mended;
        change = Some(moved);
    }
    Ok(match read {
        Ok(read) if read.deleting => Outcome::nothing_to_judge(),
        Ok(read) => match inventory(read.manifest, &request, &settings) {
            Some((inventory, namespace)) => outcome(inventory, &namespace, &settings, host).with(change),
            None => Outcome::nothing_to_judge(),
        },
        Err(ManifestError::NotKubernetes) => Outcome::nothing_to_judge(),
        Err(error) => Outcome::unreadable(&error.to_string()),
    })
}

/// The object with its label where it belongs, if it is misplaced.
fn mend(read: &Read, json: &[u8], request: &Request<'_>, hint: Option<Hint<'_>>) -> Option<(Read, Moved)> {
    let Manifest::Workload(workload) = &read.manifest else { return None };
    // The template of a Job never changes: such an update would be refused.
    let is_fixed = workload.kind.kind == "Job" && request.operation.as_deref() == Some("UPDATE");
    if is_fixed || read.deleting {
        return None;
    }
    let moved = moved(core::str::from_utf8(json).ok()?, workload)?;
    let mended = manifest::read(moved.object.as_bytes(), hint, workload.cluster, workload.origin).ok()?;
    Some((mended, moved))
}

/// The inventory of one, and the namespace it is of; `None` if the object is none of ours to judge.
fn inventory(manifest: Manifest, request: &Request<'_>, settings: &Settings) -> Option<(Inventory, String)> {
    let mut inventory = settings.inventory();
    let namespace = request.namespace.as_deref().filter(|namespace| !namespace.is_empty());
    let (namespace, account) = match manifest {
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
        _ => return None,
    };
    (!settings.exempts(&namespace, &account)).then_some((inventory, namespace))
}

fn outcome(mut inventory: Inventory, namespace: &str, settings: &Settings, host: &mut dyn Host) -> Outcome {
    let rules = settings.rules_on();
    let published = settings.trust.as_ref().map(|from| Published::of(from, settings.issuer.as_ref(), namespace));
    let mut messenger = Messenger { host, published };
    let judgements = review::review(&mut inventory, &settings.parameters, &rules, &mut messenger);
    let mut outcome = Outcome::of(judgements, settings);
    let Some(published) = messenger.published.take() else { return outcome };
    outcome.note(published.problems());
    if let Some(age) = published.stale(messenger.host)
        && outcome.finds_something()
    {
        // What would be said if nothing had been published?
        let Inventory { workloads, service_accounts, .. } = inventory;
        let mut without = Inventory { workloads, service_accounts, ..settings.inventory() };
        let judgements = review::review(&mut without, &settings.parameters, &rules, &mut messenger);
        outcome.soften(&Outcome::of(judgements, settings), age);
    }
    outcome
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
            ("operation", &mut |json| json.text().map(|text| self.operation = text)),
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
