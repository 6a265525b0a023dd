//! A case: an inventory written down with what the rules say of it. The examples of the manual
//! pages, the corners and the healthy estates are kept this way, so that the rules can be tested
//! with nothing but this crate.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::catalogue::CATALOGUE;
use crate::finding::Finding;
use crate::inventory::{Coverage, Inventory};
use crate::judge::audit;
use crate::model::ClusterIx;
use crate::parameters::Parameters;
use crate::trust::{Trust, Unknown};

/// An inventory, and what is said of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// Where it comes from: `AWI101 Fails[0]`, `AWI204 corners/tenant-id-malformed/word.yaml`,
    /// `healthy/keda-add-on.yaml`.
    pub about: String,
    /// Every finding of every rule, and of the rule that the case is about also a number that
    /// stands for its words, and where it could not decide.
    pub judged: Vec<String>,
    /// What the rule that the case is about says if nothing but the objects themselves is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignorant: Vec<String>,
    /// The clusters of the objects, in the order of [`Inventory::clusters_of_objects`], unless
    /// all are of the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    clusters: Vec<ClusterIx>,
    inventory: Inventory,
}

// === impl Case ===

impl Case {
    /// Writes down an inventory, and what the rules say of it now.
    pub fn of(about: &str, mut inventory: Inventory) -> Self {
        let mut clusters: Vec<ClusterIx> = inventory.clusters_of_objects().map(|cluster| *cluster).collect();
        if clusters.iter().all(|cluster| *cluster == ClusterIx::default()) {
            clusters.clear();
        }
        let mut case = Self { about: about.into(), judged: Vec::new(), ignorant: Vec::new(), clusters, inventory };
        (case.judged, case.ignorant) = case.judge();
        case
    }

    /// The inventory, as it was before it was written down; of origins, only what rules ask for.
    pub fn inventory(&self) -> Inventory {
        let mut inventory = self.inventory.clone();
        inventory.clusters_of_objects().zip(&self.clusters).for_each(|(cluster, kept)| *cluster = *kept);
        inventory
    }

    /// What the rules say now: [`Self::judged`] and [`Self::ignorant`].
    pub fn judge(&self) -> (Vec<String>, Vec<String>) {
        let mut inventory = self.inventory();
        let rule = self.rule();
        let judged = self::judged(&inventory, rule, true);
        inventory.coverage = Coverage::default();
        inventory.declared.whole = false;
        inventory.identities.iter_mut().for_each(|identity| identity.credentials_complete = false);
        (judged, self::judged(&inventory, rule, false))
    }

    /// The id of the rule it is about; a healthy estate is about none.
    pub fn rule(&self) -> &str {
        let first = self.about.split(' ').next().unwrap_or_default();
        CATALOGUE.iter().find(|entry| entry.id == first).map_or("", |entry| entry.id)
    }
}

/// What the rules say, line by line: `rule` whatever it is, the others only what they find, if wanted.
fn judged(inventory: &Inventory, rule: &str, others: bool) -> Vec<String> {
    let parameters = Parameters::default();
    let trust = Trust::join(inventory, &parameters);
    let mut lines = Vec::new();
    for object in inventory.objects() {
        audit(object, &trust, CATALOGUE.iter(), |judgement| {
            let id = judgement.rule.id;
            let said = match judgement.outcome {
                Ok(finding) if id == rule => format!("{} #{:08x}", found(&finding), words(&finding)),
                Ok(finding) if others => found(&finding),
                Err(Unknown(key)) if id == rule => format!("unknown: {key}"),
                _ => return,
            };
            lines.push(format!("{id} {}/{}: {said}", object.kind(), object.name(&trust)));
        });
    }
    lines
}

fn found(finding: &Finding) -> String {
    format!("{} {}", finding.severity.as_str(), finding.field).trim_end().to_string()
}

/// Message, evidence, fix, the link that is named and what it should be, in one number (FNV-1a): the case need not
/// hold them to tell that they changed.
fn words(finding: &Finding) -> u32 {
    let evidence = serde_json::Value::Object(finding.evidence.clone()).to_string();
    let breaks = finding.breaks.map_or_else(String::new, |hop| format!("{hop:?}"));
    let expected = finding.expected.as_ref().map_or_else(String::new, |it| format!("{it:?}"));
    let texts = [finding.message.as_str(), &evidence, &finding.fix, &breaks, &expected];
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0]));
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl Inventory {
    /// The clusters of all objects of Kubernetes, kind by kind.
    pub fn clusters_of_objects(&mut self) -> impl Iterator<Item = &mut ClusterIx> {
        let namespaces = self.namespaces.iter_mut().map(|it| &mut it.cluster);
        namespaces
            .chain(self.workloads.iter_mut().map(|it| &mut it.cluster))
            .chain(self.service_accounts.iter_mut().map(|it| &mut it.cluster))
            .chain(self.secrets.iter_mut().map(|it| &mut it.cluster))
            .chain(self.provider_classes.iter_mut().map(|it| &mut it.cluster))
            .chain(self.token_requesters.iter_mut().map(|it| &mut it.cluster))
            .chain(self.customs.iter_mut().map(|it| &mut it.cluster))
            .chain(self.roles.iter_mut().map(|it| &mut it.cluster))
            .chain(self.role_bindings.iter_mut().map(|it| &mut it.cluster))
            .chain(self.webhook_settings.iter_mut().map(|it| &mut it.cluster))
    }
}
