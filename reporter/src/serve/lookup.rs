//! What the module may ask while it judges one request: a ServiceAccount, and an object of the
//! trust inventory. Everything else does not exist for it.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;

use super::cluster::Answer;
use super::server::Server;
use crate::engine::Host;

/// The host of one request.
pub(super) struct Lookup {
    server: Arc<Server>,
    /// The ServiceAccount that came with the request.
    carried: Option<Carried>,
}

/// A ServiceAccount as a request carries it.
pub(super) struct Carried {
    namespace: String,
    name: String,
    json: Box<str>,
}

/// Kubewarden's `kubernetes/get_resource`.
#[derive(Deserialize)]
struct GetResource<'a> {
    #[serde(borrow)]
    api_version: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Cow<'a, str>,
}

impl Lookup {
    pub(super) fn host(server: &Arc<Server>, carried: Option<Carried>) -> Arc<dyn Host> {
        Arc::new(Self { server: Arc::clone(server), carried })
    }

    fn account(&self, namespace: &str, name: &str) -> Result<Vec<u8>, String> {
        let carried = self.carried.as_ref().filter(|carried| carried.namespace == namespace && carried.name == name);
        if let Some(carried) = carried {
            return self.answered("ServiceAccount", "carried", carried.json.as_bytes());
        }
        match &self.server.cluster {
            Some(cluster) => self.answer("ServiceAccount", name, cluster.account(namespace, name)),
            None => self.failed("ServiceAccount", "unknown", "there is no cluster to ask".into()),
        }
    }

    fn trust(&self, namespace: &str, name: &str) -> Result<Vec<u8>, String> {
        if let Some(trust) = &self.server.trust {
            let found = trust.get().get(namespace, name);
            return self.answer("ConfigMap", name, found.map_or(Answer::Missing, Answer::Mirrored));
        }
        match &self.server.cluster {
            Some(cluster) => self.answer("ConfigMap", name, cluster.trust(namespace, name)),
            None => self.failed("ConfigMap", "unknown", "there is no cluster to ask".into()),
        }
    }

    fn answer(&self, kind: &'static str, name: &str, answer: Answer) -> Result<Vec<u8>, String> {
        match answer {
            Answer::Mirrored(json) => self.answered(kind, "mirrored", &json),
            Answer::Live(json) => self.answered(kind, "live", &json),
            // In the words that Kubewarden has for it.
            Answer::Missing => self.failed(kind, "missing", format!("Cannot find v1/{kind} named '{name}'")),
            Answer::Failed(error) => {
                tracing::debug!(kind, error, "could not look an object up");
                self.failed(kind, "failed", error)
            }
        }
    }

    fn answered(&self, kind: &'static str, result: &'static str, json: &[u8]) -> Result<Vec<u8>, String> {
        self.server.metrics.lookup(kind, result);
        Ok(json.to_vec())
    }

    fn failed(&self, kind: &'static str, result: &'static str, error: String) -> Result<Vec<u8>, String> {
        self.server.metrics.lookup(kind, result);
        Err(error)
    }
}

impl Host for Lookup {
    fn call(&self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
        if (binding, namespace, operation) != ("kubewarden", "kubernetes", "get_resource") {
            return Err(format!("`{binding}/{namespace}/{operation}` is not available"));
        }
        let wanted: GetResource<'_> = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
        let namespace = wanted.namespace.as_deref().unwrap_or_default();
        match (wanted.api_version.as_ref(), wanted.kind.as_ref()) {
            ("v1", "ServiceAccount") => self.account(namespace, &wanted.name),
            ("v1", "ConfigMap") => self.trust(namespace, &wanted.name),
            (version, kind) => Err(format!("the policy may not read {version}/{kind}")),
        }
    }

    fn log(&self, message: &str) {
        tracing::warn!(said = message, "the policy module logged");
    }
}

impl Carried {
    /// Takes a ServiceAccount; `None` where there is none, or it is not one.
    pub(super) fn new(json: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Account {
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        struct Metadata {
            name: String,
            #[serde(default)]
            namespace: String,
        }
        let Account { metadata: Metadata { name, namespace } } = serde_json::from_str(json).ok()?;
        Some(Self { namespace, name, json: json.into() })
    }
}
