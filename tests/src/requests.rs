//! The corpus: admission requests as API servers send them, made of everything that stands in
//! testdata and on the rules' own pages, and of what is odd on purpose.

#![allow(clippy::panic, reason = "a test without its corpus has nothing to go on with")]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use wiguard::read::{Limits, Place, Root, read_all};
use wiguard_rules::catalogue::CATALOGUE;

use crate::case::{documents, examples, testdata};
use crate::cluster::objects::manifests;

/// The kinds that an admission policy is asked about, with the resource of each.
const KINDS: [(&str, &str, &str); 9] = [
    ("v1", "Pod", "pods"),
    ("v1", "ReplicationController", "replicationcontrollers"),
    ("v1", "ServiceAccount", "serviceaccounts"),
    ("apps/v1", "Deployment", "deployments"),
    ("apps/v1", "StatefulSet", "statefulsets"),
    ("apps/v1", "DaemonSet", "daemonsets"),
    ("apps/v1", "ReplicaSet", "replicasets"),
    ("batch/v1", "Job", "jobs"),
    ("batch/v1", "CronJob", "cronjobs"),
];

/// A request, and where its object is from.
#[derive(Clone, Debug)]
pub struct Case {
    /// For people.
    pub name: String,
    /// `AdmissionReview.request`.
    pub request: Value,
}

/// The requests, and the cluster that they are made to.
#[derive(Clone, Debug, Default)]
pub struct Corpus {
    /// The requests.
    pub cases: Vec<Case>,
    /// The ServiceAccounts that exist, by namespace and name.
    pub accounts: BTreeMap<(String, String), Value>,
}

// === impl Corpus ===

impl Corpus {
    /// All of it, always the same.
    ///
    /// # Panics
    /// If testdata cannot be read.
    #[must_use]
    pub fn new() -> Self {
        let mut corpus = Self::default();
        corpus.folder(&testdata("estate"), None);
        corpus.moved();
        for (number, folder) in documents().unwrap_or_else(|error| panic!("{error}")).iter().enumerate() {
            corpus.folder(folder, Some(&format!("document-{number}")));
        }
        for entry in CATALOGUE {
            let manual = entry.manual();
            for section in ["Fails", "Passes"] {
                for (number, block) in examples(&manual, section).iter().enumerate() {
                    let namespace = format!("{}-{}-{number}", entry.id, section).to_lowercase();
                    corpus.take(&format!("{} {section}[{number}]", entry.id), manifests(block), Some(&namespace));
                }
            }
        }
        corpus.odd();
        corpus
    }

    /// The namespaces of all objects.
    #[must_use]
    pub fn namespaces(&self) -> Vec<String> {
        let named = |case: &Case| case.request["namespace"].as_str().map(ToOwned::to_owned);
        let mut all: Vec<String> = self.cases.iter().filter_map(named).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Every object of a folder, in namespaces of its own or in one of ours.
    fn folder(&mut self, folder: &Path, namespace: Option<&str>) {
        let read = read_all(
            &[Root::Path(folder.to_path_buf())],
            || Box::new(std::io::empty()),
            &Limits::default(),
            |batch| {
                let pieces = batch.pieces().filter(|piece| !matches!(piece.place, Place::Envelope { .. }));
                pieces.filter_map(|piece| serde_json::from_slice(piece.json).ok()).collect::<Vec<Value>>()
            },
        );
        let mut parts: Vec<_> =
            read.results.into_iter().map(|(source, objects)| (source.path.clone(), objects)).collect();
        parts.sort_by(|a, b| a.0.cmp(&b.0));
        for (path, objects) in parts {
            self.take(&path, objects, namespace);
        }
    }

    fn take(&mut self, from: &str, objects: Vec<Value>, namespace: Option<&str>) {
        for mut object in objects {
            let kind = (object["apiVersion"].as_str().unwrap_or_default(), object["kind"].as_str().unwrap_or_default());
            let Some(kind) = KINDS.into_iter().find(|(version, name, _)| (*version, *name) == kind) else { continue };
            let Some(metadata) = object["metadata"].as_object_mut() else { continue };
            // What is being deleted is nobody's to judge, and stands among what is odd.
            metadata.remove("deletionTimestamp");
            let own = metadata.get("namespace").and_then(Value::as_str).unwrap_or("default").to_owned();
            // An API server has put it there before anybody is asked.
            let namespace = namespace
                .map_or(own.clone(), |ours| if own == "default" { ours.into() } else { format!("{ours}-{own}") });
            metadata.insert("namespace".into(), json!(namespace));
            let name = metadata.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            if kind.1 == "ServiceAccount" {
                self.accounts.entry((namespace.clone(), name.clone())).or_insert_with(|| object.clone());
            }
            let operation = if self.cases.len() % 3 == 2 { "UPDATE" } else { "CREATE" };
            let place = format!("{from}: {operation} {} {namespace}/{name}", kind.1);
            self.cases.push(Case { name: place, request: request(self.cases.len(), kind, &object, operation) });
        }
    }

    /// Some of the estate with their ServiceAccounts in a namespace beside their own, where Azure trusts none of them.
    fn moved(&mut self) {
        let estate = self.cases.iter().filter(|case| case.name.contains("prod-weu/deployments"));
        let mut objects = Vec::new();
        for case in estate.take(8) {
            let mut workload = case.request["object"].clone();
            let own = workload["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
            let named = workload["spec"]["template"]["spec"]["serviceAccountName"].as_str().unwrap_or("default");
            let Some(mut account) = self.accounts.get(&(own.clone(), named.to_owned())).cloned() else { continue };
            for object in [&mut account, &mut workload] {
                object["metadata"]["namespace"] = json!(format!("{own}-blue"));
            }
            objects.extend([account, workload]);
        }
        self.take("moved", objects, None);
    }

    /// What an API server, or one of Kubewarden's or Gatekeeper's scanners, sends now and then.
    fn odd(&mut self) {
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "cart", "namespace": "odd", "labels": {"azure.workload.identity/use": "True"}},
            "spec": {"serviceAccountName": "cart", "containers": [{"name": "app", "image": "app"}]}});
        let changes = [
            ("deleted", json!({"operation": "DELETE", "object": null, "oldObject": pod})),
            ("its status", json!({"operation": "UPDATE", "subResource": "status"})),
            ("its ephemeral containers", json!({"operation": "UPDATE", "subResource": "ephemeralcontainers"})),
            ("being deleted", {
                let mut leaving = pod.clone();
                leaving["metadata"]["deletionTimestamp"] = json!("2026-11-01T00:00:00Z");
                json!({"operation": "UPDATE", "object": leaving})
            }),
            ("a dry run", json!({"dryRun": true})),
            ("without a user", json!({"userInfo": null, "options": null})),
            ("its kind for its resource", json!({"resource": {"group": "", "version": "v1", "resource": "Pod"}})),
            ("without an operation", json!({"operation": ""})),
            (
                "of another kind",
                json!({"object": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cart"}},
                "kind": {"group": "", "version": "v1", "kind": "ConfigMap"}}),
            ),
            (
                "labels that are a list",
                json!({"object": {"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "cart", "namespace": "odd", "labels": ["azure.workload.identity/use"]}, "spec": {}}}),
            ),
            (
                "a spec that is a text",
                json!({"object": {"apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "cart", "namespace": "odd"}, "spec": "none"}}),
            ),
            ("a generated name", {
                let mut nameless = pod.clone();
                nameless["metadata"] = json!({"generateName": "cart-", "namespace": "odd",
                    "labels": {"azure.workload.identity/use": "True"}});
                json!({"object": nameless, "name": ""})
            }),
        ];
        for (what, change) in changes {
            let mut request = request(self.cases.len(), KINDS[0], &pod, "CREATE");
            for (key, value) in change.as_object().into_iter().flatten() {
                request[key] = value.clone();
            }
            self.cases.push(Case { name: format!("odd: {what}"), request });
        }
    }
}

/// Whether it may be a name, and is no placeholder for one.
#[must_use]
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
}

fn request(number: usize, (version, kind, resource): (&str, &str, &str), object: &Value, operation: &str) -> Value {
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let gvk = json!({"group": group, "version": version, "kind": kind});
    let gvr = json!({"group": group, "version": version, "resource": resource});
    let old = if operation == "UPDATE" { object.clone() } else { Value::Null };
    json!({
        "uid": format!("00000000-0000-4000-8000-{number:012}"), "kind": gvk, "resource": gvr,
        "requestKind": gvk, "requestResource": gvr, "name": object["metadata"]["name"],
        "namespace": object["metadata"]["namespace"], "operation": operation,
        "userInfo": {"username": "kubernetes-admin", "groups": ["system:masters", "system:authenticated"]},
        "object": object, "oldObject": old, "dryRun": false,
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": if operation == "UPDATE" { "UpdateOptions" } else { "CreateOptions" }},
    })
}
