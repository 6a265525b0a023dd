//! Facts: what one batch of pieces says, object by object. Computed by the workers, joined later.

use serde_json::Value;
use wiguard_rules::manifest::{self, Hint, Manifest, ManifestError};
use wiguard_rules::model::{ClusterIx, Origin};

use super::azure::{self, Resource};
use super::feed::Feed;
use super::iac::{self, Declarations};
use crate::read::{Batch, Piece, Place, Wrapper};

/// What a batch says.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Objects of Kubernetes.
    pub(super) manifests: Vec<Read>,
    /// Objects of Azure.
    pub(super) resources: Vec<(u32, Option<u32>, Resource)>,
    /// What infrastructure as code declares, by document.
    pub(super) declared: Vec<Declarations>,
    /// Lists that ended.
    pub(super) lists: Vec<Ended>,
    /// Elements without a kind, whose list may say it at its end.
    pub(super) nameless: Vec<(u32, u32, Vec<u8>)>,
    /// What could not be read: line and reason.
    pub(super) defects: Vec<(u32, String)>,
    /// What is YAML, but shows no sign of Kubernetes or Azure: line and reason.
    pub(super) foreign: Vec<(u32, String)>,
    /// What was read and is of no use to any rule, by what it is.
    pub(super) ignored: Vec<String>,
    /// What a snapshot keeps.
    pub(super) feeds: Vec<Feed>,
}

/// An object of Kubernetes, and the list it stood in.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) manifest: Manifest,
    pub(super) live: bool,
    pub(super) line: u32,
    pub(super) list: Option<u32>,
}

impl Read {
    /// An object that an API server gave.
    pub(super) const fn fed(manifest: Manifest) -> Self {
        Self { manifest, live: true, line: 0, list: None }
    }
}

/// A list that was read to its end, or to where it broke off.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) id: u32,
    pub(super) line: u32,
    pub(super) wrapper: Wrapper,
    pub(super) elements: u64,
    /// Whether it is all there: not cut off, no further page.
    pub(super) whole: bool,
    pub(super) api_version: String,
    pub(super) kind: String,
    /// `@odata.context`, which names the parent of what Graph lists.
    pub(super) context: String,
}

/// Reads a batch.
pub(super) fn of(batch: &Batch) -> Facts {
    let mut facts = Facts::default();
    for piece in batch.pieces() {
        facts.add(&piece);
    }
    facts
}

impl Facts {
    fn add(&mut self, piece: &Piece<'_>) {
        let line = u32::try_from(piece.line).unwrap_or(u32::MAX);
        let (list, hint, items) = match piece.place {
            Place::Envelope { id, elements, complete, wrapper } => {
                self.lists.push(ended(*id, line, *wrapper, *elements, *complete, piece.json));
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
        match manifest::read(piece.json, hint, ClusterIx(0), Origin { source: 0, line }) {
            Ok(read) => match &read.manifest {
                Manifest::Other { api_version, kind } if iac::is_ours(api_version, kind) => self.operator(piece, line),
                _ => self.kubernetes(read, line, list),
            },
            Err(ManifestError::NotKubernetes) if items => {
                self.nameless.push((line, list.unwrap_or_default(), piece.json.to_vec()));
            }
            Err(ManifestError::NotKubernetes) => self.azure(piece, line, list),
            Err(error) => self.defects.push(defect(line, written_in_json(piece), &error.to_string())),
        }
    }

    fn kubernetes(&mut self, read: manifest::Read, line: u32, list: Option<u32>) {
        match read.manifest {
            Manifest::Other { .. } => self.ignored.push("object of Kubernetes that no rule reads".into()),
            Manifest::List(kind) => {
                self.defects.push((line, format!("could not read a {kind}: its `items` are not a list of objects")));
            }
            manifest => self.manifests.push(Read { manifest, live: read.live, line, list }),
        }
    }

    fn azure(&mut self, piece: &Piece<'_>, line: u32, list: Option<u32>) {
        let value: Value = match serde_json::from_slice(piece.json) {
            Ok(value) => value,
            Err(error) => {
                self.defects.push(defect(line, written_in_json(piece), &format!("an object: {error}")));
                return;
            }
        };
        if let Some(declared) = iac::read(&value, piece.text, line) {
            return self.declared(declared, "document of infrastructure as code");
        }
        // Values of a chart, prose with a colon: YAML takes them, and nobody meant them.
        let foreign = list.is_none()
            && !written_in_json(piece)
            && ["kind", "id", "properties"].iter().all(|name| value.get(name).is_none());
        match azure::recognise(&value) {
            Ok(resource) => self.resources.push((line, list, resource)),
            Err(azure::Unrecognised::Useless(what)) => self.ignored.push(what.into()),
            Err(azure::Unrecognised::Strange(why)) if foreign => self.foreign.push((line, why)),
            Err(azure::Unrecognised::Strange(why)) => self.defects.push((line, why)),
        }
    }

    /// An object of Kubernetes from which an operator makes one of Azure.
    fn operator(&mut self, piece: &Piece<'_>, line: u32) {
        match serde_json::from_slice(piece.json) {
            Ok(object) => self.declared(iac::operator(&object, line), "object of an operator"),
            Err(error) => self.defects.push(defect(line, written_in_json(piece), &format!("an object: {error}"))),
        }
    }

    fn declared(&mut self, mut declared: Declarations, what: &str) {
        self.defects.append(&mut declared.defects);
        if declared.is_empty() {
            self.ignored.push(format!("{what} that declares nothing that rules read"));
        } else {
            self.declared.push(declared);
        }
    }

    /// Reads the elements without kind of a list that said at its end what they are.
    pub(super) fn name_elements(&mut self, list: &Ended) {
        let (mine, others) = std::mem::take(&mut self.nameless).into_iter().partition(|(_, id, _)| *id == list.id);
        self.nameless = others;
        let mine: Vec<(u32, u32, Vec<u8>)> = mine;
        let kind = list.kind.strip_suffix("List").unwrap_or_default();
        for (line, id, json) in mine {
            let hint = (!kind.is_empty()).then_some(Hint { api_version: &list.api_version, kind });
            match manifest::read(&json, hint, ClusterIx(0), Origin { source: 0, line }) {
                Ok(read) => self.kubernetes(read, line, Some(id)),
                Err(ManifestError::NotKubernetes) => self.defects.push((line, NAMELESS.into())),
                Err(error) => self.defects.push(defect(line, false, &error.to_string())),
            }
        }
    }
}

/// What is said of an element of which nothing tells the kind.
pub(super) const NAMELESS: &str =
    "an element of this list has no `kind`, and the list does not say it either; export it again with kubectl";

fn written_in_json(piece: &Piece<'_>) -> bool {
    std::ptr::eq(piece.text, piece.json)
}

/// What a parser says of an object that begins on a line, on the line it means: it counts from
/// the object, and in the JSON that YAML became there are no lines.
fn defect(line: u32, json: bool, reason: &str) -> (u32, String) {
    let (what, place) = reason.rsplit_once(" at line ").unwrap_or((reason, ""));
    let further = place.split_once(" column ").and_then(|(line, _)| line.parse::<u32>().ok()).filter(|_| json);
    let what = what.replace("recursion limit exceeded", "it nests too deep");
    (
        line.saturating_add(further.unwrap_or(1).saturating_sub(1)),
        format!("could not read {what}; correct it, or export it again"),
    )
}

fn ended(id: u32, line: u32, wrapper: Wrapper, elements: u64, complete: bool, json: &[u8]) -> Ended {
    let value: Value = serde_json::from_slice(json).unwrap_or_default();
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let more = ["nextLink", "@odata.nextLink", "skip_token", "$skipToken"].iter().any(|name| !text(name).is_empty())
        || value.pointer("/metadata/continue").and_then(Value::as_str).is_some_and(|token| !token.is_empty());
    Ended {
        id,
        line,
        wrapper,
        elements,
        whole: complete && !more,
        api_version: text("apiVersion").into(),
        kind: text("kind").into(),
        context: text("@odata.context").into(),
    }
}
