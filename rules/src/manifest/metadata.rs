//! `metadata` of an object, or of a pod template.

use alloc::borrow::Cow;
use alloc::format;

use crate::json::{Fault, Json, Loose};
use crate::model::{Controller, Pair, Pairs, is_relevant_key};
use crate::spelling::is_nearly_ours;

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
    /// Whether all its labels and annotations are kept, and not only those that bear on the chain.
    #[cfg(feature = "audit")]
    pub(super) keeps_all: bool,
}

// === impl Metadata ===

impl<'a> Metadata<'a> {
    /// Whether it says no namespace. The API server says it of all objects that are in one.
    #[cfg(feature = "audit")]
    pub(super) fn is_unplaced(&self) -> bool {
        !self.live && self.namespace.as_ref().is_none_or(|namespace| namespace.is_empty())
    }

    pub(super) fn read(&mut self, json: &mut dyn Json<'a>) -> Result<(), Fault> {
        #[cfg(feature = "audit")]
        let all = self.keeps_all;
        #[cfg(not(feature = "audit"))]
        let all = false;
        json.object(&mut [
            ("name", &mut |json| json.text().map(|text| self.name = text)),
            ("generateName", &mut |json| json.text().map(|text| self.generate_name = text)),
            ("namespace", &mut |json| json.text().map(|text| self.namespace = text)),
            ("labels", &mut |json| pairs(&mut self.labels, all, json)),
            ("annotations", &mut |json| pairs(&mut self.annotations, all, json)),
            ("ownerReferences", &mut |json| json.elements(&mut |json| owner(&mut self.controller, json))),
            ("uid", &mut |json| json.is_present().map(|present| self.live = present)),
            ("deletionTimestamp", &mut |json| json.is_present().map(|present| self.deleting = present)),
        ])
    }
}

/// Labels or annotations: all, or only keys that bear on the chain.
fn pairs(pairs: &mut Pairs, all: bool, json: &mut dyn Json<'_>) -> Result<(), Fault> {
    json.members(&mut |key, json| {
        if !all && !is_relevant_key(key) && !is_nearly_ours(key) {
            return Ok(());
        }
        let Loose { text, is_string } = json.loose()?;
        if pairs.get(key).is_some() {
            return Err(Fault::Said(format!("duplicate key `{key}`")));
        }
        pairs.0.push(Pair { key: key.into(), value: text.into_owned(), is_string });
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
