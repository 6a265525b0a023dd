//! Sections: what one run of `collect` wrote, from its header to its last line. A file may hold
//! many, one after the other. One that is not all there is used, and proves no absence.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Batch, Digest, End, Files, Header, Kept, Line};
use crate::collect::{Feed, Gap, Missing, Reading, SCOPE, Said, Tie, facts::Facts};
use crate::read::{Source, SourceSummary};

/// What one run wrote.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    /// The file it stands in.
    pub(crate) path: String,
    pub(crate) header: Header,
    pub(crate) feeds: Vec<Feed>,
    /// Who read what.
    pub(crate) readers: Vec<String>,
    /// What files said.
    pub(crate) reading: Reading,
    /// What its lines add up to, by which the same section is known again.
    pub(crate) digest: Digest,
    /// What is wrong with it.
    pub(crate) gaps: Vec<Gap>,
}

/// A section that is being read.
struct Open {
    section: Section,
    files: Files,
    /// Where the files named last begin among all: what comes next is of those.
    first: usize,
    batches: Vec<Batch>,
    lines: u64,
    begun: bool,
    maimed: bool,
}

/// The sections of a file. Whether the file itself is `broken` was said already.
pub(crate) fn sections(path: &str, lines: Vec<Kept>, broken: bool) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut open = Open::new(path);
    for kept in lines {
        match kept.line {
            Ok(Some(Line::Header(header))) => {
                if open.lines > 0 {
                    sections.push(std::mem::replace(&mut open, Open::new(path)).close(None, broken));
                }
                open.begun = true;
                open.section.header = *header;
            }
            Ok(Some(Line::End(end))) => {
                open.maimed |= kept.maimed;
                open.section.readers.clone_from(&end.readers);
                sections.push(std::mem::replace(&mut open, Open::new(path)).close(Some(&end), broken));
                continue;
            }
            Ok(Some(Line::Feed(feed))) => open.section.feeds.push(*feed),
            Ok(Some(Line::Batch(batch))) => open.batch(*batch),
            Ok(Some(Line::Files(files))) => {
                open.first = open.files.sources.len();
                open.files.sources.extend(files.sources);
                open.files.defects.extend(files.defects);
            }
            Ok(None) => open.maimed = true,
            Err(why) => open.flaw(why, Missing::Part),
        }
        open.maimed |= kept.maimed;
        open.lines += 1;
        open.section.digest.add(kept.hash);
    }
    if open.lines > 0 {
        sections.push(open.close(None, broken));
    }
    sections
}

impl Open {
    fn new(path: &str) -> Self {
        let section = Section {
            path: path.into(),
            header: Header::default(),
            feeds: Vec::new(),
            readers: Vec::new(),
            reading: Reading::default(),
            digest: Digest::default(),
            gaps: Vec::new(),
        };
        Self { section, files: Files::default(), first: 0, batches: Vec::new(), lines: 0, begun: false, maimed: false }
    }

    fn batch(&mut self, mut batch: Batch) {
        let first = u32::try_from(self.first).unwrap_or(u32::MAX);
        batch.file = batch.file.saturating_add(first);
        self.batches.push(batch);
    }

    fn flaw(&mut self, reason: String, extent: Missing) {
        let path = self.section.path.clone();
        self.section.gaps.push(Gap { path, line: None, reason, extent });
    }

    fn close(mut self, end: Option<&End>, broken: bool) -> Section {
        let whole = end
            .is_some_and(|end| self.begun && end.lines == self.lines && end.digest == self.section.digest.to_string());
        let explained = broken || !self.section.gaps.is_empty();
        if !whole && !explained {
            let why = match end {
                None => {
                    "is a snapshot that ends early: its last line is missing; copy it again, or collect anew. What it holds is used, and proves nothing absent"
                }
                Some(_) => {
                    "is a snapshot of which lines are missing or were changed; copy it again, or collect anew. What it holds is used, and proves nothing absent"
                }
            };
            self.flaw(why.into(), Missing::Part);
        } else if self.maimed && !explained {
            let program = &self.section.header.program;
            let why = format!(
                "is a snapshot that holds what this wiguard does not know; read it with the version that wrote it, `{program}`, or a later one. The rest is used, and proves nothing absent"
            );
            self.flaw(why, Missing::Part);
        }
        if !whole || self.maimed {
            self.section.feeds.iter_mut().for_each(|feed| feed.proofs.clear());
            self.batches.iter_mut().flat_map(|batch| &mut batch.facts.lists).for_each(|list| list.whole = false);
        }
        self.section.reading = reading(self.files, self.batches);
        self.section
    }
}

impl Section {
    /// Whether nothing could be read of it.
    pub(crate) fn is_empty(&self) -> bool {
        self.feeds.is_empty() && self.reading.sources.is_empty()
    }

    /// Drops what went while it was read: another section of the same source may rightly have it.
    fn forget(&mut self) {
        for index in 0..self.feeds.len() {
            let (before, rest) = self.feeds.split_at_mut(index);
            let Some(Feed { source, cluster, gone, .. }) = rest.first_mut() else { continue };
            if gone.is_empty() {
                continue;
            }
            let gone = std::mem::take(gone);
            let gone: BTreeSet<(&str, &str)> =
                gone.iter().map(|it| (it.namespace.as_str(), it.name.as_str())).collect();
            for feed in before.iter_mut().filter(|feed| feed.source == *source && feed.cluster == *cluster) {
                feed.manifests.retain(|manifest| {
                    manifest.id().is_none_or(|(_, namespace, name)| !gone.contains(&(namespace, name)))
                });
            }
        }
    }
}

/// The files of a section, as if they had been read here.
fn reading(files: Files, batches: Vec<Batch>) -> Reading {
    let summary = |file: super::File| SourceSummary {
        source: Arc::new(Source { root: file.root, path: file.path, found: file.found }),
        pieces: file.pieces,
        lists: file.lists,
    };
    let mut sources: Vec<SourceSummary> = files.sources.into_iter().map(summary).collect();
    let mut facts: Vec<(Arc<Source>, Facts)> = Vec::new();
    for Batch { file, facts: batch } in batches {
        let index = file as usize;
        // The line that names the files may be lost.
        while sources.len() <= index.min(u16::MAX.into()) {
            let path = format!("file {}", sources.len() + 1);
            sources.push(SourceSummary { source: Source { root: 0, path, found: false }.into(), pieces: 1, lists: 0 });
        }
        let Some(SourceSummary { source, .. }) = sources.get(index) else { continue };
        match facts.last_mut() {
            Some((last, facts)) if Arc::ptr_eq(last, source) => facts.append(batch),
            _ => facts.push((Arc::clone(source), batch)),
        }
    }
    Reading { sources, defects: files.defects, facts }
}

/// Takes sections apart for the join: feeds, files, ties, and the moment of each snapshot.
pub(crate) fn take(
    sections: Vec<Section>,
    feeds: &mut Vec<Feed>,
    readings: &mut Vec<Reading>,
    said: &mut Said,
    moments: &mut Vec<(String, u64)>,
) {
    let with_files = sections.iter().filter(|section| !section.reading.sources.is_empty()).count();
    // Two estates may name their files alike: then each path begins with the snapshot it is of.
    let alone =
        with_files == 1 && readings.iter().all(|reading| reading.facts.iter().all(|(_, facts)| facts.is_empty()));
    for (scope, mut section) in (1..).zip(sections) {
        let prefix = if alone { String::new() } else { format!("{:.8}/", section.digest.to_string()) };
        section.forget();
        feeds.append(&mut section.feeds);
        section.reading.rename(&prefix, scope);
        readings.push(section.reading);
        let tie = |(name, path): (String, String)| Tie { name, path: PathBuf::from(format!("{prefix}{path}")) };
        said.clusters.extend(section.header.clusters.into_iter().map(tie));
        said.identities.extend(section.header.identities.into_iter().map(tie));
        said.images.extend(section.header.images.into_iter().map(tie));
        match moments.iter_mut().find(|(path, _)| *path == section.path) {
            Some((_, at)) => *at = section.header.begun.min(*at),
            None => moments.push((section.path, section.header.begun)),
        }
    }
}

impl Reading {
    /// Puts a prefix before each path, and a scope around the roots.
    fn rename(&mut self, prefix: &str, scope: usize) {
        let renamed = |source: &Source| {
            let root = (scope << SCOPE) | (source.root & ((1 << SCOPE) - 1));
            Arc::new(Source { root, path: format!("{prefix}{}", source.path), found: source.found })
        };
        let mut facts = std::mem::take(&mut self.facts);
        for summary in &mut self.sources {
            let new = renamed(&summary.source);
            for (source, _) in facts.iter_mut().filter(|(source, _)| Arc::ptr_eq(source, &summary.source)) {
                *source = Arc::clone(&new);
            }
            summary.source = new;
        }
        self.facts = facts;
        self.defects.iter_mut().for_each(|defect| defect.path.insert_str(0, prefix));
    }
}
