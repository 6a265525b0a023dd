//! What the mutating webhook leaves behind on a pod that opts in, in the two forms met in the
//! field: up to v1.5.1 a volume `azure-identity-token`, from v1.6.0 a reserved one of hashed name.

use serde_json::{Value, json};

use super::{
    model::{CLIENT_ID, Cluster, EXPIRATION, Notes, SKIP, TENANT_ID, USE, Webhook, Workload},
    pod::put,
};

/// Changes the spec of a pod of `workload` as the webhook of `cluster` does at its creation.
pub(super) fn mutate(cluster: &Cluster, account: &Notes, workload: &Workload, pod_name: &str, spec: &mut Value) {
    if workload.pod_labels.get(USE).map(String::as_str) != Some("true") {
        return;
    }
    let (volume, mount_path, token_path) = match cluster.webhook {
        Webhook::Missing => return,
        Webhook::V1_5_1 => ("azure-identity-token".to_owned(), "/var/run/secrets/azure/tokens", "azure-identity-token"),
        Webhook::V1_6_0 => (
            format!("azure-workload-identity-reserved-{}", cluster.random(&format!("token/{pod_name}")).hex(30)),
            "/var/run/secrets/azure/wi",
            "token/azure-identity-token",
        ),
    };
    let note = |key: &str| account.get(key).cloned();
    let seconds = workload.pod_annotations.get(EXPIRATION).cloned().or(note(EXPIRATION));
    let seconds: u64 = seconds.and_then(|text| text.parse().ok()).unwrap_or(3600);
    let env = [
        ("AZURE_CLIENT_ID", note(CLIENT_ID).unwrap_or_default()),
        ("AZURE_TENANT_ID", note(TENANT_ID).unwrap_or_else(|| cluster.tenant.clone())),
        ("AZURE_FEDERATED_TOKEN_FILE", format!("{mount_path}/{token_path}")),
        ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/".to_owned()),
    ];
    let skipped: Vec<&str> =
        workload.pod_annotations.get(SKIP).into_iter().flat_map(|list| list.split(';')).map(str::trim).collect();
    for list in ["initContainers", "containers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
            if skipped.contains(&name) {
                continue;
            }
            for (name, value) in env.iter().filter(|(_, value)| !value.is_empty()) {
                let known = container.get("env").and_then(Value::as_array).into_iter().flatten();
                if !known.into_iter().any(|entry| entry.get("name").and_then(Value::as_str) == Some(*name)) {
                    append(container, "env", json!({"name": name, "value": value}));
                }
            }
            append(container, "volumeMounts", json!({"mountPath": mount_path, "name": volume, "readOnly": true}));
        }
    }
    let token = json!({"serviceAccountToken": {
        "audience": "api://AzureADTokenExchange", "expirationSeconds": seconds, "path": token_path}});
    append(spec, "volumes", json!({"name": volume, "projected": {"defaultMode": 420, "sources": [token]}}));
}

fn append(object: &mut Value, list: &str, item: Value) {
    match object.get_mut(list).and_then(Value::as_array_mut) {
        Some(items) => items.push(item),
        None => put(object, list, json!([item])),
    }
}
