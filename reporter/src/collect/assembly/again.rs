//! Objects of Kubernetes that are read more than once. The first reading is believed, and the user is told
//! what a later one says otherwise, or a manifest beside the dump of its cluster would count for nothing
//! without a word.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use wiguard_rules::model::{ClusterIx, Origin, Pairs, ServiceAccount, Shape, Workload};

use super::{Gap, Missing};

/// The objects read so far, and what later readings of them say.
#[derive(Default)]
pub(super) struct Again {
    firsts: BTreeMap<Id, First>,
    contradicted: BTreeMap<u32, Told>,
    doubtful: BTreeMap<u32, Told>,
}

/// Cluster, group, kind, namespace and name.
type Id = (ClusterIx, &'static str, &'static str, String, String);

/// The first reading of an object.
struct First {
    source: u32,
    unplaced: bool,
    /// Its place in the inventory, of what is compared with later readings.
    place: usize,
}

/// What is said of one source: of an object, where it stands and how many more there are.
struct Told {
    line: u32,
    what: String,
    more: usize,
}

/// What a reading is.
pub(super) enum Reading {
    First,
    /// Of the object at this place of the inventory.
    Later(usize),
    /// Of one that may be another: their sources differ, and one of the two states no namespace.
    Doubtful,
}

/// Values, and whether they are text, by key.
type ByKey<'a> = BTreeMap<&'a str, (&'a str, bool)>;

impl Again {
    /// One more reading, of an object that has this place in the inventory if it is the first.
    pub(super) fn read(&mut self, id: Id, origin: Origin, unplaced: bool, place: usize) -> Reading {
        match self.firsts.entry(id) {
            Entry::Vacant(first) => {
                first.insert(First { source: origin.source, unplaced, place });
                Reading::First
            }
            Entry::Occupied(entry) => {
                let ((_, _, kind, namespace, name), first) = (entry.key(), entry.get());
                if first.source == origin.source || !(unplaced || first.unplaced) {
                    return Reading::Later(first.place);
                }
                tell(&mut self.doubtful, origin, || named(kind, namespace, name));
                Reading::Doubtful
            }
        }
    }

    /// A later reading of a workload. Pods come and go, and are as they are made.
    pub(super) fn workload(&mut self, first: &Workload, later: &Workload, paths: &[String]) {
        if later.kind.shape != Shape::Pod && said(first) != said(later) {
            let what = named(later.kind.kind, &later.namespace, &later.name);
            self.contradicts(first.origin, later.origin, &what, paths);
        }
    }

    /// A later reading of a ServiceAccount.
    pub(super) fn account(&mut self, first: &ServiceAccount, later: &ServiceAccount, paths: &[String]) {
        if by_key(&first.annotations) != by_key(&later.annotations) {
            let what = named("ServiceAccount", &later.namespace, &later.name);
            self.contradicts(first.origin, later.origin, &what, paths);
        }
    }

    fn contradicts(&mut self, first: Origin, later: Origin, what: &str, paths: &[String]) {
        let known = paths.get(first.source as usize).map_or("a source", String::as_str);
        tell(&mut self.contradicted, later, || match first.source == later.source {
            true => format!("{what} than on line {} of it, which is believed", first.line),
            false => format!("{what} than {known}, which is believed"),
        });
    }

    /// What the user is told, source by source.
    pub(super) fn gaps(&self, paths: &[String]) -> Vec<Gap> {
        let gap = |source: u32, line, reason| {
            let path = paths.get(source as usize).cloned().unwrap_or_default();
            Gap { path, line, reason, extent: Missing::Use }
        };
        let contradicted = self.contradicted.iter().map(|(source, told)| {
            let Told { line, what, .. } = told;
            let more = told.more(", and of ");
            let reason =
                format!("says otherwise of {what}{more}; leave out the one that is not meant, or scan the two apart");
            gap(*source, Some(u64::from(*line)), reason)
        });
        let doubtful = self.doubtful.iter().map(|(source, told)| {
            let Told { line, what, .. } = told;
            let more = told.more(" and ");
            let reason = format!(
                "holds {what}{more} that another file has by the same kind and name, and one of both states no namespace for them: they are taken for one; say --default-namespace NAMESPACE=PATH of each"
            );
            gap(*source, Some(u64::from(*line)), reason)
        });
        contradicted.chain(doubtful).collect()
    }
}

impl Told {
    fn more(&self, and: &str) -> String {
        if self.more == 0 { String::new() } else { format!("{and}{} more", self.more) }
    }
}

fn tell(told: &mut BTreeMap<u32, Told>, origin: Origin, what: impl FnOnce() -> String) {
    let first = || Told { line: origin.line, what: what(), more: 0 };
    told.entry(origin.source).and_modify(|told| told.more += 1).or_insert_with(first);
}

fn named(kind: &str, namespace: &str, name: &str) -> String {
    if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
}

/// What the chain starts with.
fn said(workload: &Workload) -> (ByKey<'_>, ByKey<'_>, &str) {
    let template = &workload.template;
    (by_key(&template.labels), by_key(&template.annotations), workload.service_account())
}

/// In whatever order they were written.
fn by_key(pairs: &Pairs) -> ByKey<'_> {
    pairs.iter().map(|pair| (pair.key.as_str(), (pair.value.as_str(), pair.is_string))).collect()
}
