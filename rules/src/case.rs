//! A case: an inventory written down with what the rules say of it. The examples of the manual
//! pages and the healthy estates are kept this way, so that the rules can be tested with nothing
//! but this crate.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::catalogue::CATALOGUE;
use crate::inventory::{Coverage, Inventory};
use crate::judge::judge;
use crate::model::ClusterIx;
use crate::parameters::Parameters;
use crate::trust::{Trust, Unknown};

/// An inventory, and what is said of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// Where it comes from: `AWI101 Fails[0]`, `healthy/keda.yaml`.
    pub about: String,
    /// Every finding of every rule, and where the rule that the case is about could not decide.
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
        let judged = judged(&inventory, |id, finds| finds || id == rule);
        inventory.coverage = Coverage::default();
        inventory.declared.whole = false;
        inventory.identities.iter_mut().for_each(|identity| identity.credentials_complete = false);
        (judged, judged_of(&inventory, rule))
    }

    /// The id of the rule it is about; a healthy estate is about none.
    pub fn rule(&self) -> &str {
        let first = self.about.split(' ').next().unwrap_or_default();
        CATALOGUE.iter().find(|entry| entry.id == first).map_or("", |entry| entry.id)
    }
}

fn judged_of(inventory: &Inventory, rule: &str) -> Vec<String> {
    judged(inventory, |id, _| id == rule)
}

/// What the rules say, line by line: by rule and by whether it is a finding, only what is wanted.
fn judged(inventory: &Inventory, wanted: impl Fn(&str, bool) -> bool) -> Vec<String> {
    let parameters = Parameters::default();
    let trust = Trust::join(inventory, &parameters);
    let mut lines = Vec::new();
    for object in inventory.objects() {
        judge(object, &trust, CATALOGUE.iter(), |judgement| {
            let id = judgement.rule.id;
            if wanted(id, judgement.outcome.is_ok()) {
                let said = match judgement.outcome {
                    Ok(finding) => format!("{} {}", finding.severity.as_str(), finding.field).trim_end().to_string(),
                    Err(Unknown(key)) => format!("unknown: {}", key.kind()),
                };
                lines.push(format!("{id} {}/{}: {said}", object.kind(), object.name(&trust)));
            }
        });
    }
    lines
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
