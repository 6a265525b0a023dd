//! Lock files of npm (`package-lock.json`, `npm-shrinkwrap.json`, versions 1 to 3) and of pnpm
//! (`pnpm-lock.yaml`, versions 5 to 9), which are told by their `lockfileVersion`.

use std::collections::BTreeSet;

use serde_json::Value;
use wiguard_rules::model::{Ecosystem, Library, Software};

use super::members::{self, Document, Wanted};
use super::text;

#[derive(Default)]
struct Lock {
    is_one: bool,
    libraries: Vec<Library>,
    /// What importers of pnpm name for development alone.
    developing: BTreeSet<String>,
    needed: BTreeSet<String>,
}

/// Reads a lock file; `None` if it is none.
///
/// # Errors
/// If it is one and no JSON.
pub(super) fn read(json: &[u8]) -> Result<Option<Software>, serde_json::Error> {
    let mut lock = Lock::default();
    let read = members::read(json, &mut lock);
    if !lock.is_one {
        return Ok(None);
    }
    read?;
    for library in &mut lock.libraries {
        let name = library.package.name;
        library.development |= lock.developing.contains(name) && !lock.needed.contains(name);
    }
    Ok(Some(super::of(lock.libraries)))
}

impl Document for Lock {
    fn wants(&self, member: &str) -> Wanted {
        match member {
            "lockfileVersion" => Wanted::Whole,
            "packages" | "dependencies" | "devDependencies" | "optionalDependencies" | "importers" => Wanted::Apart,
            _ => Wanted::Nothing,
        }
    }

    fn take(&mut self, member: &str, key: &str, value: &Value) {
        match member {
            "lockfileVersion" => self.is_one = value.is_number() || value.is_string(),
            "packages" => self.package(key, value),
            "importers" => {
                for list in ["dependencies", "optionalDependencies", "devDependencies"] {
                    let named = value.get(list).and_then(Value::as_object).into_iter().flatten();
                    named.for_each(|(name, _)| self.named(list, name));
                }
            }
            // In the first version of npm's the tree itself; in pnpm's, and there by name alone.
            _ if member == "dependencies" && value.get("version").is_some() && value.get("specifier").is_none() => {
                self.tree(key, value);
            }
            _ => self.named(member, key),
        }
    }
}

impl Lock {
    fn named(&mut self, list: &str, name: &str) {
        let names = if list == "devDependencies" { &mut self.developing } else { &mut self.needed };
        names.insert(name.into());
    }

    /// An entry of `packages`: a path of npm's, `node_modules/@azure/identity`, or a key of pnpm's,
    /// `/@azure/identity/3.1.3`, `/@azure/identity@3.1.3(peer@1)`, `@azure/identity@3.1.3`.
    fn package(&mut self, key: &str, value: &Value) {
        let development = value.get("dev") == Some(&Value::Bool(true));
        if let Some((_, name)) = key.rsplit_once("node_modules/") {
            let name = if text(value, "name").is_empty() { name } else { text(value, "name") };
            self.libraries.extend(super::library(Ecosystem::Npm, name, text(value, "version"), development));
            return;
        }
        let key = key.trim_start_matches('/').split('(').next().unwrap_or_default();
        let slash = key.rfind('/').unwrap_or_default();
        let at = key.rfind('@').filter(|at| *at > slash);
        let Some((name, version)) = at.or(Some(slash)).and_then(|at| key.split_at_checked(at)) else { return };
        let version = version.trim_start_matches(['@', '/']);
        // Behind the fifth version's underscore stand peers.
        let version = version.split('_').next().unwrap_or_default();
        self.libraries.extend(super::library(Ecosystem::Npm, name, version, development));
    }

    /// A dependency, and those it has for itself.
    fn tree(&mut self, name: &str, value: &Value) {
        let development = value.get("dev") == Some(&Value::Bool(true));
        self.libraries.extend(super::library(Ecosystem::Npm, name, text(value, "version"), development));
        let nested = value.get("dependencies").and_then(Value::as_object).into_iter().flatten();
        nested.for_each(|(name, value)| self.tree(name, value));
    }
}
