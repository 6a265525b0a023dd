//! A fleet: many sections side by side. Of the same cluster, and of the same part of Azure, the
//! newer counts and the older is left out as a whole: objects of two moments make an estate that
//! never was.

use std::collections::{BTreeMap, BTreeSet};

use super::{Header, Section};
use crate::clock;
use crate::collect::{Feed, Gap, Home, Missing};
use crate::report::is_complete;

/// Seconds by which something complete may be older than something incomplete and still counts before it.
const DAY: u64 = 86_400;
/// Seconds between which the parts of one run begin, where nothing else says that they are of one.
const RUN: u64 = DAY / 2;
/// Names that clusters have unless somebody gives them one, so that they tell none from another.
const EVERYBODYS: [&str; 7] =
    ["in-cluster", "default", "kubernetes-admin@kubernetes", "minikube", "docker-desktop", "kind-kind", "microk8s"];

/// What two sections may both have read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    /// A cluster, by uid.
    Cluster(String),
    /// A cluster whose uid could not be read, by issuer.
    Issuer(String),
    /// A cluster of which the name alone is known.
    Named(String),
    /// A cluster of which nothing is known that would tell it apart, by section.
    Alone(usize, String),
    /// A subscription or tenant: what was read of it at two moments is not put together.
    Azure(String),
    /// Anything else, by its source.
    Source(String),
}

/// How far a section got with a thing, the better the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// Whether it read anything of it.
    read: bool,
    /// Whether it read everything of it.
    complete: bool,
    /// When it was done.
    at: u64,
}

/// Sorts sections, leaves out what is older, and says what is missing. The order they came in does
/// not matter.
pub(crate) fn settle(mut sections: Vec<Section>) -> (Vec<Section>, Vec<Gap>) {
    // Of two that are the same, the one that is all there comes first and stays.
    sections.sort_by_cached_key(|section| {
        let flawed = !is_complete(&section.gaps);
        (section.header.begun, section.digest.to_string(), flawed, section.path.clone())
    });
    let mut gaps: Vec<Gap> = sections.iter().flat_map(|section| section.gaps.iter().cloned()).collect();
    sections.dedup_by(|a, b| a.digest == b.digest && a.header == b.header);
    let flawed: Vec<bool> =
        sections.iter_mut().map(|section| !is_complete(&std::mem::take(&mut section.gaps))).collect();
    gaps.extend(absent(&sections));
    let names = Names::of(&sections);
    gaps.extend(tell_apart(&mut sections, &names));
    for (thing, ranks) in ranks(&sections, &flawed, &names).into_iter().filter(|(_, ranks)| ranks.len() > 1) {
        let Some((best, winner)) = ranks.iter().max().copied() else { continue };
        let first = sections.get(winner).map(|section| section.header.clone()).unwrap_or_default();
        for (rank, loser) in ranks.into_iter().filter(|(_, index)| *index != winner) {
            let Some(section) = sections.get_mut(loser) else { continue };
            if matches!(thing, Thing::Azure(_) | Thing::Source(_)) && are_siblings(&first, &section.header) {
                continue;
            }
            let of_it = |feed: &mut Feed| counts(feed) && names.thing(loser, feed) == thing;
            // What could not be read then may still be of interest; what was read is not.
            let left: Vec<Feed> = section.feeds.extract_if(.., of_it).collect();
            let home = left.first().and_then(|feed| Some(format!("cluster {}", feed.cluster.as_ref()?.name)));
            let path = home.or_else(|| left.first().map(|feed| feed.source.clone())).unwrap_or_default();
            if rank.at > best.at {
                gaps.extend(left.into_iter().flat_map(|feed| feed.gaps));
            }
            if rank.read {
                gaps.push(Gap { path, line: None, reason: left_out(rank, best), extent: Missing::Use });
            }
        }
    }
    gaps.sort();
    gaps.dedup();
    (sections, gaps)
}

/// Who read what, and how far each got.
fn ranks(sections: &[Section], flawed: &[bool], names: &Names) -> BTreeMap<Thing, Vec<(Rank, usize)>> {
    let mut ranks: BTreeMap<Thing, Vec<(Rank, usize)>> = BTreeMap::new();
    for (index, (section, flawed)) in sections.iter().zip(flawed).enumerate() {
        let mut own: BTreeMap<Thing, Rank> = BTreeMap::new();
        for feed in section.feeds.iter().filter(|feed| counts(feed)) {
            let rank = own.entry(names.thing(index, feed)).or_insert(Rank { read: false, complete: !flawed, at: 0 });
            rank.read |= holds(feed);
            rank.complete &= is_complete(&feed.gaps);
            rank.at = feed.at.max(rank.at);
        }
        own.into_iter().for_each(|(thing, rank)| ranks.entry(thing).or_default().push((rank, index)));
    }
    for ranks in ranks.values_mut() {
        let newest = ranks.iter().filter(|(rank, _)| rank.read).map(|(rank, _)| rank.at).max().unwrap_or_default();
        // What is older than that is outdated, however complete.
        ranks.iter_mut().for_each(|(rank, _)| rank.complete &= rank.at.saturating_add(DAY) >= newest);
    }
    ranks
}

fn left_out(left: Rank, best: Rank) -> String {
    let (at, best_at) = (clock::written(left.at), clock::written(best.at));
    let why = match (left.at > best.at, best.complete) {
        (true, _) => ", since later not all of it could be read",
        (false, true) => "",
        (false, false) => ", although not all of it could be read",
    };
    format!(
        "was collected more than once: what was read at {best_at} counts{why}; what was read at {at} is left out as a whole"
    )
}

/// Gives clusters that nothing tells apart names that do, and says so.
fn tell_apart(sections: &mut [Section], names: &Names) -> Vec<Gap> {
    let mut alone: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for (index, section) in sections.iter().enumerate() {
        for feed in &section.feeds {
            if let Thing::Alone(_, name) = names.thing(index, feed) {
                alone.entry(name).or_default().insert(index);
            }
        }
    }
    alone.retain(|name, found| found.len() > 1 || names.named(name).next().is_some());
    for (name, found) in &alone {
        for index in found {
            let Some(section) = sections.get_mut(*index) else { continue };
            let new = format!("{name} ({:.8})", section.digest.to_string());
            let homes = section.feeds.iter_mut().filter_map(|feed| feed.cluster.as_mut());
            for home in homes.filter(|home| home.uid.is_empty() && home.name == *name && issuer(home).is_none()) {
                home.name.clone_from(&new);
            }
        }
    }
    let told = |name: String| {
        Gap {
        path: format!("cluster {name}"),
        line: None,
        reason: "cannot be told from another cluster of that name, since neither its uid nor its issuer could be read: both are kept, and may be one; let it get the namespace kube-system, and name it with --kube-name".into(),
        extent: Missing::Use,
    }
    };
    alone.into_keys().map(told).collect()
}

/// Whether anything was read; gaps alone are about what was not.
const fn holds(feed: &Feed) -> bool {
    !(feed.manifests.is_empty() && feed.resources.is_empty() && feed.proofs.is_empty())
}

/// Whether a feed is part of what another section may have read too.
fn counts(feed: &Feed) -> bool {
    feed.cluster.is_some() || feed.source.starts_with(AZURE) || holds(feed)
}

/// Whether two shards are of one run: what both of them read, such as which subscriptions there
/// are, each needs.
fn are_siblings(one: &Header, other: &Header) -> bool {
    one.shard.zip(other.shard).is_some_and(|(part, another)| part.of == another.of && part.number != another.number)
        && of_one_run((&one.run, one.begun), (&other.run, other.begun))
}

/// Whether two parts are of one run: by its id, or else by when they began.
fn of_one_run(one: (&str, u64), other: (&str, u64)) -> bool {
    one.0 == other.0 && (!one.0.is_empty() || one.1.abs_diff(other.1) <= RUN)
}

/// Shards of which there is no section, run by run: yesterday's does not stand in for today's.
fn absent(sections: &[Section]) -> Vec<Gap> {
    let mut fleets: BTreeMap<u32, Vec<(&Header, BTreeSet<u32>)>> = BTreeMap::new();
    // The newest first, so that the header of a run is its newest.
    for header in sections.iter().rev().map(|section| &section.header) {
        let Some(shard) = header.shard else { continue };
        let runs = fleets.entry(shard.of).or_default();
        let known =
            runs.iter_mut().find(|(newest, _)| of_one_run((&newest.run, newest.begun), (&header.run, header.begun)));
        match known {
            Some((_, numbers)) => _ = numbers.insert(shard.number),
            None => runs.push((header, BTreeSet::from([shard.number]))),
        }
    }
    let mut gaps = Vec::new();
    for (of, runs) in fleets {
        let mut newer: BTreeSet<u32> = BTreeSet::new();
        for (header, numbers) in runs {
            let run = clock::written(header.begun);
            // A header that claims millions of shards is not to be believed to the letter.
            let missing = (1..=of.min(10_000)).filter(|number| !numbers.contains(number) && !newer.contains(number));
            gaps.extend(missing.map(|number| Gap {
                path: format!("shard {number}/{of}"),
                line: None,
                reason: format!(
                    "is not among the snapshots of the run of {run}; run `wiguard collect --shard {number}/{of}` again, or give its snapshot too"
                ),
                extent: Missing::All,
            }));
            newer.extend(numbers);
        }
    }
    gaps
}

/// What is known of clusters that tell their uid.
#[derive(Default)]
struct Names {
    by_name: BTreeMap<String, BTreeSet<String>>,
    by_issuer: BTreeMap<String, BTreeSet<String>>,
}

const AZURE: &str = "azure://";

/// The issuer, if it tells clusters apart: what an API server says unless told otherwise is everybody's.
fn issuer(home: &Home) -> Option<&str> {
    let issuer = home.issuer.as_ref()?.as_str();
    Some(issuer).filter(|issuer| !issuer.is_empty() && !issuer.starts_with("https://kubernetes.default"))
}

impl Names {
    fn of(sections: &[Section]) -> Self {
        let mut names = Self::default();
        let homes = sections.iter().flat_map(|section| &section.feeds).filter_map(|feed| feed.cluster.as_ref());
        for home in homes.filter(|home| !home.uid.is_empty()) {
            names.by_name.entry(home.name.clone()).or_default().insert(home.uid.clone());
            if let Some(issuer) = issuer(home) {
                names.by_issuer.entry(issuer.into()).or_default().insert(home.uid.clone());
            }
        }
        names
    }

    /// The uids of the clusters of a name.
    fn named(&self, name: &str) -> impl Iterator<Item = &String> {
        self.by_name.get(name).into_iter().flatten()
    }

    fn thing(&self, section: usize, feed: &Feed) -> Thing {
        let Some(home) = &feed.cluster else {
            return match feed.source.strip_prefix(AZURE).and_then(|rest| rest.split('/').next()) {
                Some(scope) => Thing::Azure(scope.into()),
                None => Thing::Source(feed.source.clone()),
            };
        };
        if !home.uid.is_empty() {
            return Thing::Cluster(home.uid.clone());
        }
        if let Some(issuer) = issuer(home) {
            let uids = self.by_issuer.get(issuer).into_iter().flatten();
            return only(uids).map_or_else(|| Thing::Issuer(issuer.into()), |uid| Thing::Cluster(uid.clone()));
        }
        if EVERYBODYS.contains(&home.name.as_str()) {
            return Thing::Alone(section, home.name.clone());
        }
        only(self.named(&home.name)).map_or_else(|| Thing::Named(home.name.clone()), |uid| Thing::Cluster(uid.clone()))
    }
}

fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    all.next().filter(|_| all.next().is_none())
}
