//! CycloneDX in JSON (ECMA-424), versions 1.2 to 1.7: components, nested as they may be.

use serde_json::Value;
use wiguard_rules::model::Software;

use super::image::{Subject, digests};
use super::members::{self, Document, Wanted};
use super::purl::Purl;
use super::{elements, text};

#[derive(Default)]
struct Bom {
    is_one: bool,
    subject: Subject,
    software: Software,
}

/// Reads a bill; `None` if it is none.
///
/// # Errors
/// If it is one and no JSON, or its `components` are no list.
pub(super) fn read(json: &[u8]) -> Result<Option<Software>, serde_json::Error> {
    let mut bom = Bom::default();
    let read = members::read(json, &mut bom);
    if !bom.is_one {
        return Ok(None);
    }
    read?;
    bom.subject.describe(&mut bom.software);
    Ok(Some(bom.software))
}

impl Document for Bom {
    fn wants(&self, member: &str) -> Wanted {
        match member {
            "bomFormat" | "metadata" => Wanted::Whole,
            "components" => Wanted::Apart,
            _ => Wanted::Nothing,
        }
    }

    fn take(&mut self, member: &str, _: &str, value: &Value) {
        match member {
            "bomFormat" => self.is_one = value.as_str().is_some_and(|format| format.eq_ignore_ascii_case("CycloneDX")),
            "metadata" => self.subject(value.get("component").unwrap_or(&Value::Null)),
            _ => self.component(value, false),
        }
    }
}

impl Bom {
    fn subject(&mut self, component: &Value) {
        let (group, name) = (text(component, "group"), text(component, "name"));
        let properties = elements(component, "properties").filter(|property| {
            ["aquasecurity:trivy:RepoDigest", "aquasecurity:trivy:RepoTag"].contains(&text(property, "name"))
        });
        let mut references: Vec<String> = properties.map(|property| text(property, "value").to_owned()).collect();
        references.extend(digests(component.get("hashes"), "alg", "content"));
        self.subject = Subject {
            name: if group.is_empty() { name.into() } else { format!("{group}/{name}") },
            version: text(component, "version").into(),
            container: text(component, "type") == "container",
            purls: Purl::of(text(component, "purl")).into_iter().collect(),
            references,
        };
        // What is described may be listed in its place, with its components in it.
        self.component(component, false);
    }

    fn component(&mut self, component: &Value, within: bool) {
        let said = |property: &Value| {
            text(property, "name") == "cdx:npm:package:development" && text(property, "value") == "true"
        };
        let development =
            within || text(component, "scope") == "excluded" || elements(component, "properties").any(said);
        let library = Purl::of(text(component, "purl")).and_then(|purl| purl.library(development));
        self.software.libraries.extend(library.map(|mut library| {
            if library.version.is_empty() {
                library.version = super::shortened(text(component, "version"));
            }
            library
        }));
        elements(component, "components").for_each(|nested| self.component(nested, development));
    }
}
