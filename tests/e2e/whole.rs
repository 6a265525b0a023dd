//! The objects of the corpus as an API server takes them: with what it demands and the examples
//! leave out, in namespaces and with ServiceAccounts that exist. Each is what the server made of
//! it, defaults and all, which is what anybody is asked about at admission.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use wiguard_tests::cluster::Cluster;
use wiguard_tests::cluster::objects::{Answer, How, Verb};
use wiguard_tests::doors::{ApiServer, Doors};
use wiguard_tests::requests::{Corpus, is_name};

/// What an API server fills in, and would not take from us.
const GIVEN: [&str; 7] =
    ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink", "deletionTimestamp"];

/// Applies namespaces and ServiceAccounts, and gives the objects that a server takes.
pub(crate) async fn objects(cluster: &Cluster) -> Vec<Value> {
    let corpus = Corpus::new();
    let candidates: BTreeSet<String> = corpus
        .cases
        .iter()
        .filter(|case| case.request["object"]["kind"] == case.request["kind"]["kind"])
        .filter_map(|case| completed(&case.request["object"]))
        .filter(|object| {
            ["namespace", "name"].iter().all(|part| object["metadata"][part].as_str().is_some_and(is_name))
        })
        .map(|object| object.to_string())
        .collect();
    let candidates: Vec<Value> = candidates.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let namespaces: BTreeSet<String> = candidates.iter().map(|object| text(&object["metadata"]["namespace"])).collect();
    for namespace in namespaces {
        // What is no name is refused, and what would be in it later.
        let object = wiguard_tests::cluster::objects::namespace(&namespace);
        cluster.ask(Verb::Apply, &object, How::default()).await;
    }
    let named = corpus.accounts.iter().filter(|((namespace, name), _)| is_name(namespace) && is_name(name));
    let mut accounts: Vec<Value> = named.filter_map(|(_, account)| completed(account)).collect();
    let known: BTreeSet<(String, String)> = corpus.accounts.keys().cloned().collect();
    for object in &candidates {
        let spec = if object["kind"] == "Pod" { &object["spec"] } else { &Value::Null };
        let named = ["serviceAccountName", "serviceAccount"].iter().find_map(|name| spec[*name].as_str());
        let name = named.filter(|name| !name.is_empty()).unwrap_or("default").to_owned();
        let namespace = text(&object["metadata"]["namespace"]);
        if !known.contains(&(namespace.clone(), name.clone())) {
            accounts.push(json!({
                "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace},
            }));
        }
    }
    for account in &accounts {
        cluster.ask(Verb::Apply, account, How::default()).await;
    }
    let mut taken = Vec::new();
    for object in candidates {
        let answer = try_apply(cluster, &object).await;
        if answer.is_admitted() {
            taken.push(without_what_is_given(answer.object));
        }
    }
    taken
}

/// Goes through the motions of applying an object.
pub(crate) async fn try_apply(cluster: &Cluster, object: &Value) -> Answer {
    cluster.ask(Verb::Apply, object, How { dry_run: true, ..How::default() }).await
}

/// The policy's functions and the module at other doors, and what these see of the cluster.
pub(crate) struct Judge {
    doors: Doors,
    server: Arc<ApiServer>,
    settings: Value,
}

/// What the policy says: rules with their words.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) deny: Vec<(String, String)>,
    pub(crate) warn: Vec<(String, String)>,
}

impl Judge {
    /// One that sees the ServiceAccounts of the cluster.
    pub(crate) async fn new(cluster: &Cluster, settings: Value) -> Self {
        let mut accounts = Vec::new();
        for account in cluster.list_all("v1", "ServiceAccount").await {
            let name = |member: &str| account["metadata"][member].as_str().unwrap().to_owned();
            let mut account = without_what_is_given(account.clone());
            account["apiVersion"] = json!("v1");
            account["kind"] = json!("ServiceAccount");
            accounts.push((name("namespace"), name("name"), account.to_string().into_bytes()));
        }
        Self { doors: Doors::open(), server: ApiServer::of(accounts), settings }
    }

    pub(crate) fn ask(&self, object: &Value) -> Said {
        let metadata = &object["metadata"];
        let request = json!({
            "uid": "1", "operation": "CREATE", "kind": kind(object), "object": object,
            "name": metadata["name"], "namespace": metadata["namespace"],
        });
        let payload = json!({"request": request, "settings": self.settings}).to_string();
        let reviewed = self.doors.call("review", payload.as_bytes(), &self.server).json();
        let mut said = Said::default();
        for list in ["findings", "unknown"] {
            for found in reviewed[list].as_array().into_iter().flatten() {
                let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
                match found["level"].as_str() {
                    Some("deny") => said.deny.push((text("rule"), text("says"))),
                    Some("warn") => said.warn.push((text("rule"), text("says"))),
                    _ => {}
                }
            }
        }
        said
    }
}

impl Said {
    pub(crate) fn rules(list: &[(String, String)]) -> BTreeSet<&str> {
        list.iter().map(|(rule, _)| rule.as_str()).collect()
    }
}

fn kind(object: &Value) -> Value {
    let version = object["apiVersion"].as_str().unwrap();
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    json!({"group": group, "version": version, "kind": object["kind"]})
}

/// An object, for people.
pub(crate) fn name(object: &Value) -> String {
    let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    format!("{} {}/{}", part(&object["kind"]), part(&metadata["namespace"]), part(&metadata["name"]))
}

fn without_what_is_given(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|name, _| !GIVEN.contains(&name.as_str()));
    }
    if let Some(members) = object.as_object_mut() {
        members.remove("status");
    }
    if object["kind"] == "Job" {
        // What ties it to its pods, which are of this one Job.
        if let Some(spec) = object.pointer_mut("/spec").and_then(Value::as_object_mut) {
            spec.remove("selector");
        }
        if let Some(labels) = object.pointer_mut("/spec/template/metadata/labels").and_then(Value::as_object_mut) {
            labels.retain(|name, _| !name.ends_with("controller-uid") && !name.ends_with("job-name"));
        }
    }
    object
}

/// With what an API server demands; `None` if there is nothing to hold on to.
fn completed(object: &Value) -> Option<Value> {
    let mut object = without_what_is_given(object.clone());
    let kind = object["kind"].as_str()?.to_owned();
    let metadata = object["metadata"].as_object_mut()?;
    if metadata.get("name").and_then(Value::as_str).unwrap_or_default().is_empty() {
        metadata.insert("name".into(), json!("unnamed"));
    }
    if kind == "ServiceAccount" {
        return Some(object);
    }
    if !object["spec"].is_object() {
        object["spec"] = json!({});
    }
    match kind.as_str() {
        "Pod" => complete_pod(&mut object["spec"])?,
        "CronJob" => {
            fill(&mut object["spec"], "schedule", json!("0 3 * * *"));
            complete_template(&mut object["spec"]["jobTemplate"]["spec"]["template"], true)?;
        }
        "Job" => complete_template(&mut object["spec"]["template"], true)?,
        _ => {
            complete_template(&mut object["spec"]["template"], false)?;
            object["spec"]["template"]["metadata"]["labels"]["selected"] = json!("yes");
            let selector = json!({"selected": "yes"});
            let controller = kind == "ReplicationController";
            object["spec"]["selector"] = if controller { selector } else { json!({"matchLabels": selector}) };
            if kind == "StatefulSet" {
                fill(&mut object["spec"], "serviceName", json!("none"));
            }
        }
    }
    Some(object)
}

fn complete_template(template: &mut Value, runs_once: bool) -> Option<()> {
    for member in ["metadata", "spec"] {
        if !template[member].is_object() {
            template[member] = json!({});
        }
    }
    if !template["metadata"]["labels"].is_object() {
        template["metadata"]["labels"] = json!({});
    }
    if runs_once {
        fill(&mut template["spec"], "restartPolicy", json!("Never"));
    }
    complete_pod(&mut template["spec"])
}

fn complete_pod(spec: &mut Value) -> Option<()> {
    if spec["containers"].as_array().is_none_or(Vec::is_empty) {
        spec["containers"] = json!([{"name": "app"}]);
    }
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            container.is_object().then_some(())?;
            fill(container, "image", json!("app"));
        }
    }
    // What follows from a class of the cluster it was seen in.
    let spec = spec.as_object_mut()?;
    spec.retain(|name, _| {
        !["priority", "priorityClassName", "preemptionPolicy", "runtimeClassName"].contains(&name.as_str())
    });
    Some(())
}

fn fill(object: &mut Value, member: &str, value: Value) {
    if object[member].is_null() {
        object[member] = value;
    }
}
