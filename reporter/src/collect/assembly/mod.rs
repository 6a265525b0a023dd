//! Assembly: the facts of every source put together, one step after the other, each of which needs
//! what those before it found: sources accounted for, Azure, ties, Kubernetes, what lists prove.

mod again;
mod azure;
mod kubernetes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wiguard_rules::model::ClusterIx;

use super::extent::{self, Lists};
use super::facts::{Facts, Read};
use super::{
    Collected, Feed, Gap, Home, Missing, Proof, Reading, Resource, Said, Wanted, iac, mentioned, software, tie,
};
use crate::read::{Defect, Source};
use crate::snapshot::{self, Section};
pub(super) use azure::same_cluster;

/// Puts together what was read.
pub(crate) fn join(
    wanted: &Wanted,
    reading: Reading,
    sections: Vec<Section>,
    gaps: Vec<Gap>,
    mut feeds: Vec<Feed>,
) -> Collected {
    let mut ties = Said {
        clusters: wanted.clusters.clone(),
        identities: wanted.identities.clone(),
        images: wanted.images.clone(),
        namespaces: wanted.namespaces.clone(),
    };
    let (mut readings, mut moments) = (vec![reading], Vec::new());
    let snapshots = sections.iter().filter(|section| !section.is_empty()).map(|section| section.path.clone()).collect();
    snapshot::take(sections, &mut feeds, &mut readings, &mut ties, &mut moments);
    readings.iter_mut().for_each(|reading| reading.place(&wanted.namespaces));
    let mut assembly = Assembly::new(wanted, ties);
    assembly.collected.gaps = gaps;
    assembly.snapshots = snapshots;
    for (path, at) in moments {
        let index = assembly.index(&path);
        assembly.collected.moments.insert(index, at);
    }
    let by_source = readings.into_iter().flat_map(|reading| assembly.reading(reading)).collect();
    assembly.finish(by_source, feeds)
}

/// The work of putting facts together.
struct Assembly<'a> {
    wanted: &'a Wanted,
    said: Said,
    collected: Collected,
    /// Snapshots something of which could be read.
    snapshots: BTreeSet<String>,
    /// What is of another kind altogether, until it is known what else its source holds.
    foreign: Vec<Foreign>,
    /// Paths of which something could not be read: their lists prove no absence.
    broken: BTreeSet<String>,
    /// Resource ids, in lower case, of identities that no list has and whose credentials were all read.
    whole: BTreeSet<String>,
    lists: Lists,
}

/// Something of another kind than what is read here.
struct Foreign {
    path: String,
    /// Whether it was found in a folder.
    found: bool,
    line: Option<u64>,
    reason: String,
}

/// One source's facts, put together.
pub(super) struct Sourced {
    pub(super) index: u32,
    pub(super) source: Arc<Source>,
    pub(super) facts: Facts,
    /// The cluster that was fed, where one was.
    pub(super) home: Option<Home>,
    pub(super) proofs: Vec<Proof>,
}

impl<'a> Assembly<'a> {
    fn new(wanted: &'a Wanted, said: Said) -> Self {
        Self {
            wanted,
            said,
            collected: Collected::default(),
            snapshots: BTreeSet::new(),
            foreign: Vec::new(),
            broken: BTreeSet::new(),
            whole: BTreeSet::new(),
            lists: Lists::default(),
        }
    }

    /// Accounts for the files that were read, and gives what they say.
    fn reading(&mut self, reading: Reading) -> Vec<(Arc<Source>, Facts)> {
        let sources = reading.sources.iter().map(|summary| &summary.source);
        let in_folders: BTreeSet<&str> = sources.filter(|it| it.found).map(|it| it.path.as_str()).collect();
        for Defect { path, line, message: reason, partial, foreign } in reading.defects {
            self.broken.insert(path.clone());
            if foreign {
                let found = in_folders.contains(path.as_str());
                self.foreign.push(Foreign { path, found, line, reason });
                continue;
            }
            let extent = if partial { Missing::Part } else { Missing::All };
            self.collected.gaps.push(Gap { path, line, reason, extent });
        }
        for summary in reading.sources {
            let Source { path, found, .. } = &*summary.source;
            if summary.pieces + summary.lists > 0 {
                self.collected.sources.push((path.clone(), summary.pieces));
            } else if !self.broken.contains(path) {
                self.collected.gaps.push(Gap {
                    path: path.clone(),
                    line: None,
                    reason: "holds no object; if it is the output of a command, run it again".into(),
                    extent: if *found { Missing::Nothing } else { Missing::All },
                });
            }
        }
        reading.facts
    }

    fn finish(mut self, by_source: Vec<(Arc<Source>, Facts)>, feeds: Vec<Feed>) -> Collected {
        let mut sources = Vec::new();
        for (source, facts) in by_source {
            let index = self.index(&source.path);
            sources.push(Sourced { index, source, facts, home: None, proofs: Vec::new() });
        }
        self.feed(feeds, &mut sources);
        self.account(&mut sources);
        self.azure(&mut sources);
        let declared = iac::take(&mut sources, &mut self.collected.inventory);
        self.collected.inventory.software = software::take(&mut sources, &self.said.images);
        let ties = self.tie(&sources);
        let Collected { paths, inventory, gaps, .. } = &self.collected;
        let mut idle = tie::idle(&self.said, paths, &inventory.identities);
        // Of a source that is missing it is said already why nothing was read there.
        let is_missing = |path: &str| gaps.iter().any(|gap| gap.path == path && gap.extent == Missing::All);
        idle.retain(|gap| !is_missing(&gap.path));
        self.collected.gaps.extend(idle);
        self.kubernetes(sources, &ties);
        let Collected { inventory, gaps, .. } = &mut self.collected;
        extent::settle(&self.lists, inventory, gaps, self.wanted.assume_complete);
        mentioned::add(inventory, &self.whole, self.wanted.assume_complete);
        iac::add(declared, inventory, self.wanted.assume_complete);
        self.collected.gaps.sort();
        self.collected.gaps.dedup();
        self.collected
    }

    fn index(&mut self, path: &str) -> u32 {
        self.collected.paths.push(path.into());
        u32::try_from(self.collected.paths.len() - 1).unwrap_or(u32::MAX)
    }

    /// Adds what was fed, by source.
    fn feed(&mut self, mut feeds: Vec<Feed>, sources: &mut Vec<Sourced>) {
        // They come as their servers answer, which is never twice the same.
        feeds.sort_by(|one, other| (&one.source, &one.cluster).cmp(&(&other.source, &other.cluster)));
        let fed = sources.len();
        let mut places: BTreeMap<(String, Option<Home>), usize> = BTreeMap::new();
        for feed in feeds {
            self.collected.gaps.extend(feed.gaps);
            let place = *places.entry((feed.source.clone(), feed.cluster.clone())).or_insert_with(|| {
                let index = self.index(&feed.source);
                self.collected.moments.insert(index, feed.at);
                self.collected.sources.push((feed.source.clone(), 0));
                let source = Source { root: usize::MAX, path: feed.source, found: false };
                let facts = Facts::default();
                sources.push(Sourced { index, source: source.into(), facts, home: feed.cluster, proofs: Vec::new() });
                sources.len() - 1
            });
            let Some(Sourced { index, source, facts, proofs, .. }) = sources.get_mut(place) else { continue };
            if let Some((_, read)) = self.collected.sources.iter_mut().rfind(|(path, _)| *path == source.path) {
                *read += feed.read;
            }
            if let Some(at) = self.collected.moments.get_mut(index) {
                *at = feed.at.min(*at);
            }
            if !feed.gone.is_empty() {
                let gone: BTreeSet<(&str, &str)> =
                    feed.gone.iter().map(|it| (it.namespace.as_str(), it.name.as_str())).collect();
                facts.manifests.retain(|read| {
                    read.manifest.id().is_none_or(|(_, namespace, name)| !gone.contains(&(namespace, name)))
                });
            }
            facts.manifests.extend(feed.manifests.into_iter().map(Read::fed));
            facts.resources.extend(feed.resources.into_iter().map(|resource| (0, None, resource)));
            proofs.extend(feed.proofs);
        }
        for Sourced { facts, .. } in sources.iter_mut().skip(fed) {
            facts.resources.sort_by_cached_key(|(_, _, resource)| resource.key());
        }
    }

    /// What of the sources is unreadable or of no use.
    fn account(&mut self, sources: &mut [Sourced]) {
        for Sourced { source, facts, .. } in sources.iter_mut() {
            for (line, reason) in std::mem::take(&mut facts.foreign) {
                let line = Some(line.into());
                self.foreign.push(Foreign { path: source.path.clone(), found: source.found, line, reason });
            }
            for (line, reason) in facts.lists.iter().filter_map(|list| Some((list.line, list.lack()?))) {
                let line = Some(line.into());
                self.collected.gaps.push(Gap { path: source.path.clone(), line, reason, extent: Missing::Use });
            }
            for (line, reason) in std::mem::take(&mut facts.defects) {
                self.broken.insert(source.path.clone());
                self.collected.gaps.push(Gap {
                    path: source.path.clone(),
                    line: Some(line.into()),
                    reason,
                    extent: Missing::Part,
                });
            }
        }
        // A source nothing of which could be read is missing as a whole.
        let used: BTreeSet<&str> = sources
            .iter()
            .filter(|it| {
                it.home.is_some()
                    || !it.facts.manifests.is_empty()
                    || !it.facts.resources.is_empty()
                    || !it.facts.declared.is_empty()
                    || !it.facts.software.is_empty()
                    || it.facts.ignored
            })
            .map(|it| it.source.path.as_str())
            .collect();
        let is_used = |path: &str| used.contains(path) || self.snapshots.contains(path);
        for gap in &mut self.collected.gaps {
            if gap.extent == Missing::Part && !is_used(&gap.path) {
                gap.extent = Missing::All;
            }
        }
        // Prose and pictures beside manifests are no loss; something strange among manifests may be one.
        for Foreign { path, found, line, reason } in std::mem::take(&mut self.foreign) {
            let extent = match (is_used(&path), found) {
                (true, _) => Missing::Part,
                (false, true) => Missing::Nothing,
                (false, false) => Missing::All,
            };
            self.broken.insert(path.clone());
            self.collected.gaps.push(Gap { path, line, reason, extent });
        }
        // Where there is nothing else, a folder of prose is not what the user meant to name.
        if used.is_empty() && sources.iter().all(|it| it.facts.lists.is_empty()) {
            for gap in &mut self.collected.gaps {
                gap.extent = if gap.extent == Missing::Nothing { Missing::All } else { gap.extent };
            }
        }
    }

    /// Which cluster each source of Kubernetes objects belongs to.
    fn tie(&mut self, sources: &[Sourced]) -> BTreeMap<u32, ClusterIx> {
        let mut ties = tie::Ties::new(&self.said.clusters, &mut self.collected.inventory.clusters);
        let files = || sources.iter().filter(|it| it.source.root != usize::MAX);
        let resources = || files().flat_map(|it| it.facts.resources.iter().map(|(_, _, found)| (&*it.source, found)));
        for (source, resource) in resources() {
            if let Resource::Cluster(cluster) = resource {
                ties.described(&source.path, source.root, cluster);
            }
        }
        let mut said_to_no_use = |source: &Source, why: &str| {
            let (path, reason) = (source.path.clone(), why.into());
            self.collected.gaps.push(Gap { path, line: None, reason, extent: Missing::Use });
        };
        let discoveries = resources().filter_map(|(source, resource)| match resource {
            Resource::Discovery(issuer) => Some((source, issuer)),
            _ => None,
        });
        // Those whose cluster is known by its issuer go before those that merely lie beside one.
        let (known, others): (Vec<_>, Vec<_>) = discoveries.partition(|(_, issuer)| ties.of_issuer(issuer).is_some());
        for (source, issuer) in known.into_iter().chain(others) {
            if let Err(why) = ties.discovered(&source.path, source.root, issuer) {
                said_to_no_use(source, why);
            }
        }
        // What discovery documents say goes before the key sets that they name.
        for discovered in [true, false] {
            for (source, resource) in resources() {
                let Resource::Signing(signing) = resource else { continue };
                if signing.issuer.is_some() == discovered
                    && let Err(why) = ties.signed(&source.path, source.root, signing)
                {
                    said_to_no_use(source, why);
                }
            }
        }
        let mut tied = BTreeMap::new();
        for Sourced { index, source, facts, home, .. } in sources {
            if let Some(home) = home {
                let cluster = ties.home(home);
                for (_, _, resource) in &facts.resources {
                    if let Resource::Signing(signing) = resource {
                        ties.signs(cluster, signing);
                    }
                }
                self.collected.homes.entry(home.name.clone()).or_insert(cluster);
                tied.insert(*index, cluster);
                continue;
            }
            if facts.manifests.is_empty() {
                continue;
            }
            let (cluster, untied) = ties.cluster_of(&source.path, source.root);
            tied.insert(*index, cluster);
            if let Some(why) = untied {
                self.collected.gaps.push(Gap {
                    path: source.path.clone(),
                    line: None,
                    reason: why.into(),
                    extent: Missing::Use,
                });
            }
        }
        tied
    }
}
