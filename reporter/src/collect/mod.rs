//! Collecting: from what was named on the command line to one inventory, with an account of what
//! could not be read and what could not be tied together.

mod assembly;
pub mod azure;
mod contradiction;
mod ended;
mod extent;
pub(crate) mod facts;
mod feed;
pub(crate) mod iac;
mod mentioned;
pub(crate) mod placing;
mod software;
mod tie;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wiguard_rules::inventory::Inventory;
use wiguard_rules::model::{Cluster, ClusterIx, PodBearing};

use crate::read::{self, Defect, Limits, Root, Source, SourceSummary, Stdin};
use crate::snapshot::{self, Kept, Section};
pub(crate) use assembly::join;
use assembly::{Sourced, same_cluster};
use facts::Facts;
pub use feed::{Feed, Gone, Home, Proof, Resource};
pub(crate) use tie::SCOPE;
pub use tie::Tie;

/// What is to be collected.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Files, folders, standard input.
    pub roots: Vec<Root>,
    /// `--cluster NAME=PATH`.
    pub clusters: Vec<Tie>,
    /// `--identity NAME=PATH`.
    pub identities: Vec<Tie>,
    /// `--image IMAGE=PATH`.
    pub images: Vec<Tie>,
    /// `--default-namespace NAMESPACE[=PATH]`; the path of one that is said of every file is empty.
    pub namespaces: Vec<Tie>,
    /// Clusters declared by configuration, by name.
    pub declared: Vec<Cluster>,
    /// Whether every kind of which something is given is given wholly.
    pub assume_complete: bool,
    /// Kinds with a pod template that are declared.
    pub bearing: Vec<&'static PodBearing>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Collected {
    /// What is known.
    pub inventory: Inventory,
    /// The path of each source, by [`Origin::source`].
    pub paths: Vec<String>,
    /// What could not be read or tied, and what was passed over.
    pub gaps: Vec<Gap>,
    /// Sources from which something was read: path, and how many objects.
    pub sources: Vec<(String, u64)>,
    /// Clusters that were read themselves, by what they are called there; Azure may call them otherwise.
    pub homes: BTreeMap<String, ClusterIx>,
    /// When a source was read that says so, by [`Origin::source`]: seconds since 1970.
    pub moments: BTreeMap<u32, u64>,
    /// What standard input held, unless it was too much to keep, so that fields have their lines.
    pub stdin: Option<Vec<u8>>,
}

/// Something the inventory lacks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gap {
    /// The path.
    pub path: String,
    /// The line, if there is one.
    pub line: Option<u64>,
    /// What is missing, and what to do about it.
    pub reason: String,
    /// How much of the source is missing.
    pub extent: Missing,
}

/// How much is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Missing {
    /// All of a source: it could not be read.
    All,
    /// A part of it.
    Part,
    /// Nothing: it was read, but not all of it could be put to use.
    Use,
    /// Nothing that is ours: a file of another kind, found in a folder.
    Nothing,
}

/// What files say, or what a snapshot kept of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) sources: Vec<SourceSummary>,
    pub(crate) defects: Vec<Defect>,
    pub(crate) facts: Vec<(Arc<Source>, Facts)>,
}

/// Collects: what was fed, then what is named.
pub fn collect(wanted: &Wanted, feeds: Vec<Feed>, stdin: impl FnOnce() -> Stdin) -> Collected {
    let (reading, sections) = read(&wanted.roots, &wanted.bearing, stdin);
    let (sections, gaps) = snapshot::settle(sections);
    join(wanted, reading, sections, gaps, feeds)
}

/// Reads files; the snapshots among them are returned apart.
pub(crate) fn read(
    roots: &[Root],
    bearing: &[&'static PodBearing],
    stdin: impl FnOnce() -> Stdin,
) -> (Reading, Vec<Section>) {
    let outcome = read::read_all(roots, stdin, &Limits::default(), |batch| facts::of(batch, bearing));
    let mut kept: Vec<(Arc<Source>, Vec<Kept>)> = Vec::new();
    let mut by_source: Vec<(Arc<Source>, Facts)> = Vec::new();
    for (source, mut batch) in outcome.results {
        let lines = std::mem::take(&mut batch.kept);
        match by_source.last_mut() {
            Some((last, facts)) if Arc::ptr_eq(last, &source) => facts.append(batch),
            _ => by_source.push((Arc::clone(&source), batch)),
        }
        match kept.last_mut() {
            Some((last, list)) if Arc::ptr_eq(last, &source) => list.extend(lines),
            _ if lines.is_empty() => {}
            _ => kept.push((source, lines)),
        }
    }
    by_source.iter_mut().for_each(|(_, facts)| facts.complete());
    let broken = |path: &str| outcome.defects.iter().any(|defect| defect.path == path);
    let sections =
        kept.into_iter().flat_map(|(source, lines)| snapshot::sections(&source.path, lines, broken(&source.path)));
    let sections = sections.collect();
    (Reading { sources: outcome.sources, defects: outcome.defects, facts: by_source }, sections)
}

/// What the user ties to paths: `--cluster`, `--identity`, `--image` and `--default-namespace`, those that
/// snapshots keep among them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) clusters: Vec<Tie>,
    pub(crate) identities: Vec<Tie>,
    pub(crate) images: Vec<Tie>,
    pub(crate) namespaces: Vec<Tie>,
}
