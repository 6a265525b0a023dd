//! SPDX in JSON (ISO/IEC 5962), versions 2.2 and 2.3: packages and what they are to each other.

use std::collections::BTreeSet;

use serde_json::Value;
use wiguard_rules::model::{Library, Software};

use super::image::{Subject, digests};
use super::members::{self, Document, Wanted};
use super::purl::Purl;
use super::{elements, text};

#[derive(Default)]
struct Spdx {
    is_one: bool,
    name: String,
    /// The packages that the document is about.
    described: BTreeSet<String>,
    images: Vec<(String, Subject)>,
    libraries: Vec<(String, Library)>,
    /// Packages that are there for development or tests, and those that something needs.
    developing: BTreeSet<String>,
    needed: BTreeSet<String>,
}

/// Reads a document; `None` if it is none.
///
/// # Errors
/// If it is one and no JSON, or its packages are no list.
pub(super) fn read(json: &[u8]) -> Result<Option<Software>, serde_json::Error> {
    let mut spdx = Spdx::default();
    let read = members::read(json, &mut spdx);
    if !spdx.is_one {
        return Ok(None);
    }
    read?;
    Ok(Some(spdx.software()))
}

impl Document for Spdx {
    fn wants(&self, member: &str) -> Wanted {
        match member {
            "spdxVersion" | "name" => Wanted::Whole,
            "documentDescribes" | "packages" | "relationships" => Wanted::Apart,
            _ => Wanted::Nothing,
        }
    }

    fn take(&mut self, member: &str, _: &str, value: &Value) {
        match member {
            "spdxVersion" => self.is_one = value.as_str().is_some_and(|version| version.starts_with("SPDX-2")),
            "name" => self.name = value.as_str().unwrap_or_default().into(),
            "documentDescribes" => self.described.extend(value.as_str().map(Into::into)),
            "packages" => self.package(value),
            _ => self.relationship(value),
        }
    }
}

impl Spdx {
    fn package(&mut self, package: &Value) {
        let id = text(package, "SPDXID");
        let locators = elements(package, "externalRefs").map(|reference| text(reference, "referenceLocator"));
        let purls: Vec<Purl> = locators.filter_map(Purl::of).collect();
        let version = text(package, "versionInfo");
        let found = purls.iter().find_map(|purl| purl.library(false));
        self.libraries.extend(found.map(|mut library| {
            if library.version.is_empty() {
                library.version = super::shortened(version);
            }
            (id.to_owned(), library)
        }));
        let subject = Subject {
            name: text(package, "name").into(),
            version: version.into(),
            container: text(package, "primaryPackagePurpose") == "CONTAINER",
            purls,
            references: digests(package.get("checksums"), "algorithm", "checksumValue"),
        };
        if subject.is_image() {
            self.images.push((id.into(), subject));
        }
    }

    fn relationship(&mut self, relationship: &Value) {
        let (one, other) = (text(relationship, "spdxElementId"), text(relationship, "relatedSpdxElement"));
        match text(relationship, "relationshipType") {
            "DESCRIBES" => self.described.insert(other.into()),
            "DESCRIBED_BY" => self.described.insert(one.into()),
            "DEV_DEPENDENCY_OF"
            | "TEST_DEPENDENCY_OF"
            | "DEV_TOOL_OF"
            | "TEST_TOOL_OF"
            | "TEST_OF"
            | "BUILD_TOOL_OF"
            | "BUILD_DEPENDENCY_OF" => self.developing.insert(one.into()),
            "DEPENDENCY_OF" | "RUNTIME_DEPENDENCY_OF" => self.needed.insert(one.into()),
            "DEPENDS_ON" => self.needed.insert(other.into()),
            _ => false,
        };
    }

    fn software(self) -> Software {
        let Self { name, described, mut images, libraries, developing, needed, .. } = self;
        if images.iter().any(|(id, _)| described.contains(id)) {
            images.retain(|(id, _)| described.contains(id));
        }
        let mut software = Software::default();
        software.libraries.extend(libraries.into_iter().map(|(id, library)| Library {
            development: developing.contains(&id) && !needed.contains(&id),
            ..library
        }));
        // Of several images nobody can tell which one has the library.
        match images.as_slice() {
            [(_, subject)] => subject.describe(&mut software),
            _ => Subject { name, ..Subject::default() }.describe(&mut software),
        }
        software
    }
}
