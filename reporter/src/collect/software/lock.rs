//! Lock files of .NET (`packages.lock.json`) and manifests of vcpkg (`vcpkg.json`), which are told by
//! their names.

use serde_json::Value;
use wiguard_rules::model::{Ecosystem, Software};

use super::{elements, of, text};

/// Reads a lock file of NuGet: by target framework, by package, what it resolved to; `None` if it is
/// something else of that name.
///
/// # Errors
/// If it is no JSON.
pub(super) fn nuget(json: &[u8]) -> Result<Option<Software>, serde_json::Error> {
    let value: Value = serde_json::from_slice(json)?;
    let Some(frameworks) = value.get("dependencies").and_then(Value::as_object) else { return Ok(None) };
    let packages = frameworks.values().filter_map(Value::as_object).flatten();
    let found =
        packages.filter_map(|(name, said)| super::library(Ecosystem::NuGet, name, text(said, "resolved"), false));
    Ok(value.get("version").is_some().then(|| of(found.collect())))
}

/// Reads a manifest of vcpkg. Only `overrides` fix a version: `version>=` is the least of what may be
/// taken.
///
/// # Errors
/// If it is no JSON.
pub(super) fn vcpkg(json: &[u8]) -> Result<Option<Software>, serde_json::Error> {
    let value: Value = serde_json::from_slice(json)?;
    if value.get("dependencies").is_none() && value.get("overrides").is_none() {
        return Ok(None);
    }
    let version = |it: &Value| {
        let members = ["version", "version-semver", "version-string"];
        members.into_iter().map(|member| text(it, member)).find(|text| !text.is_empty()).unwrap_or_default().to_owned()
    };
    let fixed = elements(&value, "overrides");
    let found = fixed.filter_map(|it| super::library(Ecosystem::Cpp, text(it, "name"), &version(it), false));
    Ok(Some(of(found.collect())))
}
