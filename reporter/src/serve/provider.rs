//! Gatekeeper's external data (externaldata.gatekeeper.sh/v1beta1): keys in, values out.
//!
//! A key is a JSON text with everything that a verdict depends on, and its value is the verdict.
//! Gatekeeper keeps both values and the errors of keys: so a verdict is never an error, and what
//! went wrong here is an error of the whole system, which nobody keeps.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::judge::{Failure, Mode};
use super::lookup::{Carried, Lookup};
use super::review::{level, rule_id};
use super::server::Server;
use super::span::members;

const VERSION: &str = "externaldata.gatekeeper.sh/v1beta1";

/// The version of keys that is understood.
const KEY_VERSION: &str = "1";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    api_version: String,
    kind: String,
    request: Keys,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProviderResponse<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    idempotent: bool,
    items: &'a [Item],
    #[serde(skip_serializing_if = "str::is_empty")]
    system_error: &'a str,
}

/// What a key came to.
#[derive(Debug, Serialize)]
pub(super) struct Item {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The verdict on an object, as a template reads it.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Value {
    deny: Vec<Said>,
    warn: Vec<Said>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Said {
    rule: String,
    says: String,
}

/// What the module answers to `review`.
#[derive(Deserialize)]
struct Reviewed {
    findings: Vec<Found>,
    #[serde(default)]
    unknown: Vec<Found>,
    #[serde(default)]
    unreadable: Option<String>,
}

#[derive(Deserialize)]
struct Found {
    rule: String,
    #[serde(default)]
    level: String,
    #[serde(default)]
    says: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// The keys of a request.
///
/// # Errors
/// Says what is wrong with it.
pub(super) fn keys(body: &[u8]) -> Result<Vec<String>, String> {
    let request: Request =
        serde_json::from_slice(body).map_err(|error| format!("the body is not a ProviderRequest: {error}"))?;
    if (request.api_version.as_str(), request.kind.as_str()) != (VERSION, "ProviderRequest") {
        return Err(format!("the body is not a ProviderRequest of {VERSION}"));
    }
    Ok(request.request.keys)
}

/// The answer to a request. The same key always has the same value, as long as nothing else changes.
pub(super) fn response(items: &[Item], system_error: &str) -> Vec<u8> {
    let response = Response { idempotent: true, items, system_error };
    let response = ProviderResponse { api_version: VERSION, kind: "ProviderResponse", response };
    // Texts and lists of texts, which can always be written.
    serde_json::to_vec(&response).unwrap_or_default()
}

/// Judges the object of a key.
///
/// # Errors
/// If the module gave no verdict.
pub(super) fn judged(key: String, server: &Arc<Server>) -> Result<Item, Failure> {
    let (mut version, mut object, mut account, mut operation) = (None, None, None, None);
    let cut = members(&key, |name, value| match name {
        "v" => version = Some(value),
        "object" => object = Some(value),
        "serviceAccount" => account = Some(value),
        "operation" => operation = Some(value),
        _ => {}
    });
    let error = match (cut, version, object) {
        (Err(reason), ..) => Some(format!("the key is not as this provider's template makes it: {reason}")),
        (Ok(()), Some(KEY_VERSION), Some(_)) => None,
        (Ok(()), Some(KEY_VERSION), None) => Some("the key has no object".to_owned()),
        (Ok(()), ..) => Some(format!("the key is not of version {KEY_VERSION}; use the template of this release")),
    };
    if let Some(error) = error {
        server.metrics.key("not-understood");
        return Ok(Item { key, value: None, error: Some(error) });
    }
    let host = Lookup::host(server, account.and_then(Carried::new));
    let (object, operation) = (object.unwrap_or("null"), operation.unwrap_or("null"));
    let request = ["{\"object\":", object, ",\"operation\":", operation, "}"];
    let said = server.judge.get().ask("review", &request, Mode::Validating, host)?;
    let reviewed: Reviewed = serde_json::from_slice(&said).map_err(Failure::nonsense)?;
    for found in &reviewed.findings {
        server.metrics.finding(rule_id(&found.rule), level(&found.level));
    }
    let value = Value::of(reviewed);
    server.metrics.key(if value.deny.is_empty() && value.unreadable.is_none() { "allowed" } else { "denied" });
    Ok(Item { key, value: Some(value), error: None })
}

impl Value {
    fn of(reviewed: Reviewed) -> Self {
        let mut value = Self { unreadable: reviewed.unreadable, ..Self::default() };
        for found in reviewed.findings.into_iter().chain(reviewed.unknown) {
            let list = match found.level.as_str() {
                "deny" => &mut value.deny,
                "warn" => &mut value.warn,
                _ => continue,
            };
            // A module of another release may have no sentence for it.
            let says = found.says.or(found.message).unwrap_or_else(|| found.rule.clone());
            list.push(Said { rule: found.rule, says });
        }
        value
    }
}
