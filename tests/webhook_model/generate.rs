//! Pods and ServiceAccounts, odd ones more than healthy ones, from a seed.

use serde_json::{Map, Value, json};
use wiguard_rules::model::{annotation, label};
use wiguard_rules::webhook::{MOUNT_PATHS, PROXY, PROXY_IMAGE, PROXY_INIT, PodName, RESERVED, TOKEN_VOLUME, Version};
use wiguard_tests::estate::random::Random;

/// How many ServiceAccounts there are.
pub(crate) const ACCOUNTS: u64 = 240;

const SEED: u64 = 20_261_125;

/// Lifetimes and ports as people write them.
const NUMBERS: [&str; 40] = [
    "3600",
    "86400",
    "7200",
    "7200",
    "43200",
    "3599",
    "86401",
    "+7200",
    "-7200",
    "0",
    "-0",
    "+",
    "-",
    "1h",
    " 3600",
    "3600 ",
    "3600.0",
    "00003600",
    "3_600",
    "0x1000",
    "1e4",
    "\t7200",
    "7200\n",
    "\u{a0}7200",
    "7200\u{200b}",
    "\u{663}\u{666}\u{660}\u{660}",
    "\"7200\"",
    "back\\slash",
    "\u{1f642}",
    "e\u{301}",
    "\u{301}7200",
    "\u{7}\u{1b}",
    "99999999999999999999",
    "99999999999999999999x",
    "9223372036854775807",
    "-9223372036854775808",
    "4294967296x",
    "2147483647",
    "2147483648",
    "<&>",
];

const TEXTS: [&str; 8] = [
    "",
    " ",
    "5a1e2c3d-0001-4000-8000-000000000001",
    " 5a1e2c3d-0001-4000-8000-000000000001\n",
    "contoso.example.com",
    "00000000-0000-0000-0000-000000000000",
    "日本\u{1f642}",
    "${CLIENT_ID}",
];

const FLAGS: [&str; 7] = ["true", "false", "", "True", "TRUE", "1", " true"];

const CONTAINERS: [&str; 9] = ["app", "app", "sidecar", "istio-proxy", "App", "日本", "", PROXY, PROXY_INIT];

const VARIABLES: [&str; 8] = [
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
    "AZURE_KUBERNETES_TOKEN_PROXY",
    "AZURE_KUBERNETES_CA_FILE",
    "azure_client_id",
    "LOG_LEVEL",
];

/// The ServiceAccount of that number.
pub(crate) fn account(namespace: &str, number: u64) -> Value {
    let mut chance = Random::of(SEED, &format!("account/{number}"));
    let mut annotations = Map::new();
    for (key, values, percent) in [
        (annotation::CLIENT_ID, &TEXTS[..], 75),
        (annotation::TENANT_ID, &TEXTS[..], 40),
        (annotation::EXPIRATION, &NUMBERS[..5], 30),
        (annotation::EXPIRATION, &NUMBERS[..], 8),
        (annotation::EXPIRATION, &[""], 5),
        // Only pods are asked for these.
        (annotation::SKIP_CONTAINERS, &["app"], 5),
        (annotation::INJECT_PROXY, &FLAGS[..], 5),
    ] {
        if chance.below(100) < percent {
            annotations.insert(key.into(), json!(one(&mut chance, values)));
        }
    }
    json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": format!("account-{number}"), "namespace": namespace, "annotations": annotations},
    })
}

/// The pod of that number.
pub(crate) fn pod(namespace: &str, number: u64) -> Value {
    let mut chance = Random::of(SEED, &format!("pod/{number}"));
    let chance = &mut chance;
    let mut metadata = json!({"labels": {label::USE: "true", "app": "modelled"}});
    let name = format!("modelled-{number}");
    let called = match chance.below(10) {
        0..5 => {
            metadata["name"] = json!(name);
            PodName::Name(&name)
        }
        5..9 => {
            metadata["generateName"] = json!(name);
            PodName::Prefix(&name)
        }
        _ => PodName::Prefix(""),
    };
    let reserved = Version::V1_6_0.volume_name(called).unwrap();
    if chance.below(2) == 0 {
        metadata["namespace"] = json!(namespace);
    }
    let annotations = annotations(chance);
    if chance.below(100) < 95 {
        metadata["annotations"] = annotations;
    }
    let mut spec = json!({"containers": containers(chance, 1, &reserved)});
    match chance.below(100) {
        0..3 => spec["serviceAccountName"] = json!(format!("missing-{number}")),
        3..6 => {}
        6..8 => spec["serviceAccountName"] = json!("default"),
        _ => spec["serviceAccountName"] = json!(format!("account-{}", chance.below(ACCOUNTS))),
    }
    if chance.below(3) == 0 {
        spec["initContainers"] = json!(containers(chance, 0, &reserved));
    }
    match chance.below(10) {
        0 | 1 => spec["hostNetwork"] = json!(true),
        2 => spec["hostNetwork"] = json!(false),
        _ => {}
    }
    let volumes: Vec<Value> = (0..chance.below(4)).map(|_| volume(chance, &reserved)).collect();
    if !volumes.is_empty() || chance.below(2) == 0 {
        spec["volumes"] = json!(volumes);
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
}

fn annotations(chance: &mut Random) -> Value {
    let mut all = Map::new();
    let mut put = |chance: &mut Random, key: &str, percent: u64, value: &mut dyn FnMut(&mut Random) -> String| {
        if chance.below(100) < percent {
            all.insert(key.into(), json!(value(chance)));
        }
    };
    let mut good = |chance: &mut Random| one(chance, &NUMBERS[..5]).to_owned();
    let mut number = |chance: &mut Random| one(chance, &NUMBERS).to_owned();
    let mut flag = |chance: &mut Random| one(chance, &FLAGS).to_owned();
    put(chance, annotation::EXPIRATION, 20, &mut good);
    put(chance, annotation::EXPIRATION, 15, &mut number);
    put(chance, annotation::EXPIRATION, 4, &mut |_| String::new());
    put(chance, annotation::SKIP_CONTAINERS, 30, &mut skipped);
    put(chance, annotation::INJECT_PROXY, 30, &mut flag);
    put(chance, annotation::PROXY_PORT, 15, &mut good);
    put(chance, annotation::PROXY_PORT, 15, &mut number);
    put(chance, annotation::USE_IDENTITY_BINDING, 40, &mut flag);
    // Only ServiceAccounts are asked for these.
    put(chance, annotation::CLIENT_ID, 10, &mut |chance| one(chance, &TEXTS).to_owned());
    put(chance, annotation::TENANT_ID, 10, &mut |chance| one(chance, &TEXTS).to_owned());
    Value::Object(all)
}

fn skipped(chance: &mut Random) -> String {
    let names: Vec<&str> = (0..chance.below(4)).map(|_| one(chance, &CONTAINERS)).collect();
    names.join(one(chance, &[";", ";", "; ", " ;\t", ";;", ",", "\u{a0};"]))
}

fn containers(chance: &mut Random, least: u64, reserved: &str) -> Vec<Value> {
    let count = least + chance.below(3);
    (0..count).map(|_| container(chance, reserved)).collect()
}

fn container(chance: &mut Random, reserved: &str) -> Value {
    let image = match chance.below(8) {
        0 => format!("{PROXY_IMAGE}:v1.3.0"),
        1 => format!("{PROXY_IMAGE}-init:v1.3.0"),
        _ => "registry.example.com/app:1".into(),
    };
    let mut container = json!({"name": one(chance, &CONTAINERS), "image": image, "resources": {}});
    let mut env = Vec::new();
    for name in VARIABLES {
        if chance.below(6) == 0 {
            env.push(variable(chance, name));
        }
    }
    if !env.is_empty() || chance.below(3) == 0 {
        container["env"] = json!(env);
    }
    if chance.below(5) == 0 {
        container["envFrom"] = json!([{"secretRef": {"name": "azure"}, "prefix": "AZURE_"}]);
    }
    let mounts: Vec<Value> = (0..chance.below(3)).map(|_| mount(chance, reserved)).collect();
    if !mounts.is_empty() || chance.below(3) == 0 {
        container["volumeMounts"] = json!(mounts);
    }
    container
}

fn variable(chance: &mut Random, name: &str) -> Value {
    match chance.below(5) {
        0 => json!({"name": name}),
        1 => json!({"name": name, "value": ""}),
        2 => json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "azure", "key": "id"}}}),
        3 => json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
        _ => json!({"name": name, "value": one(chance, &TEXTS)}),
    }
}

fn mount(chance: &mut Random, reserved: &str) -> Value {
    let [old, new] = MOUNT_PATHS;
    let path = one(chance, &["/data", old, new, "/var/run/secrets/azure/tokens/", "/var/run/secrets/azure"]);
    let mut mount = json!({"name": volume_name(chance, reserved), "mountPath": path});
    if chance.below(2) == 0 {
        mount["readOnly"] = json!(true);
    }
    if chance.below(4) == 0 {
        mount["subPath"] = json!("inner");
    }
    mount
}

fn volume(chance: &mut Random, reserved: &str) -> Value {
    let name = volume_name(chance, reserved);
    let path = one(chance, &[TOKEN_VOLUME, TOKEN_VOLUME, "token/azure-identity-token", "token"]);
    match chance.below(4) {
        0 => json!({"name": name, "emptyDir": {}}),
        1 => json!({"name": name, "projected": {"sources": [{"configMap": {"name": "ca"}}]}}),
        2 => json!({"name": name, "projected": {"sources": [{"serviceAccountToken": {"path": path}}]}}),
        _ => {
            let token = json!({"path": path, "audience": "api://AzureADTokenExchange", "expirationSeconds": 7200});
            json!({"name": name, "projected": {"sources": [{"secret": {"name": "s"}}, {"serviceAccountToken": token}]}})
        }
    }
}

fn volume_name(chance: &mut Random, reserved: &str) -> String {
    match chance.below(5) {
        0 => TOKEN_VOLUME.into(),
        1 => reserved.into(),
        2 => format!("{RESERVED}0123456789abcdef"),
        3 => "azure-identity".into(),
        _ => "data".into(),
    }
}

fn one<'a>(chance: &mut Random, values: &[&'a str]) -> &'a str {
    values[usize::try_from(chance.below(values.len() as u64)).unwrap()]
}
