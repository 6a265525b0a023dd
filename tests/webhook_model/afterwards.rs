//! The pod as the model says it will be: what is injected, written into the pod's JSON.

use serde_json::{Value, json};
use wiguard_rules::webhook::{Change, Injected, Injection, PROXY, PROXY_IMAGE, PROXY_INIT, TokenVolume, Version};

/// A pod after an injection. The webhook also writes the namespace of the request into it.
pub(crate) fn of(pod: &Value, namespace: &str, injection: &Injection, version: Version) -> Value {
    let mut after = pod.clone();
    after["metadata"]["namespace"] = json!(namespace);
    let spec = &mut after["spec"];
    for (list, init) in [("initContainers", true), ("containers", false)] {
        let before = &pod["spec"][list];
        let containers = injection.containers.iter().filter(|container| container.init == init);
        spec[list] = containers.map(|container| changed(before, container, injection, version)).collect();
    }
    put(&mut spec["volumes"], injection.volume.change, volume(&injection.volume));
    after
}

/// JSON without what Go leaves out when it prints a pod: nothing, in whatever form.
pub(crate) fn plain(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.iter().map(|(key, value)| (key.clone(), plain(value)));
            Value::Object(kept.filter(|(_, value)| !is_nothing(value)).collect())
        }
        Value::Array(elements) => Value::Array(elements.iter().map(plain).collect()),
        other => other.clone(),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

fn changed(before: &Value, container: &Injected, injection: &Injection, version: Version) -> Value {
    let mut after = match container.place {
        Some(place) => before[place].clone(),
        None => proxy(container, injection.proxy_port.unwrap(), version),
    };
    if container.skipped {
        return after;
    }
    for variable in &container.variables {
        let value = variable.value.as_ref().expect("all settings are known");
        push(&mut after["env"], json!({"name": variable.name, "value": value}));
    }
    let volume = &injection.volume;
    let mount = json!({"name": volume.name, "mountPath": volume.mount_path, "readOnly": true});
    put(&mut after["volumeMounts"], container.mount, mount);
    after
}

fn push(list: &mut Value, thing: Value) {
    match list {
        Value::Array(things) => things.push(thing),
        none => *none = json!([thing]),
    }
}

/// Adds a thing, or puts it where the first of its name is.
fn put(list: &mut Value, change: Change, thing: Value) {
    match change {
        Change::Kept => {}
        Change::Added => push(list, thing),
        Change::Replaced => {
            let mut things = list.as_array_mut().unwrap().iter_mut();
            let same = things.find(|other| other["name"] == thing["name"]);
            *same.unwrap() = thing;
        }
    }
}

fn volume(volume: &TokenVolume) -> Value {
    let token = json!({"path": volume.path, "expirationSeconds": volume.lifetime, "audience": volume.audience});
    let mut sources = vec![json!({"serviceAccountToken": token})];
    if !volume.ca_config_map.is_empty() {
        let items = json!([{"key": "ca.crt", "path": "ca-cert/ca.crt"}]);
        sources.push(json!({"configMap": {"name": volume.ca_config_map, "items": items, "optional": false}}));
    }
    json!({"name": volume.name, "projected": {"sources": sources}})
}

/// A container of the migration proxy (azure-workload-identity, `pkg/webhook/webhook.go`).
fn proxy(container: &Injected, port: i64, version: Version) -> Value {
    let version = version.as_str();
    let flag = format!("--proxy-port={port}");
    match container.name.as_str() {
        PROXY_INIT => json!({
            "name": PROXY_INIT, "image": format!("{PROXY_IMAGE}-init:v{version}"), "imagePullPolicy": "IfNotPresent",
            "securityContext": {
                "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
                "privileged": true, "runAsNonRoot": false, "runAsUser": 0,
            },
            "env": [{"name": "PROXY_PORT", "value": port.to_string()}],
        }),
        PROXY => json!({
            "name": PROXY, "image": format!("{PROXY_IMAGE}:v{version}"), "imagePullPolicy": "IfNotPresent",
            "args": [flag, "--log-level=info"],
            "ports": [{"containerPort": port}],
            "lifecycle": {"postStart": {"exec": {"command": ["/proxy", flag, "--probe", "--log-level=info"]}}},
            "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
                "privileged": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true,
            },
            "restartPolicy": if container.init { json!("Always") } else { Value::Null },
        }),
        other => panic!("{other} is none of the proxy's"),
    }
}
