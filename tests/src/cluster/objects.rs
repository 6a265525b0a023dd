//! Objects of a cluster, as whoever applies manifests meets them: sent whole, and answered with a
//! status, a message and warnings.

#![allow(clippy::panic, reason = "a test whose objects cannot be read has nothing to go on with")]

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::PoisonError;

use hyper::Request;
use kube::Resource;
use kube::client::{Body, Client};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::discovery::{Scope, pinned_kind};
use serde_json::{Value, json};
use wiguard::read::{Limits, Root, read_all};

use super::{Cluster, eventually};

/// What is done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It must not be there yet.
    Create,
    /// Server-side apply.
    Apply,
    /// The whole object, as it is to be.
    Replace,
    /// Only its kind and name are looked at.
    Delete,
    /// Only its kind and name are looked at.
    Get,
}

/// How it is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct How {
    /// All but the storing.
    pub dry_run: bool,
    /// Of the object, such as `ephemeralcontainers`.
    pub subresource: Option<&'static str>,
}

/// What the API server says to it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Of HTTP.
    pub status: u16,
    /// The object as it now is, or a `Status` that says what is wrong.
    pub object: Value,
    /// The warnings, in order.
    pub warnings: Vec<String>,
}

/// The kinds whose paths are known.
pub type Resources = BTreeMap<(String, String), (ApiResource, Scope)>;

// === impl Answer ===

impl Answer {
    /// Whether it was done.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.status < 300
    }

    /// Itself, if it was done.
    ///
    /// # Panics
    /// If it was not.
    pub fn admitted(self) -> Self {
        assert!(self.is_admitted(), "{}: {}", self.status, self.message());
        self
    }

    /// The message, if it was refused.
    ///
    /// # Panics
    /// If it was not.
    #[must_use]
    pub fn refused(&self) -> String {
        assert!(!self.is_admitted(), "admitted, with the warnings {:?}", self.warnings);
        self.message()
    }

    /// What is wrong; empty if nothing is.
    #[must_use]
    pub fn message(&self) -> String {
        let status = if self.object["kind"] == "Status" { &self.object["message"] } else { &Value::Null };
        status.as_str().unwrap_or_default().to_owned()
    }
}

// === impl Cluster ===

impl Cluster {
    /// Does something with an object, as the administrator.
    ///
    /// # Panics
    /// Where the API server does not answer, or does not know the kind.
    pub async fn ask(&self, verb: Verb, object: &Value, how: How) -> Answer {
        self.ask_as(&self.client, verb, object, how).await
    }

    /// Does something with an object, as somebody else.
    ///
    /// # Panics
    /// Where the API server does not answer, or does not know the kind.
    pub async fn ask_as(&self, client: &Client, verb: Verb, object: &Value, how: How) -> Answer {
        let path = self.path(verb, object, how).await;
        let (method, content) = match verb {
            Verb::Create => ("POST", "application/json"),
            Verb::Apply => ("PATCH", "application/apply-patch+yaml"),
            Verb::Replace => ("PUT", "application/json"),
            Verb::Delete => ("DELETE", "application/json"),
            Verb::Get => ("GET", "application/json"),
        };
        let body = match verb {
            Verb::Delete => {
                json!({"gracePeriodSeconds": 0, "propagationPolicy": "Background"}).to_string().into_bytes()
            }
            Verb::Get => Vec::new(),
            _ => object.to_string().into_bytes(),
        };
        send(client, method, &path, content, body).await
    }

    /// Sends something to a path of the API that is not its object's own, such as a review or a scale.
    pub async fn send(&self, method: &str, path: &str, object: &Value) -> Answer {
        send(&self.client, method, path, "application/json", object.to_string().into_bytes()).await
    }

    /// Reads a path of the API.
    pub async fn fetch(&self, path: &str) -> Answer {
        send(&self.client, "GET", path, "application/json", Vec::new()).await
    }

    /// Applies objects in their order; custom ones wait until their kind is served.
    ///
    /// # Panics
    /// Where one is refused.
    pub async fn apply(&self, objects: &[Value]) {
        for object in objects {
            let answer = self.ask(Verb::Apply, object, How::default()).await;
            let (kind, name) = (&object["kind"], &object["metadata"]["name"]);
            assert!(answer.is_admitted(), "{kind} {name}: {}: {}", answer.status, answer.message());
        }
    }

    /// Creates an object.
    pub async fn create(&self, object: &Value) -> Answer {
        self.ask(Verb::Create, object, How::default()).await
    }

    /// Goes through the motions of creating an object.
    pub async fn try_create(&self, object: &Value) -> Answer {
        self.ask(Verb::Create, object, How { dry_run: true, ..How::default() }).await
    }

    /// Replaces an object.
    pub async fn replace(&self, object: &Value) -> Answer {
        self.ask(Verb::Replace, object, How::default()).await
    }

    /// Reads an object again.
    pub async fn get(&self, object: &Value) -> Answer {
        self.ask(Verb::Get, object, How::default()).await
    }

    /// Deletes an object at once.
    pub async fn delete(&self, object: &Value) -> Answer {
        self.ask(Verb::Delete, object, How::default()).await
    }

    /// All objects of a kind, wherever they are.
    ///
    /// # Panics
    /// Where they cannot be listed.
    pub async fn list_all(&self, api_version: &str, kind: &str) -> Vec<Value> {
        let (resource, _) = self.resource(api_version, kind).await;
        let mut answer = self.fetch(&DynamicObject::url_path(&resource, None)).await.admitted();
        answer.object["items"].as_array_mut().map(std::mem::take).unwrap_or_default()
    }

    /// All objects of a kind in a namespace.
    ///
    /// # Panics
    /// Where they cannot be listed.
    pub async fn list(&self, api_version: &str, kind: &str, namespace: &str) -> Vec<Value> {
        let any = json!({"apiVersion": api_version, "kind": kind, "metadata": {"namespace": namespace, "name": ""}});
        let mut answer = self.get(&any).await.admitted();
        answer.object["items"].as_array_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Waits until something of an object is so.
    ///
    /// # Panics
    /// If it never is.
    pub async fn until<T>(&self, what: &str, object: &Value, is_so: impl Fn(&Value) -> Option<T>) -> T {
        eventually(what, || async {
            let now = self.get(object).await.object;
            is_so(&now).ok_or_else(|| now.to_string())
        })
        .await
    }

    async fn path(&self, verb: Verb, object: &Value, how: How) -> String {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (resource, scope) = self.resource(&text(&object["apiVersion"]), &text(&object["kind"])).await;
        let (name, namespace) = (text(&object["metadata"]["name"]), text(&object["metadata"]["namespace"]));
        let namespace = if scope == Scope::Namespaced { Some(namespace.as_str()) } else { None };
        let mut path = DynamicObject::url_path(&resource, namespace);
        if !name.is_empty() && (verb != Verb::Create || how.subresource.is_some()) {
            path = format!("{path}/{name}");
        }
        if let Some(subresource) = how.subresource {
            path = format!("{path}/{subresource}");
        }
        let mut separator = '?';
        let mut add = |parameter: &str| {
            path.push(separator);
            path.push_str(parameter);
            separator = '&';
        };
        if matches!(verb, Verb::Create | Verb::Apply | Verb::Replace) {
            add("fieldManager=wiguard-tests");
            add("fieldValidation=Strict");
        }
        if verb == Verb::Apply {
            add("force=true");
        }
        if how.dry_run {
            add("dryRun=All");
        }
        path
    }

    async fn resource(&self, api_version: &str, kind: &str) -> (ApiResource, Scope) {
        let key = (api_version.to_owned(), kind.to_owned());
        if let Some(known) = self.resources.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let wanted = GroupVersionKind::gvk(group, version, kind);
        let found = eventually("a kind is served", || async {
            pinned_kind(&self.client, &wanted).await.map_err(|error| format!("{wanted:?}: {error}"))
        });
        let (resource, capabilities) = found.await;
        let known = (resource, capabilities.scope);
        self.resources.lock().unwrap_or_else(PoisonError::into_inner).insert(key, known.clone());
        known
    }
}

pub(super) async fn send(client: &Client, method: &str, path: &str, content: &str, body: Vec<u8>) -> Answer {
    let request = Request::builder().method(method).uri(path).header("content-type", content);
    let request = request.body(Body::from(body)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let answer = client.send(request).await.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
    let status = answer.status().as_u16();
    let warnings = answer.headers().get_all("warning").iter().map(|value| warning(value.as_bytes())).collect();
    let bytes = answer.into_body().collect_bytes().await.unwrap_or_else(|error| panic!("{path}: {error}"));
    let plain = || json!({"kind": "Status", "message": String::from_utf8_lossy(&bytes)});
    let object = serde_json::from_slice(&bytes).unwrap_or_else(|_| plain());
    Answer { status, object, warnings }
}

/// The text of a `Warning` header as Kubernetes writes it: code, agent, and the text in quotes.
fn warning(header: &[u8]) -> String {
    let text = String::from_utf8_lossy(header);
    let quoted = text.splitn(3, ' ').nth(2).unwrap_or(&text);
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(quoted);
    inner.replace("\\\"", "\"").replace("\\\\", "\\")
}

/// A namespace.
#[must_use]
pub fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// The objects of a text in YAML or JSON, in their order.
///
/// # Panics
/// Where it cannot be read.
#[must_use]
pub fn manifests(text: &str) -> Vec<Value> {
    let owned = text.to_owned();
    let read = read_all(
        &[Root::Stdin],
        || Box::new(Cursor::new(owned)),
        &Limits::default(),
        |batch| batch.pieces().map(|piece| serde_json::from_slice(piece.json)).collect::<Result<Vec<Value>, _>>(),
    );
    assert!(read.defects.is_empty(), "{:?}\n{text}", read.defects);
    let parts = read.results.into_iter().map(|(_, objects)| objects.unwrap_or_else(|error| panic!("{error}")));
    parts.flatten().collect()
}
