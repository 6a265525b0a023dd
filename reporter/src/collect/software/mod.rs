//! Software: what bills of materials and lock files say that programs are made of. One document
//! becomes the libraries in it that ask for Azure's tokens; everything else is passed over unread.

mod cyclonedx;
mod image;
mod javascript;
mod lock;
mod members;
mod purl;
mod python;
mod spdx;
mod text;

use std::collections::BTreeSet;

use serde_json::Value;
use wiguard_rules::model::{Ecosystem, ImageReference, Library, Origin, Package, Software};

use super::{Sourced, Tie, tie};

/// What a document says.
#[derive(Debug, Default)]
pub(super) struct Described {
    /// What it describes, with libraries or without.
    pub(super) software: Software,
    /// What of it could not be read: line, counted from its first, and reason.
    pub(super) defects: Vec<(u32, String)>,
}

/// What reads documents of one format.
type Reader = fn(&[u8]) -> Result<Option<Software>, serde_json::Error>;

/// Formats that are told by a member at the top, whatever the file is called.
const BY_CONTENT: [(&[u8], Reader); 3] =
    [(b"\"bomFormat\"", cyclonedx::read), (b"\"spdxVersion\"", spdx::read), (b"\"lockfileVersion\"", javascript::read)];

/// Formats that say nothing of themselves: the file's name does.
const BY_NAME: [(&str, Reader); 3] =
    [("packages.lock.json", lock::nuget), ("Pipfile.lock", python::pipfile), ("vcpkg.json", lock::vcpkg)];

/// Reads a document of JSON, or of YAML that was converted; `None` if it is none of these.
///
/// # Errors
/// If it is one and cannot be read.
pub(super) fn read(path: &str, json: &[u8]) -> Option<Result<Software, serde_json::Error>> {
    let by_content = BY_CONTENT.iter().filter(|(mark, _)| memchr::memmem::find(json, mark).is_some());
    let by_name = BY_NAME.iter().filter(|(ending, _)| name(path).ends_with(ending));
    let readers = by_content.map(|(_, reader)| reader).chain(by_name.map(|(_, reader)| reader));
    readers.filter_map(|reader| reader(json).transpose()).next()
}

/// Reads a lock file that is neither JSON nor YAML.
pub(super) fn read_text(path: &str, text: &str) -> Described {
    let name = name(path);
    match name {
        "go.mod" => text::go_mod(text),
        "go.sum" => text::go_sum(text),
        "yarn.lock" => text::yarn(text),
        _ if name.ends_with("gradle.lockfile") => text::gradle(text),
        _ if name.ends_with(".lock") => python::packages(text),
        _ => python::requirements(name, text),
    }
}

/// Takes what the sources describe: named after its file where it has no name of its own, and in the
/// images that the user ties to it.
pub(super) fn take(sources: &mut [Sourced], said: &[Tie]) -> Vec<Software> {
    let described: BTreeSet<String> = sources.iter().filter_map(|it| beside(&it.source.path, "go.mod")).collect();
    let mut all = Vec::new();
    for Sourced { index, source, facts, .. } in sources {
        for (line, mut software) in std::mem::take(&mut facts.software) {
            // What `go.mod` says to be taken, `go.sum` knows only to have been looked at.
            if beside(&source.path, "go.sum").is_some_and(|folder| described.contains(&folder)) {
                continue;
            }
            for image in tie::images_of_path(&source.path, said) {
                image::note(&mut software, image, ImageReference::of(image).pulled_tag().unwrap_or_default());
            }
            if software.name.is_empty() {
                software.name.clone_from(&source.path);
            }
            software.origin = Origin { source: *index, line };
            all.push(software);
        }
    }
    all
}

/// The folder of a file, if that is its name.
fn beside(path: &str, file: &str) -> Option<String> {
    (name(path) == file).then(|| path.rsplit_once(['/', '\\']).map_or("", |(folder, _)| folder).to_owned())
}

/// The name of a file, without the ending of a compression.
pub(super) fn name(path: &str) -> &str {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    [".gz", ".zst"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

/// A library, if rules read it.
fn library(ecosystem: Ecosystem, name: &str, version: &str, development: bool) -> Option<Library> {
    let package = Package::find(ecosystem, name)?;
    Some(Library { package, version: shortened(version), development })
}

/// A version, of which only so much is kept as versions have.
fn shortened(version: &str) -> String {
    version.trim().chars().take(64).collect()
}

/// Software of which only the libraries are known.
fn of(libraries: Vec<Library>) -> Software {
    let mut software = Software { libraries, ..Software::default() };
    settle(&mut software);
    software
}

/// Puts libraries in order, each once: one that is delivered is so whatever else says.
fn settle(software: &mut Software) {
    software.libraries.sort();
    software.libraries.dedup_by(|later, first| later.package == first.package && later.version == first.version);
    for list in [&mut software.images, &mut software.digests] {
        list.sort();
        list.dedup();
    }
}

/// A text, empty if there is none.
fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// The elements of a list, none if it is no list.
fn elements<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    value.get(member).and_then(Value::as_array).into_iter().flatten()
}
