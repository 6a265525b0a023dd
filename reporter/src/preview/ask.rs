//! Asking: every object is read once more, as it was written, and handed to the policy as in a
//! request that creates it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use wiguard_rules::judge::Object;
use wiguard_rules::manifest::{self, Hint, Manifest};
use wiguard_rules::model::{ClusterIx, Origin};

use super::Input;
use super::settings::Settings;
use crate::collect::{Collected, Tie, placing};
use crate::engine::{Host, Policy};
use crate::evaluate::Controllers;
use crate::read::{Batch, Limits, Piece, Place, read_all};

/// What the policy answers to `review`.
#[derive(Debug, Deserialize)]
pub(super) struct Reviewed {
    pub(super) findings: Vec<Said>,
    pub(super) unknown: Vec<Said>,
    #[serde(default)]
    pub(super) unreadable: Option<String>,
}

/// A finding, or a rule that could not decide.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    pub(super) rule: String,
    /// `deny`, `warn`, `allow` or `off`.
    pub(super) level: String,
    pub(super) says: String,
}

/// Where an object was read: source and line, kind, namespace and name. Several may stand on one line.
type Key<'a> = (u32, u32, &'static str, &'a str, &'a str);

/// The objects that are to be judged.
pub(super) struct Wanted<'a> {
    /// Each with its index in `objects`.
    places: HashMap<Key<'a>, usize>,
    sources: HashMap<&'a str, u32>,
    /// The namespaces of objects that state none.
    namespaces: &'a [Tie],
    pub(super) objects: Vec<Object<'a>>,
    /// Past revisions that nobody runs.
    pub(super) retired: usize,
}

/// What the policy said of an object, by its index, or how it failed.
pub(super) type Answer = (usize, Result<Reviewed, String>);

impl<'a> Wanted<'a> {
    /// The workloads and ServiceAccounts that were collected, all or of one namespace.
    pub(super) fn of(
        collected: &'a Collected,
        namespaces: &'a [Tie],
        controllers: &Controllers<'_>,
        namespace: Option<&str>,
    ) -> Self {
        let inventory = &collected.inventory;
        let sources = collected.paths.iter().map(String::as_str).zip(0..).collect();
        let mut wanted = Self { places: HashMap::new(), sources, namespaces, objects: Vec::new(), retired: 0 };
        let accounts = inventory.service_accounts.iter().map(Object::ServiceAccount);
        // A custom kind is never sent to the policy, only its pods are.
        let asked_about = inventory.workloads.iter().filter(|workload| workload.kind.at_admission());
        for object in accounts.chain(asked_about.map(Object::Workload)) {
            let (kind, name) = match object {
                Object::Workload(workload) => (workload.kind.kind, &workload.name),
                Object::ServiceAccount(account) => ("ServiceAccount", &account.name),
                _ => continue,
            };
            let of = match object {
                Object::Workload(workload) => &workload.namespace,
                Object::ServiceAccount(account) => &account.namespace,
                _ => continue,
            };
            if namespace.is_some_and(|asked| asked != of) {
                continue;
            }
            if controllers.is_retired(object) {
                wanted.retired += 1;
                continue;
            }
            let Origin { source, line } = object.origin();
            wanted.places.insert((source, line, kind, of, name), wanted.objects.len());
            wanted.objects.push(object);
        }
        wanted
    }

    /// Asks the policy about each, on all threads.
    pub(super) fn ask(
        &self,
        input: &Input,
        policy: &Policy,
        settings: &Settings,
        hosts: &[Arc<dyn Host>],
    ) -> Vec<Answer> {
        let work = |batch: &Batch| -> Vec<Answer> {
            let Some(&source) = self.sources.get(batch.source.path.as_str()) else { return Vec::new() };
            let pieces = batch.pieces().filter_map(|piece| {
                let index = self.find(source, &batch.source.path, &piece)?;
                let object = self.objects.get(index)?;
                let host = hosts.get(object.cluster()?.0 as usize)?;
                Some((index, review(*object, piece.json, policy, settings, host)))
            });
            pieces.collect()
        };
        let outcome = read_all(&input.roots, || input.stdin(), &Limits::default(), work);
        let mut answers: Vec<Answer> = outcome.results.into_iter().flat_map(|(_, answers)| answers).collect();
        answers.sort_by_key(|(index, _)| *index);
        // Two objects without a name on one line are alike to us.
        let mut seen = BTreeSet::new();
        answers.retain(|(index, _)| seen.insert(*index));
        answers
    }

    fn find(&self, source: u32, path: &str, piece: &Piece<'_>) -> Option<usize> {
        let line = u32::try_from(piece.line).unwrap_or(u32::MAX);
        let hint = match piece.place {
            Place::Envelope { .. } => return None,
            Place::Alone => None,
            Place::Element { list, .. } => {
                let kind = list.kind.as_deref().and_then(|kind| kind.strip_suffix("List"));
                kind.map(|kind| Hint { api_version: list.api_version.as_deref().unwrap_or("v1"), kind })
            }
        };
        let hint = hint.filter(|hint| !hint.kind.is_empty());
        let read = manifest::read(piece.json, hint, ClusterIx(0), Origin::default()).ok()?;
        let (kind, namespace, name) = match &read.manifest {
            Manifest::Workload(_) | Manifest::ServiceAccount(_) => read.manifest.id()?,
            _ => return None,
        };
        let said = placing::namespace_of(path, self.namespaces).filter(|_| read.unplaced);
        self.places.get(&(source, line, kind, said.unwrap_or(namespace), name)).copied()
    }
}

fn review(
    object: Object<'_>,
    written: &[u8],
    policy: &Policy,
    settings: &Settings,
    host: &Arc<dyn Host>,
) -> Result<Reviewed, String> {
    let payload = payload(object, written, settings);
    let answer = policy.call("review", &payload, host).map_err(|error| error.to_string())?;
    serde_json::from_slice(&answer).map_err(|error| format!("the policy answered nonsense: {error}"))
}

/// A request to create the object, with the object to the byte as it was read.
fn payload(object: Object<'_>, written: &[u8], settings: &Settings) -> Vec<u8> {
    let (resource, name) = match object {
        Object::Workload(workload) => (workload.kind.resource, workload.name.as_str()),
        Object::ServiceAccount(account) => ("serviceaccounts", account.name.as_str()),
        _ => ("", ""),
    };
    let (group, version) = object.api_version().rsplit_once('/').unwrap_or(("", object.api_version()));
    let kind = json!({"group": group, "version": version, "kind": object.kind()});
    let resource = json!({"group": group, "version": version, "resource": resource});
    let request = json!({
        "uid": "00000000-0000-4000-8000-000000000000", "kind": kind, "resource": resource, "requestKind": kind,
        "requestResource": resource, "name": name, "namespace": object.namespace(), "operation": "CREATE",
        "userInfo": {"username": "wiguard:preview"}, "oldObject": null, "dryRun": true,
    });
    let request = request.to_string();
    let request = request.strip_suffix('}').unwrap_or(&request);
    let mut payload = Vec::with_capacity(request.len() + written.len() + settings.json.len() + 64);
    payload.extend_from_slice(b"{\"request\":");
    payload.extend_from_slice(request.as_bytes());
    payload.extend_from_slice(b",\"object\":");
    payload.extend_from_slice(written);
    payload.extend_from_slice(b"},\"settings\":");
    payload.extend_from_slice(settings.json.as_bytes());
    payload.push(b'}');
    payload
}
