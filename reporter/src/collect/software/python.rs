//! Lock files of Python: `Pipfile.lock`, those in TOML (`poetry.lock`, `uv.lock`, `pdm.lock`), and
//! requirements.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use wiguard_rules::model::{Ecosystem, Software};

use super::{Described, of, text};

/// A package in a lock file of Poetry, uv or PDM.
#[derive(Debug, Deserialize)]
struct Locked {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
    /// Of Poetry before 1.5.
    #[serde(default)]
    category: String,
    /// Of Poetry 2 and PDM.
    #[serde(default)]
    groups: Vec<String>,
    /// A list in uv's.
    dependencies: Option<toml::Value>,
    #[serde(default, rename = "dev-dependencies")]
    dev_dependencies: Option<toml::Value>,
}

#[derive(Debug, Deserialize)]
struct Lock {
    #[serde(default)]
    package: Vec<Locked>,
}

/// Reads a lock file of Pipenv; `None` if it is something else of that name.
///
/// # Errors
/// If it is no JSON.
pub(super) fn pipfile(json: &[u8]) -> Result<Option<Software>, serde_json::Error> {
    let value: Value = serde_json::from_slice(json)?;
    if value.get("_meta").is_none() && value.get("default").is_none() {
        return Ok(None);
    }
    let list = |name: &str, development: bool| {
        let packages = value.get(name).and_then(Value::as_object).into_iter().flatten();
        let found = packages.filter_map(|(name, it)| {
            super::library(Ecosystem::PyPi, name, text(it, "version").trim_start_matches('='), development)
        });
        found.collect::<Vec<_>>()
    };
    let mut libraries = list("default", false);
    libraries.extend(list("develop", true));
    Ok(Some(of(libraries)))
}

/// Reads a lock file in TOML.
pub(super) fn packages(text: &str) -> Described {
    let Lock { package } = match toml::from_str(text) {
        Ok(lock) => lock,
        Err(error) => {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = u32::try_from(before.lines().count().max(1)).unwrap_or(u32::MAX);
            let reason = format!("could not read the lock file: {}; write it anew", error.message());
            return Described { defects: vec![(line, reason)], ..Described::default() };
        }
    };
    let (mut needed, mut developing) = (BTreeSet::new(), BTreeSet::new());
    for it in &package {
        it.dependencies.iter().for_each(|named| names(named, &mut needed));
        it.dev_dependencies.iter().for_each(|named| names(named, &mut developing));
    }
    let development = |it: &Locked| {
        let delivered = |group: &String| ["main", "default"].contains(&group.as_str());
        it.category == "dev"
            || (!it.groups.is_empty() && !it.groups.iter().any(delivered))
            || (developing.contains(&it.name) && !needed.contains(&it.name))
    };
    let found = package.iter().filter_map(|it| super::library(Ecosystem::PyPi, &it.name, &it.version, development(it)));
    Described { software: of(found.collect()), defects: Vec::new() }
}

/// The names in uv's lists of dependencies, by group or not.
fn names(value: &toml::Value, into: &mut BTreeSet<String>) {
    match value {
        toml::Value::Array(list) => list.iter().for_each(|it| {
            into.extend(it.get("name").and_then(toml::Value::as_str).map(Into::into));
        }),
        toml::Value::Table(groups) => groups.values().for_each(|group| names(group, into)),
        _ => {}
    }
}

/// Reads requirements: `NAME[EXTRAS]==VERSION ; MARKERS`. What is not fixed to one version has none
/// that is known.
pub(super) fn requirements(file: &str, text: &str) -> Described {
    let development = ["dev", "test", "lint", "docs"].iter().any(|word| file.contains(word));
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let found = joined.lines().filter_map(|line| {
        let line = line.split(" #").next().unwrap_or_default().trim();
        let line = line.split(" --").next().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let end = line.find(|letter: char| !letter.is_ascii_alphanumeric() && !"-_.".contains(letter));
        let (name, rest) = line.split_at_checked(end.unwrap_or(line.len()))?;
        let rest = rest.trim_start();
        let rest = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(rest, |(_, rest)| rest);
        let version = rest.trim_start().strip_prefix("==").map(|version| version.trim_start_matches('=').trim());
        let version = version.filter(|version| !version.contains([',', '*'])).unwrap_or_default();
        super::library(Ecosystem::PyPi, name, version, development)
    });
    Described { software: of(found.collect()), defects: Vec::new() }
}
