//! Files, folders and standard input, cut into JSON objects.
//!
//! What is in a file is told by its content: compression, encoding, JSON or YAML, and the list
//! an object was wrapped in. One thread reads and cuts, the others convert and judge, and
//! neither ever holds more than a few batches. It knows shapes only: what an object *is* is
//! for its caller to say.
//!
//! ```text
//! walk ▶ decode ▶ text ▶ json | yaml ▶ pack ▶ convert ▶ the caller's work
//!        └────── the cutting thread ──────┘   └────── workers ──────┘
//! ```

use std::io::Read;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

mod convert;
mod crew;
mod decode;
mod json;
mod locate;
mod nesting;
mod pack;
mod prepare;
mod scalar;
mod spot;
mod text;
mod walk;
mod yaml;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may")]
    mod bench;
    mod json;
    mod sources;
    mod yaml;
}

pub use crew::read_all;
pub use locate::{Segment, locate};
pub use spot::path_at;

/// What the user named on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// Standard input, typed as `-`.
    Stdin,
    /// A file or a folder.
    Path(PathBuf),
    /// What was fetched from elsewhere, or why it was not.
    Fetched {
        /// Where it is, as shown to the user.
        path: String,
        /// Whether it was found below what the user named.
        found: bool,
        /// How to get its bytes.
        content: Result<Fetch, String>,
    },
}

/// Gets the bytes of one thing when its turn comes, or says why it cannot.
#[derive(Clone)]
pub struct Fetch(pub Arc<dyn Fn() -> Result<Vec<u8>, String> + Send + Sync>);

impl std::fmt::Debug for Fetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fetch")
    }
}

impl PartialEq for Fetch {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Fetch {}

/// How much of one thing is held in memory. All sizes are bytes of decompressed text.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest single object; a larger one is skipped and named.
    pub piece: usize,
    /// The largest YAML document that is not a plain list of objects.
    pub yaml_document: usize,
    /// The size up to which a YAML document is parsed whole; a longer list is cut by its lines,
    /// and its elements cannot share anchors.
    pub yaml_whole: usize,
    /// How much anchors and aliases may add to one YAML document.
    pub yaml_expansion: usize,
    /// How deeply YAML may nest. JSON is left to the parser of the caller.
    pub depth: usize,
    /// The size at which a batch is handed to a worker.
    pub batch: usize,
    /// Defects named for one source; reading it ends there.
    pub defects: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            piece: 64 << 20,
            yaml_document: 64 << 20,
            yaml_whole: 2 << 20,
            yaml_expansion: 16 << 20,
            depth: 128,
            batch: 1 << 20,
            defects: 100,
        }
    }
}

/// One file, or standard input.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The index of the root it was reached from.
    pub root: usize,
    /// As shown to the user: the path as typed, joined with the way below it; `-` for standard input.
    pub path: String,
    /// Whether it was found in a folder, not named itself.
    pub found: bool,
}

/// The member of an object, or the bare array, whose elements were cut apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Wrapper {
    /// `items` of a Kubernetes list.
    Items,
    /// `value` of an answer of Azure Resource Manager or Microsoft Graph.
    Value,
    /// `data` of an answer of Azure Resource Graph.
    Data,
    /// A top-level array, as `az … list` prints.
    Array,
}

/// What is known of a list when its elements are cut: the members that stood before the array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Which member holds the elements.
    pub wrapper: Wrapper,
    /// The `kind` of the list, if it came first.
    pub kind: Option<String>,
    /// The `apiVersion` of the list, if it came first.
    pub api_version: Option<String>,
}

/// Where in its source a piece stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// By itself: one value, one document or one line.
    Alone,
    /// In a list.
    Element {
        /// The id, within the source, of the envelope that follows when the list has ended.
        envelope: u32,
        /// What was known of the list at this point.
        list: Arc<List>,
    },
    /// The list itself without its elements: the array is empty. It follows its elements.
    Envelope {
        /// The id its elements carry.
        id: u32,
        /// How many elements were seen, unreadable ones included.
        elements: u64,
        /// Whether the end of the list was reached.
        complete: bool,
        /// Which member held the elements.
        wrapper: Wrapper,
    },
}

/// One JSON object.
#[derive(Debug, Clone)]
pub struct Piece<'a> {
    /// The object in JSON: balanced and UTF-8, but JSON input is not checked further.
    pub json: &'a [u8],
    /// The object as it was written, JSON or YAML, for [`locate`]. Of a list cut by its lines,
    /// the line with the dash is the first.
    pub text: &'a [u8],
    /// The line of the source on which `text` starts, from 1.
    pub line: u64,
    /// Alone, in a list, or the list itself.
    pub place: &'a Place,
}

/// A run of objects cut from one source, judged by one worker.
#[derive(Debug)]
pub struct Batch {
    /// Where they were read.
    pub source: Arc<Source>,
    raw: Vec<u8>,
    converted: Vec<u8>,
    pieces: Vec<Ready>,
}

#[derive(Debug)]
struct Ready {
    text: Range<usize>,
    /// In `converted`; `None` where the text is JSON itself.
    json: Option<Range<usize>>,
    line: u64,
    place: Place,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Defect {
    /// The path as shown to the user.
    pub path: String,
    /// The line, from 1, where there is one.
    pub line: Option<u64>,
    /// What is wrong and what to do.
    pub message: String,
    /// Whether other parts of the source were still read.
    pub partial: bool,
    /// Whether the content is of another kind altogether (prose, a program, an image), so that
    /// in a folder it can be passed over without loss.
    pub foreign: bool,
}

/// What was read of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSummary {
    /// Which one.
    pub source: Arc<Source>,
    /// The objects delivered, without envelopes.
    pub pieces: u64,
    /// The lists met.
    pub lists: u64,
}

/// Everything that came of reading. The order of all three depends on the input alone.
#[derive(Debug)]
pub struct Outcome<T> {
    /// What the work returned: roots in order, paths sorted, batches in file order.
    pub results: Vec<(Arc<Source>, T)>,
    /// What could not be read, in the order of its place.
    pub defects: Vec<Defect>,
    /// All sources, those without an object too.
    pub sources: Vec<SourceSummary>,
}

/// Opens standard input when it is needed.
pub type Stdin = Box<dyn Read + Send>;

impl Batch {
    /// The objects in the order of the source.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        self.pieces.iter().map(|ready| {
            let text = self.raw.get(ready.text.clone()).unwrap_or_default();
            let json = match &ready.json {
                Some(range) => self.converted.get(range.clone()).unwrap_or_default(),
                None => text,
            };
            // A list written on one line has no lines of its own for each element.
            let text = if text.is_empty() { json } else { text };
            Piece { json, text, line: ready.line, place: &ready.place }
        })
    }
}

/// The name of a file without its folders and compression.
fn bare_name(path: &str) -> &str {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default();
    [".gz", ".zst"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

/// Whether the name of a file promises something to read, so that in a folder it is a loss if there
/// is none. What has another name is told by its content all the same.
fn is_promising(path: &str) -> bool {
    const ENDINGS: [&str; 6] = ["json", "yaml", "yml", "jsonl", "ndjson", "tfstate"];
    let ending = bare_name(path).rsplit_once('.').map(|(_, ending)| ending);
    is_plain(path) || ending.is_some_and(|ending| ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending)))
}

/// Whether the name of a file says that it is a lock file in a language of its own, which is
/// delivered in one piece as it is written.
pub(crate) fn is_plain(path: &str) -> bool {
    let name = bare_name(path);
    let is = |known: &[&str]| known.contains(&name);
    is(&["go.mod", "go.sum", "yarn.lock", "poetry.lock", "uv.lock", "pdm.lock"])
        || name.ends_with("gradle.lockfile")
        || name
            .strip_suffix(".txt")
            .is_some_and(|stem| stem.starts_with("requirements") || stem.ends_with("requirements"))
}

impl Wrapper {
    /// The members that may hold a list, with their names.
    const MEMBERS: [(&'static str, Self); 3] = [("items", Self::Items), ("value", Self::Value), ("data", Self::Data)];

    fn of_member(name: &str) -> Option<Self> {
        Self::MEMBERS.iter().find(|(member, _)| *member == name).map(|(_, wrapper)| *wrapper)
    }
}
