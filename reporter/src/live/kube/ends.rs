//! Ends: the kinds that were read to their end, and where.

use std::collections::{BTreeMap, BTreeSet};

use super::kinds::Kind;
use crate::collect::Proof;

/// What was read to its end.
#[derive(Debug, Default)]
pub(super) struct Ends(BTreeMap<&'static str, Within>);

#[derive(Debug)]
enum Within {
    Cluster,
    Namespaces(BTreeSet<String>),
}

impl Ends {
    /// Notes a kind that was read to its end, in a namespace or in the cluster.
    ///
    /// A declared kind may be called like one whose absence counts; its own never does.
    pub(super) fn add(&mut self, kind: &Kind, namespace: Option<&str>) {
        if kind.is_declared() {
            return;
        }
        // Of namespaces themselves, one may have been asked for.
        let namespace = namespace.filter(|_| kind.namespaced || kind.kind == "Namespace");
        let within = match namespace {
            None => self.0.entry(kind.kind).or_insert(Within::Cluster),
            Some(_) => self.0.entry(kind.kind).or_insert_with(|| Within::Namespaces(BTreeSet::new())),
        };
        match (within, namespace) {
            (Within::Namespaces(all), Some(namespace)) => {
                all.insert(namespace.into());
            }
            (within @ Within::Namespaces(_), None) => *within = Within::Cluster,
            (Within::Cluster, _) => {}
        }
    }

    /// Whether the objects of a kind in a namespace are all known; of namespaces, whether that one is.
    pub(super) fn cover(&self, kind: &str, namespace: &str) -> bool {
        match self.0.get(kind) {
            None => false,
            Some(Within::Cluster) => true,
            Some(Within::Namespaces(all)) => all.contains(namespace),
        }
    }

    /// What is proven of a kind.
    pub(super) fn proofs(&self, kind: &Kind) -> Vec<Proof> {
        let name = || kind.kind.to_string();
        match self.0.get(kind.kind) {
            None => Vec::new(),
            Some(Within::Cluster) => vec![Proof::Kind { kind: name(), namespace: None }],
            Some(Within::Namespaces(all)) => {
                let proof = |it: &String| match kind.namespaced {
                    true => Proof::Kind { kind: name(), namespace: Some(it.clone()) },
                    false => Proof::Asked { kind: name(), namespace: it.clone(), name: it.clone() },
                };
                all.iter().map(proof).collect()
            }
        }
    }
}
