//! Answers what the policy looks up, from what was read: for each cluster its ServiceAccounts, and
//! the trust inventory that would be published for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use wiguard_rules::inventory::Inventory;
use wiguard_rules::model::{ClusterIx, Pairs, ServiceAccount};

use crate::engine::Host;
use crate::policy::trust::Cut;

/// What one cluster would answer.
#[derive(Default)]
struct Answers {
    /// Objects as JSON, by kind, namespace and name.
    objects: HashMap<(&'static str, String, String), Vec<u8>>,
}

/// What a policy asks for (Kubewarden, `kubernetes/get_resource`).
#[derive(Deserialize)]
struct Asked {
    api_version: String,
    kind: String,
    name: String,
    #[serde(default)]
    namespace: Option<String>,
}

/// A host that knows nothing.
pub(super) fn nobody() -> Arc<dyn Host> {
    Arc::new(Answers::default())
}

/// A host for each cluster, in the order of the inventory.
pub(super) fn hosts(inventory: &Inventory, trust: Option<&str>, whole: bool) -> Vec<Arc<dyn Host>> {
    let mut hosts: Vec<Answers> = inventory.clusters.iter().map(|_| Answers::default()).collect();
    for account in &inventory.service_accounts {
        if let Some(host) = hosts.get_mut(account.cluster.0 as usize) {
            host.add("ServiceAccount", &account.namespace, &account.name, &written(account));
        }
    }
    for (index, (cluster, host)) in (0..).zip(inventory.clusters.iter().zip(&mut hosts)) {
        let (Some(namespace), Some(issuer)) = (trust, &cluster.issuer) else { continue };
        let members = [ClusterIx(index)];
        let collected = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        for map in (Cut { collected, whole, ..Cut::new(inventory, &members, issuer) }).slices().maps {
            let metadata = json!({"name": map.name, "namespace": namespace});
            let object =
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {map.key: map.json}});
            host.add("ConfigMap", namespace, &map.name, &object);
        }
    }
    hosts.into_iter().map(|host| Arc::new(host) as Arc<dyn Host>).collect()
}

/// A ServiceAccount, as far as it bears on the chain.
fn written(account: &ServiceAccount) -> Value {
    let pairs = |pairs: &Pairs| -> Map<String, Value> {
        let value = |text: &str, quoted: bool| match serde_json::from_str(text) {
            Ok(bare) if !quoted => bare,
            _ => Value::from(text),
        };
        pairs.iter().map(|pair| (pair.key.clone(), value(&pair.value, pair.is_string))).collect()
    };
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": account.name,
            "namespace": account.namespace,
            "labels": pairs(&account.labels),
            "annotations": pairs(&account.annotations),
        },
    })
}

impl Answers {
    fn add(&mut self, kind: &'static str, namespace: &str, name: &str, object: &Value) {
        self.objects.insert((kind, namespace.into(), name.into()), object.to_string().into_bytes());
    }
}

impl Host for Answers {
    fn call(&self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        if (binding, namespace, operation) != ("kubewarden", "kubernetes", "get_resource") {
            return Err(format!("`{binding}/{namespace}/{operation}` is not available in a preview"));
        }
        let asked: Asked = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
        let kind =
            ["ServiceAccount", "ConfigMap"].into_iter().find(|kind| *kind == asked.kind && asked.api_version == "v1");
        let kind = kind.ok_or_else(|| format!("a preview does not know {}/{}", asked.api_version, asked.kind))?;
        let place = (kind, asked.namespace.unwrap_or_default(), asked.name);
        self.objects
            .get(&place)
            .cloned()
            .ok_or_else(|| format!("cannot find v1/{kind} named `{}` in namespace `{}`", place.2, place.1))
    }
}
