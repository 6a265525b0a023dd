//! A fleet: many sections side by side. Of the same cluster, and of the same part of Azure, the
//! newer counts and the older is left out as a whole: objects of two moments make an estate that
//! never was.

use std::collections::{BTreeMap, BTreeSet};

use super::{Part, Section};
use crate::clock;
use crate::collect::{Feed, Gap, Missing};

/// What two sections may both have read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    /// A cluster, by uid, else by name.
    Cluster(String, String),
    /// Anything else, by its source.
    Source(String),
}

/// How far a section got with a thing: whether it read anything of it, and when it was done.
type Rank = (bool, u64);

/// Sorts sections, leaves out what is older, and says what is missing. The order they came in does
/// not matter.
pub(crate) fn settle(mut sections: Vec<Section>) -> (Vec<Section>, Vec<Gap>) {
    let mut gaps: Vec<Gap> = sections.iter_mut().flat_map(|section| std::mem::take(&mut section.gaps)).collect();
    sections.sort_by_cached_key(|section| (section.header.begun, section.digest.to_string(), section.path.clone()));
    sections.dedup_by(|a, b| a.digest == b.digest && a.header == b.header);
    gaps.extend(absent(&sections));
    let names = Names::of(&sections);
    let mut ranks: BTreeMap<Thing, Vec<(Rank, usize)>> = BTreeMap::new();
    for (index, section) in sections.iter().enumerate() {
        let mut own: BTreeMap<Thing, Rank> = BTreeMap::new();
        for feed in section.feeds.iter().filter(|feed| feed.cluster.is_some() || holds(feed)) {
            let (read, at) = own.entry(names.thing(feed)).or_default();
            *read |= holds(feed);
            *at = feed.at.max(*at);
        }
        own.into_iter().for_each(|(thing, rank)| ranks.entry(thing).or_default().push((rank, index)));
    }
    for (thing, ranks) in ranks.into_iter().filter(|(_, ranks)| ranks.len() > 1) {
        let Some(((_, newest), winner)) = ranks.iter().max().copied() else { continue };
        let first = sections.get(winner).and_then(|section| section.header.shard);
        for ((read, at), loser) in ranks.into_iter().filter(|(_, index)| *index != winner) {
            let Some(section) = sections.get_mut(loser) else { continue };
            if matches!(thing, Thing::Source(_)) && are_siblings(first, section.header.shard) {
                continue;
            }
            let older = |feed: &mut Feed| (feed.cluster.is_some() || holds(feed)) && names.thing(feed) == thing;
            // What could not be read then may still be of interest; what was read is not.
            let left: Vec<Feed> = section.feeds.extract_if(.., older).collect();
            let home = left.first().and_then(|feed| Some(format!("cluster {}", feed.cluster.as_ref()?.name)));
            let path = home.or_else(|| left.first().map(|feed| feed.source.clone())).unwrap_or_default();
            if at > newest {
                gaps.extend(left.into_iter().flat_map(|feed| feed.gaps));
            }
            if read {
                gaps.push(Gap { path, line: None, reason: left_out(at, newest), extent: Missing::Use });
            }
        }
    }
    gaps.sort();
    gaps.dedup();
    (sections, gaps)
}

fn left_out(at: u64, newest: u64) -> String {
    let (at, newest) = (clock::written(at), clock::written(newest));
    format!(
        "was collected more than once: what was read at {newest} counts, what was read at {at} is left out as a whole"
    )
}

/// Whether anything was read; gaps alone are about what was not.
const fn holds(feed: &Feed) -> bool {
    !(feed.manifests.is_empty() && feed.resources.is_empty() && feed.proofs.is_empty())
}

/// Whether two shards are of one fleet: what both of them read, such as which subscriptions there
/// are, each needs.
fn are_siblings(one: Option<Part>, other: Option<Part>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one.of == other.of && one.number != other.number)
}

/// Shards of which there is no section.
fn absent(sections: &[Section]) -> Vec<Gap> {
    let mut fleets: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for shard in sections.iter().filter_map(|section| section.header.shard) {
        fleets.entry(shard.of).or_default().insert(shard.number);
    }
    let gap = |number: u32, of: u32| Gap {
        path: format!("shard {number}/{of}"),
        line: None,
        reason: format!(
            "is not among the snapshots; run `wiguard collect --shard {number}/{of}` again, or give its snapshot too"
        ),
        extent: Missing::All,
    };
    // A header that claims millions of shards is not to be believed to the letter.
    let numbers = |of: u32| 1..=of.min(10_000);
    let missing = |(of, there): (u32, BTreeSet<u32>)| {
        numbers(of).filter(move |number| !there.contains(number)).map(move |number| gap(number, of)).collect::<Vec<_>>()
    };
    fleets.into_iter().flat_map(missing).collect()
}

/// The uids that clusters go by: one that could not be reached tells its name alone.
struct Names(BTreeMap<String, BTreeSet<String>>);

impl Names {
    fn of(sections: &[Section]) -> Self {
        let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let homes = sections.iter().flat_map(|section| &section.feeds).filter_map(|feed| feed.cluster.as_ref());
        for home in homes.filter(|home| !home.uid.is_empty()) {
            names.entry(home.name.clone()).or_default().insert(home.uid.clone());
        }
        Self(names)
    }

    fn thing(&self, feed: &Feed) -> Thing {
        let Some(home) = &feed.cluster else { return Thing::Source(feed.source.clone()) };
        let mut uids = self.0.get(&home.name).into_iter().flatten();
        let uid = match (uids.next(), uids.next()) {
            (Some(only), None) if home.uid.is_empty() => only.clone(),
            _ => home.uid.clone(),
        };
        let name = if uid.is_empty() { home.name.clone() } else { String::new() };
        Thing::Cluster(uid, name)
    }
}
