//! `metadata` of an object, or of a pod template.

use alloc::borrow::Cow;
use alloc::format;
#[cfg(feature = "audit")]
use core::cell::Cell;

use crate::json::{Fault, Json, Loose};
use crate::model::{Controller, Pair, Pairs, is_relevant_key};
#[cfg(feature = "audit")]
use crate::model::{DOWNSCALED, IDLED, QUEUED};

/// `metadata`.
#[derive(Default)]
pub(super) struct Metadata<'a> {
    pub(super) name: Option<Cow<'a, str>>,
    pub(super) generate_name: Option<Cow<'a, str>>,
    pub(super) namespace: Option<Cow<'a, str>>,
    pub(super) labels: Pairs,
    pub(super) annotations: Pairs,
    pub(super) controller: Option<Controller>,
    /// Whether it has a `uid`.
    pub(super) live: bool,
    /// Whether it has a `deletionTimestamp`.
    pub(super) deleting: bool,
    /// Which of its labels and annotations are kept.
    #[cfg(feature = "audit")]
    pub(super) kept: Kept,
    /// The labels of pods that do not bear on the chain.
    #[cfg(feature = "audit")]
    pub(super) other_labels: Pairs,
    /// The annotations of pods that do not bear on the chain, with which variables may be filled.
    #[cfg(feature = "audit")]
    pub(super) other_annotations: Pairs,
    /// What wakes it.
    #[cfg(feature = "audit")]
    pub(super) waking: Waking,
}

/// What wakes an object without anybody's doing, as its labels and annotations say.
#[cfg(feature = "audit")]
#[derive(Default)]
pub(super) struct Waking {
    /// A queue, which resumes Jobs.
    pub(super) queued: Cell<bool>,
    /// What scaled it to nothing for a while.
    pub(super) idled: Cell<bool>,
}

/// Which labels and annotations are kept.
#[cfg(feature = "audit")]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Kept {
    /// Those that bear on the chain.
    #[default]
    OfTheChain,
    /// Those that bear on the chain, and the others apart: selectors may name any label of a pod, and variables be
    /// filled with any annotation.
    OfPods,
    /// All of them: selectors may name any of a namespace.
    All,
}

// === impl Metadata ===

impl<'a> Metadata<'a> {
    /// Reads what a template has for its pods.
    pub(super) fn read_of_pods(&mut self, json: &mut dyn Json<'a>) -> Result<(), Fault> {
        #[cfg(feature = "audit")]
        {
            self.kept = Kept::OfPods;
        }
        self.read(json)
    }

    /// Whether it says no namespace. The API server says it of all objects that are in one.
    #[cfg(feature = "audit")]
    pub(super) fn is_unplaced(&self) -> bool {
        !self.live && self.namespace.as_ref().is_none_or(|namespace| namespace.is_empty())
    }

    pub(super) fn read(&mut self, json: &mut dyn Json<'a>) -> Result<(), Fault> {
        #[cfg(feature = "audit")]
        let all = self.kept == Kept::All;
        #[cfg(not(feature = "audit"))]
        let all = false;
        json.object(&mut [
            ("name", &mut |json| json.text().map(|text| self.name = text)),
            ("generateName", &mut |json| json.text().map(|text| self.generate_name = text)),
            ("namespace", &mut |json| json.text().map(|text| self.namespace = text)),
            #[cfg(feature = "audit")]
            ("labels", &mut |json| match self.kept {
                Kept::OfPods => pairs_of_pods(&mut self.labels, &mut self.other_labels, json),
                Kept::OfTheChain => self.waking.read(&mut self.labels, json),
                Kept::All => pairs(&mut self.labels, all, json),
            }),
            #[cfg(feature = "audit")]
            ("annotations", &mut |json| match self.kept {
                Kept::OfTheChain => self.waking.read(&mut self.annotations, json),
                Kept::OfPods => pairs_of_pods(&mut self.annotations, &mut self.other_annotations, json),
                Kept::All => pairs(&mut self.annotations, all, json),
            }),
            #[cfg(not(feature = "audit"))]
            ("labels", &mut |json| pairs(&mut self.labels, all, json)),
            #[cfg(not(feature = "audit"))]
            ("annotations", &mut |json| pairs(&mut self.annotations, all, json)),
            ("ownerReferences", &mut |json| json.elements(&mut |json| owner(&mut self.controller, json))),
            ("uid", &mut |json| json.is_present().map(|present| self.live = present)),
            ("deletionTimestamp", &mut |json| json.is_present().map(|present| self.deleting = present)),
        ])
    }
}

// === impl Waking ===

#[cfg(feature = "audit")]
impl Waking {
    /// Reads labels or annotations: keeps those that bear on the chain, and notes those that say what wakes it.
    fn read(&self, kept: &mut Pairs, json: &mut dyn Json<'_>) -> Result<(), Fault> {
        json.members(&mut |key, json| {
            match key {
                QUEUED => self.queued.set(true),
                IDLED => self.idled.set(true),
                DOWNSCALED => {
                    let replicas = json.loose_if_scalar()?.map(|value| value.text);
                    if replicas.is_some_and(|replicas| !replicas.is_empty() && replicas != "0") {
                        self.idled.set(true);
                    }
                }
                _ if is_relevant_key(key) => return pair(kept, key, json),
                _ => {}
            }
            Ok(())
        })
    }
}

/// Labels or annotations: all, or only keys that bear on the chain.
fn pairs(pairs: &mut Pairs, all: bool, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    json.members(&mut |key, json| {
        if all || is_relevant_key(key) { pair(pairs, key, json) } else { Ok(()) }
    })
}

fn pair(pairs: &mut Pairs, key: &str, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    let Loose { text, is_string } = json.loose()?;
    if pairs.get(key).is_some() {
        return Err(Fault::Said(format!("duplicate key `{key}`")));
    }
    pairs.0.push(Pair { key: key.into(), value: text.into_owned(), is_string });
    Ok(())
}

/// Labels or annotations of pods, those that do not bear on the chain apart. What is no text the API server refuses, and
/// in a template of manifests it stands for one: nobody knows for which.
#[cfg(feature = "audit")]
fn pairs_of_pods(pairs: &mut Pairs, others: &mut Pairs, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    json.members(&mut |key, json| {
        if is_relevant_key(key) {
            return pair(pairs, key, json);
        }
        let text = json.loose_if_scalar()?.filter(|value| value.is_string).map(|value| value.text);
        let value = text.map_or_else(|| "<no text>".into(), Cow::into_owned);
        // Of two the API server takes the last.
        others.0.retain(|other| other.key != key);
        others.0.push(Pair { key: key.into(), value, is_string: true });
        Ok(())
    })
}

/// Keeps the first owner that controls.
fn owner(controller: &mut Option<Controller>, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    let (mut kind, mut name, mut controls) = (None, None, None);
    json.object(&mut [
        ("kind", &mut |json| json.text().map(|text| kind = text)),
        ("name", &mut |json| json.text().map(|text| name = text)),
        ("controller", &mut |json| json.boolean().map(|value| controls = value)),
    ])?;
    let kind = kind.ok_or_else(|| Fault::missing_field("kind"))?;
    let name = name.ok_or_else(|| Fault::missing_field("name"))?;
    if controls == Some(true) && controller.is_none() {
        *controller = Some(Controller { kind: kind.into_owned(), name: name.into_owned() });
    }
    Ok(())
}
