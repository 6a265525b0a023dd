//! Asking again: lists are taken at different moments, so that one may lack what an object of another
//! points to. Before such an absence counts, what is missing is asked for by name; and if it is not
//! there, so is whoever points to it, which may be gone as well.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use wiguard_rules::manifest::Manifest;

use super::ends::Ends;
use super::kinds::{Kind, Which};
use super::reading::{Ended, Reading};
use super::seen::Name;
use crate::collect::{Feed, Gone};

/// Objects of a kind that are asked for one by one; where there are more, the kind is listed again.
const MANY: usize = 100;
/// What is found may point to something else that is missing.
const ROUNDS: usize = 3;

impl Reading {
    /// Settles what lists lack that were read to their end; the kinds of which it cannot be settled.
    pub(super) async fn recheck(&self, ends: &Ends) -> BTreeSet<Which> {
        let (mut withheld, mut settled) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..ROUNDS {
            let missing = || self.seen(|seen| seen.missing(ends));
            let mut targets: BTreeSet<Name> = missing().into_keys().collect();
            targets.retain(|target| !settled.contains(target));
            if targets.is_empty() {
                break;
            }
            self.task.say("what changed meanwhile");
            withheld.extend(self.look_for(&targets).await);
            let mut pointing: BTreeMap<Name, BTreeSet<Which>> = BTreeMap::new();
            for (target, from) in missing().into_iter().filter(|(target, _)| targets.contains(target)) {
                from.into_iter().for_each(|name| {
                    pointing.entry(name).or_default().insert(target.0);
                });
            }
            withheld.extend(self.look_again(&pointing).await);
            settled.append(&mut targets);
        }
        for kind in withheld.iter().filter_map(|kind| self.of(*kind)) {
            let reason =
                "the cluster changed while it was read, and what is missing could not be asked for; read again";
            self.gap(&self.source(&kind), reason.into()).await;
        }
        withheld
    }

    /// Looks for objects that no list had. The kinds of which one could not be asked for.
    async fn look_for(&self, targets: &BTreeSet<Name>) -> BTreeSet<Which> {
        let mut unsettled = BTreeSet::new();
        for (kind, names) in self.by_kind(targets.iter()) {
            if names.len() > MANY {
                if !matches!(self.list(&kind, self.namespace.as_deref()).await, Ended::Wholly) {
                    unsettled.insert(kind.which());
                }
                continue;
            }
            for (_, found) in self.each(&kind, &names).await {
                match found {
                    Some(found) => self.keep(&kind, found.into_iter().collect(), 1).await,
                    None => {
                        unsettled.insert(kind.which());
                    }
                }
            }
        }
        unsettled
    }

    /// Looks again at objects that point to nothing: what they are now counts, if they still are.
    /// The kinds that they point to, where that could not be told.
    async fn look_again(&self, pointing: &BTreeMap<Name, BTreeSet<Which>>) -> BTreeSet<Which> {
        let mut unsettled = BTreeSet::new();
        let unknown = |name: &Name| pointing.get(name).into_iter().flatten().copied();
        for (kind, names) in self.by_kind(pointing.keys()) {
            if names.len() > MANY {
                self.take_back(&kind, &names).await;
                if !matches!(self.list(&kind, self.namespace.as_deref()).await, Ended::Wholly) {
                    unsettled.insert(kind.which());
                    unsettled.extend(names.iter().flat_map(|name| unknown(name)));
                }
                continue;
            }
            for (name, found) in self.each(&kind, &names).await {
                match found {
                    Some(found) => {
                        self.take_back(&kind, &[name]).await;
                        self.keep(&kind, found.into_iter().collect(), 0).await;
                    }
                    None => unsettled.extend(unknown(name)),
                }
            }
        }
        unsettled
    }

    /// Asks for objects by name. Nothing, where one could not be asked for.
    async fn each<'n>(&self, kind: &Kind, names: &[&'n Name]) -> Vec<(&'n Name, Option<Option<Manifest>>)> {
        let ask = |name: &'n Name| async move {
            let namespace = if kind.namespaced { name.1.as_str() } else { "" };
            (name, self.object(kind, namespace, &name.2).await.ok())
        };
        join_all(names.iter().map(|name| ask(name))).await
    }

    /// What was said of objects does not count any more.
    pub(super) async fn take_back(&self, kind: &Kind, names: &[&Name]) {
        self.seen(|seen| names.iter().for_each(|name| seen.forget(name)));
        let gone = names.iter().map(|(_, namespace, name)| Gone { namespace: namespace.clone(), name: name.clone() });
        self.feed(Feed { gone: gone.collect(), ..self.empty(kind) }).await;
    }

    fn by_kind<'n>(&self, names: impl Iterator<Item = &'n Name>) -> Vec<(Kind, Vec<&'n Name>)> {
        let mut kinds: BTreeMap<Which, Vec<&Name>> = BTreeMap::new();
        for name in names {
            kinds.entry(name.0).or_default().push(name);
        }
        kinds.into_iter().filter_map(|(kind, names)| Some((self.of(kind)?, names))).collect()
    }
}
