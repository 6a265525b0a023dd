//! The settings of the policy: a file that holds them, or the policy's own manifest.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::sources;
use crate::cli::Failure;
use crate::engine::Policy;
use crate::policy::trust::NAMESPACE;
use crate::read::{Limits, Place, Root, Stdin, read_all};

/// Settings, as they are passed to the policy.
#[derive(Debug)]
pub(super) struct Settings {
    value: Value,
    /// As JSON.
    pub(super) json: String,
}

/// What a policy says of settings.
#[derive(Deserialize)]
struct Verdict {
    valid: bool,
    #[serde(default)]
    message: Option<String>,
}

/// Reads them; none is an empty object.
pub(super) fn read(path: Option<&Path>) -> Result<Settings> {
    let value = match path {
        None => json!({}),
        Some(path) => {
            let context = || format!("could not understand the settings `{}`", path.display());
            pick(objects(path).with_context(context)?).with_context(context)?
        }
    };
    Ok(Settings { json: value.to_string(), value })
}

fn objects(path: &Path) -> Result<Vec<Value>> {
    if std::fs::metadata(path).with_context(|| format!("could not read `{}`", path.display()))?.is_dir() {
        bail!("`{}` is a folder", path.display());
    }
    let nothing = || -> Stdin { Box::new(std::io::empty()) };
    let outcome = read_all(&[Root::Path(path.to_path_buf())], nothing, &Limits::default(), |batch| {
        let pieces = batch.pieces().filter(|piece| !matches!(piece.place, Place::Envelope { .. }));
        pieces.map(|piece| serde_json::from_slice(piece.json).map_err(|error| error.to_string())).collect::<Vec<_>>()
    });
    let empty = std::fs::read(path).is_ok_and(|bytes| bytes.trim_ascii().is_empty());
    if let Some(defect) = outcome.defects.first().filter(|_| !empty) {
        let line = defect.line.map(|line| format!("line {line}: ")).unwrap_or_default();
        bail!("{line}{}", defect.message);
    }
    outcome
        .results
        .into_iter()
        .flat_map(|(_, list)| list)
        .map(|object| object.map_err(|error| anyhow!(error)))
        .collect()
}

/// The settings among what a file holds.
fn pick(mut objects: Vec<Value>) -> Result<Value> {
    let kind = |object: &Value| object.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    let policies = ["ClusterAdmissionPolicy", "AdmissionPolicy"];
    let mut found = objects.iter().filter(|object| policies.contains(&kind(object).as_str()));
    if let Some(policy) = found.next() {
        if found.next().is_some() {
            bail!("it holds more than one policy; give a file with the one that is meant");
        }
        return Ok(policy
            .pointer("/spec/settings")
            .filter(|settings| !settings.is_null())
            .cloned()
            .unwrap_or(json!({})));
    }
    match objects.len() {
        0 => Ok(json!({})),
        1 if kind(objects.first().unwrap_or(&Value::Null)).is_empty() => Ok(objects.remove(0)),
        _ => bail!("it holds neither settings alone nor a ClusterAdmissionPolicy or AdmissionPolicy"),
    }
}

/// What the policy says, for who wrote YAML: the place it names is one of the JSON it was handed,
/// and a bare word may be no string.
fn in_yaml(message: &str) -> String {
    let said = message.rsplit_once(" at line ").map_or(message, |(said, _)| said);
    let bare = said.contains("invalid type: boolean");
    let hint = if bare { "; in YAML, a bare on, off, yes or no is a boolean: write it in quotes" } else { "" };
    format!("{said}{hint}")
}

// === impl Settings ===

impl Settings {
    /// Has the policy check them.
    pub(super) fn check(&self, policy: &Policy) -> Result<(), Failure> {
        let nobody = sources::nobody();
        let answer = policy.call("validate_settings", self.json.as_bytes(), &nobody);
        let verdict = answer.map_err(anyhow::Error::from).and_then(|answer| {
            serde_json::from_slice::<Verdict>(&answer).map_err(|error| anyhow!("it answered nonsense: {error}"))
        });
        drop::<Arc<_>>(nobody);
        match verdict.context("the policy could not check the settings").map_err(Failure::Internal)? {
            Verdict { valid: true, .. } => Ok(()),
            Verdict { message, .. } => Err(Failure::Usage(anyhow!(
                "the policy does not accept the settings: {}",
                message.as_deref().map_or_else(|| "it does not say why".into(), in_yaml)
            ))),
        }
    }

    /// The namespace of the trust inventory, if the settings ask for one.
    pub(super) fn trust_namespace(&self) -> Option<&str> {
        let trust = self.value.get("trust").filter(|trust| trust.is_object())?;
        Some(trust.get("namespace").and_then(Value::as_str).unwrap_or(NAMESPACE))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::{Value, json};

    use super::pick;

    #[test]
    fn settings_are_found_where_they_are() {
        let policy = json!({"kind": "ClusterAdmissionPolicy", "spec": {"settings": {"unknown": "deny"}}});
        let bare = json!({"kind": "AdmissionPolicy", "spec": {"settings": null}});
        let account = json!({"kind": "ServiceAccount"});
        let settings = json!({"unknown": "warn"});
        for (objects, picked) in [
            (vec![], json!({})),
            (vec![settings.clone()], settings.clone()),
            (vec![account.clone(), policy.clone()], json!({"unknown": "deny"})),
            (vec![bare.clone()], json!({})),
        ] {
            assert_eq!(pick(objects).unwrap(), picked);
        }
        for (objects, why) in [
            (vec![policy.clone(), bare], "more than one policy"),
            (vec![account.clone()], "neither settings alone"),
            (vec![settings.clone(), settings], "neither settings alone"),
            (vec![Value::Null, account], "neither settings alone"),
        ] {
            assert!(pick(objects).unwrap_err().to_string().contains(why), "{why}");
        }
    }
}
