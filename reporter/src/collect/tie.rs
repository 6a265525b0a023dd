//! Ties: which cluster a dump belongs to, and which identity a list of credentials. By the user's
//! word, by folder, by issuer; never by guess.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

use super::azure::signing::{self, Signing};
use super::{Gap, Home, Missing, Said};
use wiguard_rules::model::{Cluster, ClusterIx, Identity, Issuer, Parent};

/// `NAME=PATH` as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tie {
    /// The name.
    pub name: String,
    /// The file or folder.
    pub path: PathBuf,
}

/// The clusters that folders are tied to.
pub(super) struct Ties<'a> {
    said: &'a [Tie],
    clusters: &'a mut Vec<Cluster>,
    /// The clusters described right in a folder.
    described: BTreeMap<(usize, PathBuf), Vec<ClusterIx>>,
    /// Those described in a file.
    in_file: BTreeMap<(usize, PathBuf), Vec<ClusterIx>>,
    /// What the key set is called of which a discovery document in a folder tells, by the cluster's issuer.
    key_sets: BTreeMap<(usize, PathBuf), Vec<(String, Issuer)>>,
    /// For objects of no known cluster: one nameless cluster for each root.
    nameless: BTreeMap<usize, ClusterIx>,
    /// The clusters that were read themselves, by uid or name.
    homes: BTreeMap<(String, String), ClusterIx>,
    /// Those of which a discovery document told.
    discovered: BTreeSet<usize>,
}

const UNDESCRIBED: &str = "its objects belong to no cluster that was described; put the output of `az aks show` or `az connectedk8s show` beside them, or say --cluster NAME=PATH";
/// Of a discovery document of a cluster that has one already, with another issuer.
const ANOTHER: &str = "names another issuer than the discovery document of the cluster that is described beside it; give each cluster a folder of its own, or leave out the one that is not meant";
/// Of a discovery document whose issuer is no cluster's.
const KEYLESS: &str = "its issuer is that of no cluster that was described; put the output of `az aks show` or `az connectedk8s show` beside it";
/// Of keys that may be another service's.
const UNPROVEN: &str = "its keys do not say whose they are; put the output of `kubectl get --raw /.well-known/openid-configuration` beside them and call their file as its `jwks_uri` ends, or say --cluster NAME=FILE";
const AMBIGUOUS: &str = "its objects could belong to any of the clusters described in its folder; give each cluster a folder of its own, or say --cluster NAME=PATH";

impl Tie {
    /// Reads `NAME=PATH`.
    ///
    /// # Errors
    /// If there is no `=`, or nothing before or after it.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !path.is_empty() => {
                Ok(Self { name: name.into(), path: clean(Path::new(path)) })
            }
            _ => Err("expected NAME=PATH".into()),
        }
    }

    /// What is said of a file: of its longest path, and of two alike the last.
    pub(super) fn of<'t>(path: &str, said: &'t [Self]) -> Option<&'t Self> {
        let path = clean(Path::new(path));
        said.iter().filter(|tie| tie.covers(&path)).max_by_key(|tie| tie.path.components().count())
    }

    fn covers(&self, path: &Path) -> bool {
        path.starts_with(&self.path)
    }
}

impl<'a> Ties<'a> {
    pub(super) fn new(said: &'a [Tie], clusters: &'a mut Vec<Cluster>) -> Self {
        Self {
            said,
            clusters,
            described: BTreeMap::new(),
            in_file: BTreeMap::new(),
            key_sets: BTreeMap::new(),
            nameless: BTreeMap::new(),
            homes: BTreeMap::new(),
            discovered: BTreeSet::new(),
        }
    }

    /// Notes that the file at `path` describes a cluster.
    pub(super) fn described(&mut self, path: &str, root: usize, cluster: &Cluster) {
        if let Some(index) = self.clusters.iter().position(|known| super::same_cluster(known, cluster)) {
            self.note(path, root, index);
        }
    }

    /// Notes that the file at `path` is the discovery document of a cluster: of the one that has
    /// this issuer, else of the only one that is described beside it, else of one that nothing else
    /// describes.
    ///
    /// # Errors
    /// If another one has told of the cluster beside it.
    pub(super) fn discovered(&mut self, path: &str, root: usize, issuer: &Issuer) -> Result<(), &'static str> {
        let known = self.of_issuer(issuer).map(|it| it.0 as usize);
        let beside = || match self.described.get(&(scope(root), folder(path))).map(Vec::as_slice) {
            Some([one]) => Some(one.0 as usize),
            _ => None,
        };
        let found = known.or_else(beside);
        if let Some(index) = found {
            let is_first = self.discovered.insert(index);
            if known.is_none() && !is_first {
                return Err(ANOTHER);
            }
            self.own_issuer(index, issuer);
        }
        let index = found.unwrap_or_else(|| {
            let path = clean(Path::new(path));
            let folder = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
            let added = self.add(Cluster {
                name: folder.unwrap_or_else(|| issuer.host().into()),
                issuer: Some(issuer.clone()),
                ..Cluster::default()
            });
            self.own_issuer(added, issuer);
            added
        });
        self.note(path, root, index);
        Ok(())
    }

    /// Notes what the file at `path` says of a cluster's keys: of the one that has its issuer. A key set names
    /// none: it is of the cluster that the user ties its file to, that is described in that file, or in that
    /// folder if it is called [`signing::BY_NAME`], or whose discovery document lies beside it and calls it so.
    ///
    /// # Errors
    /// If it is of none of these: why not, and what to do.
    pub(super) fn signed(&mut self, path: &str, root: usize, signing: &Signing) -> Result<(), &'static str> {
        let here = (scope(root), folder(path));
        if let Some(issuer) = &signing.issuer {
            self.key_sets.entry(here).or_default().push((signing.key_set.clone(), issuer.clone()));
            let index = self.of_issuer(issuer).ok_or(KEYLESS)?;
            self.signs(index, signing);
            return Ok(());
        }
        let file = clean(Path::new(path));
        let said = || {
            let tie = self.said.iter().find(|tie| tie.path == file)?;
            self.clusters.iter().position(|cluster| cluster.name == tie.name).map(ix)
        };
        let alone = |all: Option<&Vec<ClusterIx>>| match all.map(Vec::as_slice) {
            Some([one]) => Some(*one),
            _ => None,
        };
        let beside = || alone(self.described.get(&here)).filter(|_| signing.key_set == signing::BY_NAME);
        let called = || match self.key_sets.get(&here).map(Vec::as_slice) {
            Some([(name, issuer)]) if *name == signing.key_set => self.of_issuer(issuer),
            _ => None,
        };
        let written = || alone(self.in_file.get(&(scope(root), file.clone())));
        let whose = said().or_else(written).or_else(beside).or_else(called);
        let index = whose.ok_or(UNPROVEN)?;
        self.signs(index, signing);
        Ok(())
    }

    pub(super) fn of_issuer(&self, issuer: &Issuer) -> Option<ClusterIx> {
        self.clusters.iter().position(|cluster| cluster.issuers().any(|its| its == issuer)).map(ix)
    }

    /// Notes by which algorithms a cluster signs.
    pub(super) fn signs(&mut self, cluster: ClusterIx, signing: &Signing) {
        if let Some(cluster) = self.clusters.get_mut(cluster.0 as usize) {
            cluster.signing.extend(signing.algorithms.iter().cloned());
            cluster.signing.sort();
            cluster.signing.dedup();
        }
    }

    /// The cluster that was read itself: the one that Azure or the user describes with its issuer,
    /// else the one of its name.
    pub(super) fn home(&mut self, home: &Home) -> ClusterIx {
        // Without a uid, two of one name are the same only if they do not name two issuers.
        let issuer = || home.issuer.as_ref().map_or_else(String::new, Issuer::to_string);
        let key = if home.uid.is_empty() { (issuer(), home.name.clone()) } else { (home.uid.clone(), String::new()) };
        if let Some(&known) = self.homes.get(&key) {
            return known;
        }
        let taken: Vec<ClusterIx> = self.homes.values().copied().collect();
        let free = |index: &usize| !taken.contains(&ix(*index));
        let issuer =
            |cluster: &Cluster| home.issuer.is_some() && cluster.issuers().any(|it| Some(it) == home.issuer.as_ref());
        let by_issuer =
            (0..self.clusters.len()).filter(free).find(|index| self.clusters.get(*index).is_some_and(issuer));
        let by_name = || {
            (0..self.clusters.len())
                .filter(free)
                .find(|index| self.clusters.get(*index).is_some_and(|it| it.name == home.name))
        };
        let index = by_issuer.or_else(by_name).unwrap_or_else(|| {
            self.add(Cluster { name: home.name.clone(), issuer: home.issuer.clone(), ..Cluster::default() })
        });
        self.homes.insert(key, ix(index));
        if let Some(own) = &home.issuer {
            self.own_issuer(index, own);
        }
        ix(index)
    }

    /// Notes what a cluster's API server says of itself. Its own word counts: that is what its
    /// tokens carry.
    fn own_issuer(&mut self, index: usize, own: &Issuer) {
        let Some(cluster) = self.clusters.get_mut(index) else { return };
        if !cluster.issuers().any(|known| known == own) {
            cluster.profile_issuer = cluster.issuer.replace(own.clone());
        }
        // What is served is on, whatever nobody said of it.
        if own.is_ones_own() || own.is_azure_kubernetes() {
            cluster.oidc_issuer_enabled.get_or_insert(true);
        }
    }

    /// The cluster of the objects in the file at `path`, and if it is one without a name, why.
    pub(super) fn cluster_of(&mut self, path: &str, root: usize) -> (ClusterIx, Option<&'static str>) {
        if let Some(tie) = Tie::of(path, self.said) {
            let known = self.clusters.iter().position(|cluster| cluster.name == tie.name);
            let index = known.unwrap_or_else(|| self.add(Cluster { name: tie.name.clone(), ..Cluster::default() }));
            return (ix(index), None);
        }
        let path = clean(Path::new(path));
        let mut why = UNDESCRIBED;
        for folder in path.ancestors().skip(1) {
            let name = folder.file_name().map(|name| name.to_string_lossy());
            let mut named =
                self.clusters.iter().enumerate().filter(|(_, cluster)| Some(cluster.name.as_str()) == name.as_deref());
            if let (Some((index, _)), None) = (named.next(), named.next()) {
                return (ix(index), None);
            }
            match self.described.get(&(scope(root), folder.to_path_buf())).map(Vec::as_slice) {
                Some([one]) => return (*one, None),
                Some(_) => {
                    why = AMBIGUOUS;
                    break;
                }
                None => {}
            }
        }
        if let Some(&nameless) = self.nameless.get(&root) {
            return (nameless, Some(why));
        }
        let nameless = ix(self.add(Cluster::default()));
        self.nameless.insert(root, nameless);
        (nameless, Some(why))
    }

    fn note(&mut self, path: &str, root: usize, index: usize) {
        let folder = self.described.entry((scope(root), folder(path))).or_default();
        let file = self.in_file.entry((scope(root), clean(Path::new(path)))).or_default();
        for described in [folder, file] {
            if !described.contains(&ix(index)) {
                described.push(ix(index));
            }
        }
    }

    fn add(&mut self, cluster: Cluster) -> usize {
        self.clusters.push(cluster);
        self.clusters.len() - 1
    }
}

/// The bits of a root that say which snapshot it is of; files that are named themselves are of none.
pub(crate) const SCOPE: u32 = 16;

/// What ties by folder stay within: folders of two snapshots may have the same name.
const fn scope(root: usize) -> usize {
    root >> SCOPE
}

/// Ties that the user asked for and that tie nothing: a misspelt path or name.
pub(super) fn idle(said: &Said, paths: &[String], identities: &[Identity]) -> Vec<Gap> {
    let gap =
        |tie: &Tie, reason| Gap { path: tie.path.display().to_string(), line: None, reason, extent: Missing::All };
    let mut gaps = Vec::new();
    let ties = [
        ("--cluster", &said.clusters),
        ("--identity", &said.identities),
        ("--image", &said.images),
        ("--default-namespace", &said.namespaces),
    ];
    let ties = ties.into_iter().flat_map(|(flag, ties)| ties.iter().map(move |tie| (flag, tie)));
    // What is said of every file names no path.
    for (flag, tie) in ties.filter(|(_, tie)| !tie.path.as_os_str().is_empty()) {
        if !paths.iter().any(|path| tie.covers(&clean(Path::new(path)))) {
            gaps.push(gap(
                tie,
                format!(
                    "{flag} {}= names this path, and nothing was read there; write it as it is given to scan",
                    tie.name
                ),
            ));
        }
    }
    for tie in said.identities.iter().filter(|tie| only(identities, &tie.name).is_none()) {
        gaps.push(gap(tie, format!("--identity names `{}`, which is no identity, or more than one, of those read; give its client id and the output of `az identity list`", tie.name)));
    }
    gaps
}

/// The images that the user ties to a path.
pub(super) fn images_of_path<'t>(path: &str, said: &'t [Tie]) -> impl Iterator<Item = &'t str> {
    let path = clean(Path::new(path));
    said.iter().filter(move |tie| tie.covers(&path)).map(|tie| tie.name.as_str())
}

/// The identity that the user ties to a path, or that its file is named after.
pub(super) fn identity_of_path<'i>(path: &str, said: &[Tie], identities: &'i [Identity]) -> Option<&'i Identity> {
    match Tie::of(path, said) {
        Some(tie) => only(identities, &tie.name),
        None => only(identities, signing::called(&clean(Path::new(path)).file_name()?.to_string_lossy())),
    }
}

/// What identifies an identity among all.
pub(super) fn reference(identity: &Identity) -> String {
    if identity.id.is_empty() { identity.client_id.0.clone() } else { identity.id.clone() }
}

/// Identities by what credentials call them.
pub(super) struct Owners(HashMap<String, usize>);

impl Owners {
    pub(super) fn of(identities: &[Identity]) -> Self {
        let mut owners = HashMap::new();
        for (index, identity) in identities.iter().enumerate() {
            for name in [&identity.id, &identity.client_id.0] {
                owners.entry(name.to_ascii_lowercase()).or_insert(index);
            }
        }
        Self(owners)
    }

    /// The index of the identity that a credential names.
    pub(super) fn owner(&self, parent: &Parent) -> Option<usize> {
        let wanted = match parent {
            Parent::Resource(id) | Parent::Id(id) => id,
            Parent::Client(client_id) => &client_id.0,
            Parent::Unknown => return None,
        };
        self.0.get(&wanted.to_ascii_lowercase()).copied()
    }
}

fn only<'i>(identities: &'i [Identity], name: &str) -> Option<&'i Identity> {
    let is = |identity: &&Identity| {
        [&identity.name, &identity.id, &identity.client_id.0, &identity.principal_id]
            .iter()
            .any(|own| own.eq_ignore_ascii_case(name))
    };
    let mut named = identities.iter().filter(is);
    named.next().filter(|_| !name.is_empty() && named.next().is_none())
}

fn ix(index: usize) -> ClusterIx {
    ClusterIx(u32::try_from(index).unwrap_or(u32::MAX))
}

/// The folder that a path lies in.
fn folder(path: &str) -> PathBuf {
    clean(Path::new(path)).parent().unwrap_or(Path::new("")).to_path_buf()
}

/// A path without `.` components, so that `./a` and `a` are one.
pub(super) fn clean(path: &Path) -> PathBuf {
    path.components().filter(|component| *component != Component::CurDir).collect()
}
