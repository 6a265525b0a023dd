//! Facts: what one batch of pieces says, object by object. Computed by the workers, joined later.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wiguard_rules::manifest::{self, Hint, Manifest, ManifestError};
use wiguard_rules::model::{ClusterIx, Origin, PodBearing, Software};

use super::azure::{self, Resource};
use super::ended::Ended;
use super::iac::{self, Declarations};
use super::software;
use crate::place::line_of;
use crate::read::{Batch, Piece, Place, Wrapper, is_plain, path_at};
use crate::snapshot::{self, Kept};
use crate::tokens;

/// What a batch says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Facts {
    /// Objects of Kubernetes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) manifests: Vec<Read>,
    /// Objects of Azure.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) resources: Vec<(u32, Option<u32>, Resource)>,
    /// What infrastructure as code declares, by document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) declared: Vec<Declarations>,
    /// What bills of materials and lock files describe, by line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) software: Vec<(u32, Software)>,
    /// Lists that ended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) lists: Vec<Ended>,
    /// Elements without a kind, whose list may say it at its end. They are whole, with whatever
    /// secrets they hold, so that no snapshot keeps them.
    #[serde(skip)]
    pub(crate) nameless: Vec<(u32, u32, Vec<u8>)>,
    /// What could not be read: line and reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) defects: Vec<(u32, String)>,
    /// What is YAML, but shows no sign of Kubernetes or Azure: line and reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) foreign: Vec<(u32, String)>,
    /// Whether anything was read that is of no use to any rule.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) ignored: bool,
    /// What a snapshot keeps.
    #[serde(skip)]
    pub(crate) kept: Vec<Kept>,
}

/// An object of Kubernetes, and the list it stood in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Read {
    pub(crate) manifest: Manifest,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) live: bool,
    /// Whether nothing states its namespace, so that `default` is a guess.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) unplaced: bool,
    pub(crate) line: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) list: Option<u32>,
}

impl Read {
    /// An object that an API server gave.
    pub(crate) const fn fed(manifest: Manifest) -> Self {
        Self { manifest, live: true, unplaced: false, line: 0, list: None }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Reads a batch.
pub(super) fn of(batch: &Batch, declared: &[&'static PodBearing]) -> Facts {
    let mut facts = Facts::default();
    for piece in batch.pieces() {
        facts.add(&piece, declared, &batch.source.path);
    }
    for (_, reason) in facts.defects.iter_mut().chain(&mut facts.foreign) {
        if let Cow::Owned(hidden) = tokens::hide(reason) {
            *reason = hidden;
        }
    }
    facts
}

impl Facts {
    fn add(&mut self, piece: &Piece<'_>, declared: &[&'static PodBearing], path: &str) {
        let line = u32::try_from(piece.line).unwrap_or(u32::MAX);
        if *piece.place == Place::Alone
            && let Some(kept) = snapshot::recognise(piece.json)
        {
            self.kept.push(kept);
            return;
        }
        if *piece.place == Place::Alone && self.software(piece, path, line) {
            return;
        }
        let (list, hint, items) = match piece.place {
            Place::Envelope { id, elements, complete, wrapper } => {
                self.lists.push(Ended::of(*id, line, *wrapper, *elements, *complete, piece.json));
                return;
            }
            Place::Alone => (None, None, false),
            Place::Element { envelope, list } => {
                let kind =
                    list.kind.as_deref().and_then(|kind| kind.strip_suffix("List")).filter(|kind| !kind.is_empty());
                let hint = kind.map(|kind| Hint { api_version: list.api_version.as_deref().unwrap_or("v1"), kind });
                (Some(*envelope), hint, list.wrapper == Wrapper::Items)
            }
        };
        let origin = Origin { source: 0, line };
        let mut read = manifest::read(piece.json, hint, ClusterIx(0), origin);
        if let Ok(manifest::Read { manifest: Manifest::Other { api_version, kind }, .. }) = &read
            && let Some(bearing) = declared.iter().find(|declared| declared.is(api_version, kind))
        {
            read = manifest::read_as(piece.json, hint, bearing, ClusterIx(0), origin);
        }
        match read {
            Ok(read) => match &read.manifest {
                Manifest::Other { api_version, kind } if iac::is_ours(api_version, kind) => self.operator(piece, line),
                Manifest::Other { api_version, kind } if api_version == "v1" && kind == "Status" => {
                    self.answered(piece.json, line);
                }
                _ => self.kubernetes(read, line, list),
            },
            Err(ManifestError::NotKubernetes) if items => {
                self.nameless.push((line, list.unwrap_or_default(), piece.json.to_vec()));
            }
            Err(ManifestError::NotKubernetes) => self.azure(piece, path, line, list),
            Err(error) => self.defects.push(defect(line, piece.text, piece.json, &error.to_string())),
        }
    }

    fn kubernetes(&mut self, mut read: manifest::Read, line: u32, list: Option<u32>) {
        if is_template(&read.manifest) {
            self.defects.push((line, UNRENDERED.into()));
            return;
        }
        let (live, stated) = (read.live, !read.unplaced);
        let unplaced = |manifest: &Manifest| !stated && manifest.id().is_some_and(|(_, of, _)| !of.is_empty());
        if let Some(manifest) = read.bystander.take() {
            // What it is as a bystander says nothing of the list it stood in.
            self.manifests.push(Read { unplaced: unplaced(&manifest), manifest, live, line, list: None });
        }
        match read.manifest {
            Manifest::Other { .. } => self.ignored = true,
            Manifest::List(kind) => {
                self.defects.push((line, format!("could not read a {kind}: its `items` are not a list of objects")));
            }
            manifest => self.manifests.push(Read { unplaced: unplaced(&manifest), manifest, live, line, list }),
        }
    }

    /// Reads a bill of materials or a lock file. False if it is none.
    fn software(&mut self, piece: &Piece<'_>, path: &str, line: u32) -> bool {
        let (software, defects) = if is_plain(path) {
            let text = std::str::from_utf8(piece.json).unwrap_or_default();
            let software::Described { software, defects } = software::read_text(path, text);
            (software, defects)
        } else {
            match software::read(path, piece.json) {
                None => return false,
                Some(Ok(software)) => (software, Vec::new()),
                Some(Err(error)) => {
                    self.defects.push(defect(line, piece.text, piece.json, &format!("what it lists: {error}")));
                    return true;
                }
            }
        };
        let defects = defects.into_iter().map(|(below, why)| (line.saturating_add(below.saturating_sub(1)), why));
        let before = self.defects.len();
        self.defects.extend(defects);
        if !software.libraries.is_empty() {
            self.software.push((line, software));
        } else if self.defects.len() == before {
            self.ignored = true;
        }
        true
    }

    fn azure(&mut self, piece: &Piece<'_>, path: &str, line: u32, list: Option<u32>) {
        let value: Value = match serde_json::from_slice(piece.json) {
            Ok(value) => value,
            Err(error) => {
                self.defects.push(defect(line, piece.text, piece.json, &format!("an object: {error}")));
                return;
            }
        };
        if let Some(declared) = iac::read(&value, piece.text, line) {
            return self.declared(declared);
        }
        // Values of a chart and their schema, prose with a colon: nobody meant them.
        let is_schema =
            value.get("$schema").and_then(Value::as_str).is_some_and(|it| it.contains("//json-schema.org/"));
        let is_prose =
            !written_in_json(piece) && ["kind", "id", "properties"].iter().all(|name| value.get(name).is_none());
        let foreign = list.is_none() && (is_schema || is_prose);
        match azure::recognise(&value) {
            Ok(mut resource) => {
                if let Resource::Signing(keys) = &mut resource {
                    keys.key_set = azure::signing::called(path).into();
                }
                let text = std::str::from_utf8(piece.text).unwrap_or_default();
                for fault in azure::shape::faults(&value, &resource) {
                    let below = line_of(text, &fault.path).unwrap_or_default();
                    self.defects.push((line.saturating_add(below), fault.reason));
                }
                if matches!(resource, Resource::Discovery(_))
                    && let Some(signing) = azure::signing::of_discovery(&value)
                {
                    self.resources.push((line, list, Resource::Signing(signing)));
                }
                if azure::shape::is_fit(&value, &resource) {
                    self.resources.push((line, list, resource));
                }
            }
            Err(azure::Unrecognised::Useless(_)) => self.ignored = true,
            Err(azure::Unrecognised::Strange(why)) if foreign => self.foreign.push((line, why)),
            Err(azure::Unrecognised::Strange(why)) => self.defects.push((line, why)),
        }
    }

    /// An object of Kubernetes from which an operator makes one of Azure.
    fn operator(&mut self, piece: &Piece<'_>, line: u32) {
        match serde_json::from_slice(piece.json) {
            Ok(object) => self.declared(iac::operator(&object, line)),
            Err(error) => self.defects.push(defect(line, piece.text, piece.json, &format!("an object: {error}"))),
        }
    }

    /// An answer of the API server's that is no object (meta/v1, `Status`).
    fn answered(&mut self, json: &[u8], line: u32) {
        let status: Value = serde_json::from_slice(json).unwrap_or_default();
        let text = |name: &str| status.get(name).and_then(Value::as_str);
        if text("status") == Some("Failure") {
            let said = text("message").unwrap_or("no message");
            let reason = format!("this is an error that the API server answered, `{said}`; mend that and ask again");
            self.defects.push((line, reason));
        } else {
            self.ignored = true;
        }
    }

    fn declared(&mut self, mut declared: Declarations) {
        self.defects.append(&mut declared.defects);
        if declared.is_empty() {
            self.ignored = true;
        } else {
            self.declared.push(declared);
        }
    }

    /// Adds what the next batch of the same source says.
    pub(crate) fn append(&mut self, next: Self) {
        self.manifests.extend(next.manifests);
        self.resources.extend(next.resources);
        self.declared.extend(next.declared);
        self.software.extend(next.software);
        self.lists.extend(next.lists);
        self.nameless.extend(next.nameless);
        self.defects.extend(next.defects);
        self.foreign.extend(next.foreign);
        self.ignored |= next.ignored;
    }

    /// Whether nothing of a file is in it.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { manifests, resources, declared, software, lists, nameless, defects, foreign, ignored, kept: _ } =
            self;
        let none = manifests.is_empty()
            && resources.is_empty()
            && declared.is_empty()
            && software.is_empty()
            && lists.is_empty()
            && nameless.is_empty();
        none && defects.is_empty() && foreign.is_empty() && !ignored
    }

    /// Names what its list names at its end, once the source is all there.
    pub(super) fn complete(&mut self) {
        for ended in std::mem::take(&mut self.lists) {
            self.name_elements(&ended);
            self.lists.push(ended);
        }
        for (line, _, _) in std::mem::take(&mut self.nameless) {
            self.defects.push((line, NAMELESS.into()));
        }
    }

    /// Reads the elements without kind of a list that said at its end what they are.
    fn name_elements(&mut self, list: &Ended) {
        let (mine, others) = std::mem::take(&mut self.nameless).into_iter().partition(|(_, id, _)| *id == list.id);
        self.nameless = others;
        let mine: Vec<(u32, u32, Vec<u8>)> = mine;
        let kind = list.kind.strip_suffix("List").unwrap_or_default();
        for (line, id, json) in mine {
            let hint = (!kind.is_empty()).then_some(Hint { api_version: &list.api_version, kind });
            match manifest::read(&json, hint, ClusterIx(0), Origin { source: 0, line }) {
                Ok(read) => self.kubernetes(read, line, Some(id)),
                Err(ManifestError::NotKubernetes) => self.defects.push((line, NAMELESS.into())),
                Err(error) => self.defects.push(defect(line, &json, &json, &error.to_string())),
            }
        }
    }
}

/// Whether an object has a name that Helm is still to make, so that it is part of a chart and of no cluster.
fn is_template(manifest: &Manifest) -> bool {
    const MAKES: [&str; 5] = [".Values", ".Release", ".Chart", "include ", "template "];
    let made = |text: &str| {
        text.split_once("{{").is_some_and(|(_, expression)| MAKES.iter().any(|makes| expression.contains(makes)))
    };
    manifest.id().is_some_and(|(_, namespace, name)| made(namespace) || made(name))
}

/// What is said of it, as of one that is no YAML.
const UNRENDERED: &str = "is a template that was not rendered; give the output of `helm template` instead";
/// What is said of an element of which nothing tells the kind.
const NAMELESS: &str =
    "an element of this list has no `kind`, and the list does not say it either; export it again with kubectl";

fn written_in_json(piece: &Piece<'_>) -> bool {
    std::ptr::eq(piece.text, piece.json)
}

/// What a parser says of an object that begins on a line, with the member and on the line it means:
/// it counts from the object, and in the JSON that YAML became there are no lines.
fn defect(line: u32, text: &[u8], json: &[u8], reason: &str) -> (u32, String) {
    let (what, place) = reason.rsplit_once(" at line ").unwrap_or((reason, ""));
    let what = what.replace("recursion limit exceeded", "it nests too deep");
    let (path, further) = spot(text, json, place);
    let what = match what.rsplit_once("invalid type: ") {
        Some((object, types)) if !path.is_empty() => format!("{object}`{path}` has an invalid type: {types}"),
        _ => what,
    };
    let what =
        if what.starts_with("expected ") { format!("is not JSON: {what}") } else { format!("could not read {what}") };
    (line.saturating_add(further), format!("{what}; correct it, or export it again"))
}

/// The path of the member at a place such as `3 column 14` of an object, and how many lines below
/// the object's first it stands in its text.
fn spot(text: &[u8], json: &[u8], place: &str) -> (String, u32) {
    let place =
        place.split_once(" column ").and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
    let (Some((line, column)), Ok(json)) = (place, std::str::from_utf8(json)) else { return Default::default() };
    let below = usize::saturating_sub(line, 1);
    let before: usize = json.split_inclusive('\n').take(below).map(str::len).sum();
    let path = path_at(json, before.saturating_add(column));
    let further = if std::ptr::eq(text, json.as_bytes()) {
        u32::try_from(below).ok()
    } else {
        std::str::from_utf8(text).ok().and_then(|text| line_of(text, &path))
    };
    (path, further.unwrap_or_default())
}
