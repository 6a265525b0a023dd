//! Collecting: from what was named on the command line to one inventory, with an account of what
//! could not be read and what could not be tied together.

pub mod azure;
mod contradiction;
mod extent;
pub(crate) mod facts;
mod feed;
pub(crate) mod iac;
mod software;
mod tie;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wiguard_rules::inventory::{Inventory, TokenRequester};
use wiguard_rules::manifest::Manifest;
use wiguard_rules::model::{
    Cluster, ClusterIx, FederatedIdentityCredential, Identity, IdentityKind, Origin, Parent, PodBearing,
};

use crate::read::{self, Defect, Limits, Root, Source, SourceSummary, Stdin, Wrapper};
use crate::snapshot::{self, Kept, Section};
use contradiction::{contradict, contradiction, same_trust, two_issuers};
use extent::Lists;
use facts::{Ended, Facts, Read};
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
    };
    let (mut readings, mut moments) = (vec![reading], Vec::new());
    let snapshots = sections.iter().filter(|section| !section.is_empty()).map(|section| section.path.clone()).collect();
    snapshot::take(sections, &mut feeds, &mut readings, &mut ties, &mut moments);
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

/// What the user ties to paths: `--cluster`, `--identity` and `--image`, those that snapshots keep
/// among them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    pub(crate) clusters: Vec<Tie>,
    pub(crate) identities: Vec<Tie>,
    pub(crate) images: Vec<Tie>,
}

/// The work of putting facts together.
struct Assembly<'a> {
    wanted: &'a Wanted,
    said: Said,
    collected: Collected,
    /// Snapshots something of which could be read.
    snapshots: BTreeSet<String>,
    /// Paths of which something could not be read: their lists prove no absence.
    broken: BTreeSet<String>,
    lists: Lists,
}

/// One source's facts, put together.
struct Sourced {
    index: u32,
    source: Arc<Source>,
    facts: Facts,
    /// The cluster that was fed, where one was.
    home: Option<Home>,
    proofs: Vec<Proof>,
}

impl<'a> Assembly<'a> {
    fn new(wanted: &'a Wanted, said: Said) -> Self {
        Self {
            wanted,
            said,
            collected: Collected::default(),
            snapshots: BTreeSet::new(),
            broken: BTreeSet::new(),
            lists: Lists::default(),
        }
    }

    /// Accounts for the files that were read, and gives what they say.
    fn reading(&mut self, reading: Reading) -> Vec<(Arc<Source>, Facts)> {
        for defect in reading.defects {
            // Prose beside manifests is no loss; an unreadable file may be one.
            let harmless = defect.foreign && !defect.message.starts_with("is not text");
            let is = |summary: &SourceSummary| summary.source.path == defect.path && summary.source.found;
            let found = reading.sources.iter().any(is);
            self.broken.insert(defect.path.clone());
            self.collected.gaps.push(Gap {
                path: defect.path,
                line: defect.line,
                reason: defect.message,
                extent: match (harmless && found, defect.partial) {
                    (true, _) => Missing::Nothing,
                    (false, true) => Missing::Part,
                    (false, false) => Missing::All,
                },
            });
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
        let Collected { paths, inventory, .. } = &self.collected;
        let idle = tie::idle(&self.said, paths, &inventory.identities);
        self.collected.gaps.extend(idle);
        self.kubernetes(sources, &ties);
        let Collected { inventory, gaps, .. } = &mut self.collected;
        extent::settle(&self.lists, inventory, gaps, self.wanted.assume_complete);
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
        let mut foreign = Vec::new();
        for Sourced { source, facts, .. } in sources.iter_mut() {
            foreign.extend(
                std::mem::take(&mut facts.foreign).into_iter().map(|(line, reason)| (Arc::clone(source), line, reason)),
            );
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
        for gap in &mut self.collected.gaps {
            if gap.extent == Missing::Part && !used.contains(gap.path.as_str()) && !self.snapshots.contains(&gap.path) {
                gap.extent = Missing::All;
            }
        }
        for (source, line, reason) in foreign {
            let extent = match (used.contains(source.path.as_str()), source.found) {
                (true, _) => Missing::Part,
                (false, true) => Missing::Nothing,
                (false, false) => Missing::All,
            };
            self.broken.insert(source.path.clone());
            self.collected.gaps.push(Gap { path: source.path.clone(), line: Some(line.into()), reason, extent });
        }
        // Where there is nothing else, a folder of prose is not what the user meant to name.
        if used.is_empty() && sources.iter().all(|it| it.facts.lists.is_empty()) {
            for gap in &mut self.collected.gaps {
                gap.extent = if gap.extent == Missing::Nothing { Missing::All } else { gap.extent };
            }
        }
    }

    /// Clusters, identities and credentials.
    fn azure(&mut self, sources: &mut [Sourced]) {
        let inventory = &mut self.collected.inventory;
        inventory.clusters.extend(self.wanted.declared.iter().cloned());
        let mut seen_identities: BTreeMap<String, usize> = BTreeMap::new();
        let mut seen_credentials: BTreeMap<String, usize> = BTreeMap::new();
        let mut loose = Vec::new();
        for Sourced { index, source, facts, .. } in sources.iter_mut() {
            let whole = |list: Option<u32>| -> Option<&Ended> {
                let ended = facts.lists.iter().find(|ended| Some(ended.id) == list)?;
                (ended.whole && !self.broken.contains(&source.path)).then_some(ended)
            };
            let mut kept = Vec::new();
            for (line, list, resource) in std::mem::take(&mut facts.resources) {
                let origin = Origin { source: *index, line };
                match resource {
                    Resource::Cluster(cluster) => {
                        let cluster = Cluster { origin, ..*cluster };
                        match inventory.clusters.iter_mut().find(|known| same_cluster(known, &cluster)) {
                            Some(known) => {
                                if two_issuers(known, &cluster) {
                                    let what = format!("the issuer of cluster `{}`", cluster.name);
                                    self.collected.gaps.push(contradiction(&source.path, line, &what));
                                }
                                merge_cluster(known, &cluster);
                            }
                            None => inventory.clusters.push(cluster.clone()),
                        }
                        kept.push((line, list, Resource::Cluster(Box::new(cluster))));
                    }
                    Resource::Discovery(issuer) => kept.push((line, list, Resource::Discovery(issuer))),
                    Resource::Role(role) => inventory.role_assignments.push(role),
                    Resource::Binding(binding) => {
                        self.lists.identity_binding(binding.cluster(), whole(list).is_some());
                        inventory.identity_bindings.push(binding);
                    }
                    Resource::Identity(identity) => {
                        self.lists.identity(identity.kind, whole(list));
                        let key = identity_key(&identity);
                        match seen_identities.entry(key) {
                            std::collections::btree_map::Entry::Vacant(slot) => {
                                slot.insert(inventory.identities.len());
                                inventory.identities.push(Identity { origin, ..identity });
                            }
                            std::collections::btree_map::Entry::Occupied(slot) => {
                                if let Some(known) = inventory.identities.get(*slot.get())
                                    && contradict(known, &identity)
                                {
                                    self.collected.gaps.push(contradiction(
                                        &source.path,
                                        line,
                                        &format!("identity `{}`", identity.name),
                                    ));
                                }
                            }
                        }
                    }
                    Resource::Credential(mut credential) => {
                        credential.origin = origin;
                        let context =
                            facts.lists.iter().find(|ended| Some(ended.id) == list).map(|ended| ended.context.as_str());
                        if let (Parent::Unknown, Some(parent)) =
                            (&credential.parent, context.and_then(parent_of_context))
                        {
                            credential.parent = Parent::Id(parent);
                        }
                        let complete = whole(list).is_some();
                        loose.push((source.clone(), complete, credential));
                    }
                }
            }
            facts.resources = kept;
        }
        // What is inherited is in the list of every subscription.
        let roles = &mut inventory.role_assignments;
        roles.sort_by_cached_key(|role| role.id.to_ascii_lowercase());
        roles.dedup_by(|one, other| !one.id.is_empty() && one.id.eq_ignore_ascii_case(&other.id));
        let bindings = &mut inventory.identity_bindings;
        bindings.sort_by_cached_key(|binding| binding.id.to_ascii_lowercase());
        bindings.dedup_by(|one, other| !one.id.is_empty() && one.id.eq_ignore_ascii_case(&other.id));
        self.credentials(loose, &mut seen_credentials, sources);
    }

    /// Ties credentials to their identities, and notes whose are all there.
    fn credentials(
        &mut self,
        loose: Vec<(Arc<Source>, bool, FederatedIdentityCredential)>,
        seen: &mut BTreeMap<String, usize>,
        sources: &[Sourced],
    ) {
        let inventory = &mut self.collected.inventory;
        let (mut complete, mut contradicted): (BTreeSet<usize>, BTreeSet<usize>) = Default::default();
        let mut untied: BTreeMap<String, usize> = BTreeMap::new();
        let owners = tie::Owners::of(&inventory.identities);
        for (source, whole, mut credential) in loose {
            if credential.parent == Parent::Unknown {
                match tie::identity_of_path(&source.path, &self.said.identities, &inventory.identities) {
                    Some(identity) => credential.parent = Parent::Id(tie::reference(identity)),
                    None => *untied.entry(source.path.clone()).or_default() += 1,
                }
            }
            let owner = owners.owner(&credential.parent);
            if let (true, Some(owner)) = (whole, owner) {
                complete.insert(owner);
            }
            let key =
                format!("{:?}\u{0}{}\u{0}{}", credential.parent, credential.id, credential.name).to_ascii_lowercase();
            match seen.get(&key).and_then(|index| inventory.credentials.get(*index)) {
                None => {
                    seen.insert(key, inventory.credentials.len());
                    inventory.credentials.push(credential);
                }
                Some(known) if !same_trust(known, &credential) => {
                    // Which of the two is true nobody can tell, so that not all of them are known.
                    contradicted.extend(owner);
                    let what = format!("credential `{}`", credential.name);
                    self.collected.gaps.push(contradiction(&source.path, credential.origin.line, &what));
                }
                Some(_) => {}
            }
        }
        for (path, count) in untied {
            self.collected.gaps.push(Gap {
                path,
                line: None,
                reason: format!(
                    "{} no identity; name the file after the identity, or say --identity NAME=PATH",
                    if count == 1 {
                        "1 federated credential names".into()
                    } else {
                        format!("{count} federated credentials name")
                    }
                ),
                extent: Missing::Use,
            });
        }
        // An empty list names nobody: only the name of its file can.
        for Sourced { source, facts, .. } in sources {
            let empty = |ended: &Ended| ended.elements == 0 && ended.whole && ended.wrapper != Wrapper::Items;
            for ended in facts.lists.iter().filter(|ended| empty(ended)) {
                let named = parent_of_context(&ended.context)
                    .and_then(|parent| owners.owner(&Parent::Id(parent)))
                    .or_else(|| {
                        let identity =
                            tie::identity_of_path(&source.path, &self.said.identities, &inventory.identities)?;
                        inventory.identities.iter().position(|known| std::ptr::eq(known, identity))
                    });
                match named {
                    Some(owner) => {
                        complete.insert(owner);
                    }
                    None => self.collected.gaps.push(Gap {
                        path: source.path.clone(),
                        line: Some(ended.line.into()),
                        reason: "this list is empty and does not say what of; a file named after an identity is taken as its credentials, or say --identity NAME=PATH".into(),
                        extent: Missing::Use,
                    }),
                }
            }
        }
        for proof in sources.iter().flat_map(|it| &it.proofs) {
            if let Proof::Credentials { identity } = proof {
                complete.extend(owners.owner(&Parent::Id(identity.clone())));
            }
        }
        let any = !inventory.credentials.is_empty();
        for (index, identity) in inventory.identities.iter_mut().enumerate() {
            let listed = complete.contains(&index) || (self.wanted.assume_complete && any);
            identity.credentials_complete = listed && !contradicted.contains(&index);
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
        for (source, resource) in resources() {
            if let Resource::Discovery(issuer) = resource {
                ties.discovered(&source.path, source.root, issuer);
            }
        }
        let mut tied = BTreeMap::new();
        for Sourced { index, source, facts, home, .. } in sources {
            if let Some(home) = home {
                let cluster = ties.home(home);
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

    /// The objects of Kubernetes, each once.
    fn kubernetes(&mut self, sources: Vec<Sourced>, ties: &BTreeMap<u32, ClusterIx>) {
        let mut seen: BTreeSet<(ClusterIx, &'static str, String, String)> = BTreeSet::new();
        for Sourced { index, source, facts, home, proofs } in sources {
            let tied = ties.get(&index).copied();
            self.lists.prove(tied, proofs);
            let Some(cluster) = tied else { continue };
            if home.is_some() {
                self.lists.home(cluster);
            }
            let sound = !self.broken.contains(&source.path);
            for read in facts.manifests {
                let origin = Origin { source: index, line: read.line };
                let whole = sound && facts.lists.iter().any(|ended| Some(ended.id) == read.list && ended.whole);
                let list = read.list.filter(|_| whole).map(|list| (index, list));
                let inventory = &mut self.collected.inventory;
                let mut first = |kind, namespace: &str, name: &str| {
                    seen.insert((cluster, kind, namespace.to_string(), name.to_string()))
                };
                match read.manifest {
                    Manifest::Workload(mut workload) => {
                        workload.cluster = cluster;
                        workload.origin = origin;
                        self.lists.workload(cluster, list, &workload, read.live);
                        if workload.name.is_empty() || first(workload.kind.kind, &workload.namespace, &workload.name) {
                            inventory.workloads.push(workload);
                        }
                    }
                    Manifest::ServiceAccount(mut account) => {
                        account.cluster = cluster;
                        account.origin = origin;
                        self.lists.account(cluster, list, &account.namespace, &account.name, read.live);
                        if first("ServiceAccount", &account.namespace, &account.name) {
                            inventory.service_accounts.push(account);
                        }
                    }
                    Manifest::Namespace(mut namespace) => {
                        namespace.cluster = cluster;
                        namespace.origin = origin;
                        self.lists.namespace(cluster, list);
                        if first("Namespace", "", &namespace.name) {
                            inventory.namespaces.push(namespace);
                        }
                    }
                    Manifest::Secret(mut secret) => {
                        secret.cluster = cluster;
                        self.lists.secret(cluster, list, &secret.namespace);
                        if first("Secret", &secret.namespace, &secret.name) {
                            inventory.secrets.push(secret);
                        }
                    }
                    Manifest::SecretProviderClass(mut class) => {
                        class.cluster = cluster;
                        self.lists.provider_class(cluster, list);
                        if first("SecretProviderClass", &class.namespace, &class.name) {
                            inventory.customs.extend(class.judged(origin));
                            inventory.provider_classes.push(class);
                        }
                    }
                    Manifest::Custom(mut custom) => {
                        custom.cluster = cluster;
                        custom.origin = origin;
                        if custom.kind.group == "external-secrets.io" {
                            self.lists.token_requesters(cluster);
                        }
                        if first(custom.kind.kind, &custom.namespace, &custom.name) {
                            inventory.token_requesters.extend(TokenRequester::of(&custom));
                            inventory.customs.push(custom);
                        }
                    }
                    Manifest::Role(mut role) => {
                        role.cluster = cluster;
                        self.lists.access(cluster, list, role.kind(), &role.namespace, &role.name, read.live);
                        if first(role.kind(), &role.namespace, &role.name) {
                            inventory.roles.push(role);
                        }
                    }
                    Manifest::RoleBinding(mut binding) => {
                        binding.cluster = cluster;
                        binding.origin = origin;
                        let (kind, namespace, name) = (binding.kind(), &binding.namespace, &binding.name);
                        self.lists.access(cluster, list, kind, namespace, name, read.live);
                        if first(kind, namespace, name) {
                            inventory.role_bindings.push(binding);
                        }
                    }
                    Manifest::Registration(mut registration) => {
                        registration.cluster = cluster;
                        registration.origin = origin;
                        self.lists.registration(cluster, list, &registration);
                        let is_new = first("MutatingWebhookConfiguration", "", &registration.name);
                        if is_new && !registration.webhooks.is_empty() {
                            inventory.registrations.push(registration);
                        }
                    }
                    Manifest::List(_) | Manifest::Other { .. } => {}
                }
            }
        }
    }
}

/// The application that Graph's `@odata.context` names: `…#applications('ID')/federatedIdentityCredentials`.
fn parent_of_context(context: &str) -> Option<String> {
    let (_, rest) = context.split_once("applications('").or_else(|| context.split_once("applications(appId='"))?;
    rest.split_once("')").map(|(id, _)| id.to_string())
}

fn identity_key(identity: &Identity) -> String {
    let kind = match identity.kind {
        IdentityKind::UserAssigned => "m",
        IdentityKind::Application => "a",
    };
    let id = if identity.id.is_empty() { &identity.client_id.0 } else { &identity.id };
    format!("{kind}{}", id.to_ascii_lowercase())
}

fn same_cluster(known: &Cluster, read: &Cluster) -> bool {
    if known.id.is_empty() || read.id.is_empty() {
        known.name == read.name
    } else {
        known.id.eq_ignore_ascii_case(&read.id)
    }
}

/// Adds what a second description says to the first.
fn merge_cluster(known: &mut Cluster, read: &Cluster) {
    let declared = known.clone();
    *known = Cluster {
        issuer: declared.issuer.or_else(|| read.issuer.clone()),
        other_issuers: declared.other_issuers,
        oidc_issuer_enabled: read.oidc_issuer_enabled.or(declared.oidc_issuer_enabled),
        workload_identity_enabled: read.workload_identity_enabled.or(declared.workload_identity_enabled),
        ..read.clone()
    };
}
