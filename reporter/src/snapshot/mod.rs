//! A snapshot: what was read, kept as facts to be scanned elsewhere or later. Lines of JSON, gzip
//! around them: a header, what sources gave, what files said, and a last line by which what is
//! missing is missed. Each line is a piece of its own to the reader, so that it is read in parallel.
//!
//! ```text
//! {"schema":"wiguard.snapshot/v1","header":{…}}
//! {"schema":"wiguard.snapshot/v1","feed":{…}}      a page of a cluster or of Azure
//! {"schema":"wiguard.snapshot/v1","files":{…}}     the files, and what of them could not be read
//! {"schema":"wiguard.snapshot/v1","batch":{…}}     a part of a file
//! {"schema":"wiguard.snapshot/v1","end":{…}}
//! ```

mod fleet;
mod lenient;
mod section;
mod write;

use serde::{Deserialize, Serialize};

use crate::collect::{Feed, facts::Facts};
use crate::read::{Defect, SourceSummary};

pub(crate) use fleet::settle;
pub(crate) use section::{Section, sections, take};
pub(crate) use write::Digest;
pub use write::Writer;

/// The schema of what is written. Its major number changes when older programs could be misled.
pub const SCHEMA: &str = "wiguard.snapshot/v1";
const FAMILY: &str = "wiguard.snapshot/v";
const MAJOR: u32 = 1;

/// What one line holds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Line {
    Header(Box<Header>),
    Feed(Box<Feed>),
    Batch(Box<Batch>),
    Files(Files),
    End(End),
}

/// Who made it, when, and of what.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Header {
    /// The version of the program.
    pub program: String,
    /// When it was begun: seconds since 1970.
    pub begun: u64,
    /// What was asked for, as it was typed: paths and flags.
    pub asked: Vec<String>,
    /// The only namespace that was read of clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Which part of the fleet it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<Part>,
    /// What the parts of one run have in common, such as the uid of their Job; empty if nothing says so.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub run: String,
    /// Whether names are pseudonyms.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
    /// `--cluster NAME=PATH`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<(String, String)>,
    /// `--identity NAME=PATH`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<(String, String)>,
    /// `--image IMAGE=PATH`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<(String, String)>,
}

/// One part of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    /// Which, from 1.
    pub number: u32,
    /// Of how many.
    pub of: u32,
}

/// What a part of a file says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Batch {
    /// The file, by its index among [`Files::sources`].
    pub(crate) file: u32,
    /// What it says.
    pub(crate) facts: Facts,
}

/// The files that were read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Files {
    pub(crate) sources: Vec<File>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) defects: Vec<Defect>,
}

/// A file that was read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct File {
    pub(crate) path: String,
    /// The index of the path that was named.
    pub(crate) root: usize,
    /// Whether it was found in a folder.
    pub(crate) found: bool,
    /// The objects in it.
    pub(crate) pieces: u64,
    /// The lists in it.
    pub(crate) lists: u64,
}

/// The last line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct End {
    /// Who read what, as far as that is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) readers: Vec<String>,
    /// The lines before it.
    pub(crate) lines: u64,
    /// The objects read, those included that no rule reads.
    pub(crate) objects: u64,
    /// What the lines before it add up to: [`Digest`].
    pub(crate) digest: String,
}

/// A line as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// What it holds; why it could not be read; nothing, if this version does not know it.
    pub(crate) line: Result<Option<Line>, String>,
    /// Whether some of it could not be understood, so that it proves no absence.
    pub(crate) maimed: bool,
    /// What it adds to the digest.
    pub(crate) hash: u128,
}

/// Reads a line of a snapshot; `None` if it is none.
pub(crate) fn recognise(json: &[u8]) -> Option<Kept> {
    let version = version(json)?;
    let hash = write::hash(json);
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major != Some(MAJOR) {
        let line = Err(format!(
            "is a snapshot in a format that this wiguard does not know, `{FAMILY}{version}`, where it knows `{SCHEMA}`; read it with the version that wrote it, or a later one"
        ));
        return Some(Kept { line, maimed: false, hash });
    }
    let (line, maimed) = lenient::line(json);
    Some(Kept { line, maimed, hash })
}

/// The version that a line names first thing, if it is of a snapshot.
fn version(json: &[u8]) -> Option<&str> {
    let next = |json: &'_ [u8], what: &str| -> Option<usize> {
        let rest = json.trim_ascii_start();
        rest.starts_with(what.as_bytes()).then(|| json.len() - rest.len() + what.len())
    };
    let mut at = 0;
    for what in ["{", "\"schema\"", ":", "\"wiguard.snapshot/v"] {
        at += next(json.get(at..)?, what)?;
    }
    let rest = json.get(at..)?;
    let end = memchr::memchr(b'"', rest.get(..16).unwrap_or(rest))?;
    std::str::from_utf8(rest.get(..end)?).ok()
}

impl From<&SourceSummary> for File {
    fn from(summary: &SourceSummary) -> Self {
        Self {
            path: summary.source.path.clone(),
            root: summary.source.root,
            found: summary.source.found,
            pieces: summary.pieces,
            lists: summary.lists,
        }
    }
}
