//! The estate as files, in as many forms as people have: `prod-neu` one JSON `List` for each
//! kind, `prod-weu` the same in YAML, `edge-fra` one mixed `List` and a folder of manifests,
//! `dev-sandbox` the few kinds somebody thought of.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde_json::{Value, json};

use super::{
    Estate, Fault,
    kube::{KINDS, Objects, account_object, list, namespace_object, objects, workload_object},
    model::Cluster,
    print, profile,
};

/// File contents by path within the estate's folder.
pub(super) type Files = BTreeMap<String, String>;

/// Namespaces of the edge cluster that are kept as manifests.
const YAML_MANIFESTS: &str = "gate";
const LINE_MANIFESTS: &str = "yard";

/// All files of `estate`.
pub(super) fn files(estate: &Estate) -> Files {
    let Estate { azure, weu, neu, edge, dev, .. } = estate;
    let mut files = Files::new();
    for (cluster, environment) in [(weu, "production"), (neu, "production"), (dev, "development")] {
        files.insert(format!("{}/aks.json", cluster.name), print::az(&profile::aks(cluster, azure, environment)));
    }
    files.insert(format!("{}/connectedk8s.json", edge.name), print::az(&profile::connected(edge, azure)));

    for (kind, items) in objects(weu, |_| true) {
        files.insert(format!("{}/{kind}.yaml", weu.name), print::yaml(&list(items)));
    }
    let stores = weu.namespaces.values().flat_map(|namespace| namespace.customs.iter().cloned()).collect();
    files.insert(format!("{}/secretstores.yaml", weu.name), print::yaml(&list(stores)));
    for (kind, items) in objects(neu, |_| true) {
        files.insert(format!("{}/{kind}.json", neu.name), print::kubectl(&list(items)));
    }
    for (kind, items) in objects(dev, |_| true) {
        // The webhook is off, so what pods were asked for would tell nothing of what they got.
        if matches!(kind, "namespaces" | "serviceaccounts" | "deployments") {
            files.insert(format!("{}/{kind}.json", dev.name), print::kubectl(&list(items)));
        }
    }
    let mut mixed: Objects = objects(edge, |name| name != YAML_MANIFESTS && name != LINE_MANIFESTS);
    let items = KINDS.iter().filter_map(|kind| mixed.remove(kind)).flatten().collect();
    files.insert(format!("{}/all.json", edge.name), print::kubectl(&list(items)));
    let documents: Vec<String> = manifests(edge, YAML_MANIFESTS).iter().map(print::yaml).collect();
    files.insert(format!("{}/manifests/{YAML_MANIFESTS}.yaml", edge.name), format!("---\n{}", documents.join("---\n")));
    let lines: String = manifests(edge, LINE_MANIFESTS).iter().map(|object| format!("{object}\n")).collect();
    files.insert(format!("{}/manifests/{LINE_MANIFESTS}.ndjson", edge.name), lines);

    files.insert("azure/identities.json".to_owned(), print::az(&azure.identity_list()));
    for (name, identity) in &azure.identities {
        files.insert(format!("azure/credentials/{name}.json"), print::az(&azure.credential_list(name, identity)));
    }
    files.insert("azure/apps.json".to_owned(), print::az(&azure.application_list()));
    for application in azure.applications.values() {
        let path = format!("azure/app-credentials/{}.json", application.app_id);
        files.insert(path, print::az(&azure.application_credential_list(application)));
    }
    files
}

/// The ledger as the file that lies beside the estate.
pub(super) fn ledger(faults: &[Fault]) -> String {
    let entries: Vec<Value> = faults
        .iter()
        .map(|fault| {
            let mut entry = json!({"rule": fault.rule, "kind": fault.kind, "name": fault.name, "why": fault.why});
            if let Some(fields) = entry.as_object_mut() {
                fields.extend(fault.cluster.iter().map(|cluster| ("cluster".to_owned(), json!(cluster))));
                fields.extend(fault.namespace.iter().map(|namespace| ("namespace".to_owned(), json!(namespace))));
            }
            entry
        })
        .collect();
    print::az(&Value::from(entries))
}

/// Writes `files` below `folder`, which is made when it is missing.
pub(super) fn write(files: &Files, folder: &Path) -> io::Result<()> {
    for (path, content) in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, content)?;
    }
    Ok(())
}

/// The objects of a namespace as somebody would apply them: nothing that the server fills in.
fn manifests(cluster: &Cluster, name: &str) -> Vec<Value> {
    let Some(namespace) = cluster.namespaces.get(name) else { return Vec::new() };
    let mut objects = vec![namespace_object(cluster, name)];
    for (account, notes) in namespace.accounts.iter().filter(|(account, _)| *account != "default") {
        objects.push(account_object(cluster, name, account, &notes.labels, &notes.annotations));
    }
    objects.extend(namespace.customs.iter().cloned());
    objects.extend(namespace.workloads.values().map(|workload| workload_object(cluster, name, workload)));
    for object in &mut objects {
        prune(object);
    }
    objects
}

fn prune(object: &mut Value) {
    let namespace = object.get("kind").and_then(Value::as_str) == Some("Namespace");
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        if namespace {
            fields.remove("spec");
        }
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["creationTimestamp", "generation", "resourceVersion", "uid"] {
            metadata.remove(field);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove("deployment.kubernetes.io/revision");
        }
    }
}
