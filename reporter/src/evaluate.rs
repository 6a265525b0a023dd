//! Evaluating: every rule on every object, in parallel, with the same outcome in the same order
//! whatever the number of threads.

use std::collections::BTreeMap;

use rayon::prelude::*;
use wiguard_rules::catalogue::{CATALOGUE, Entry};
use wiguard_rules::finding::Finding;
use wiguard_rules::inventory::Inventory;
use wiguard_rules::judge::{Object, audit};
use wiguard_rules::model::{Body, Life, Workload, is_past_revision};
use wiguard_rules::trust::{Trust, Unknown};

/// What the rules said of all objects.
#[derive(Debug, Default)]
pub struct Evaluation<'a> {
    /// The findings, in the order of the objects and of the catalogue.
    pub findings: Vec<Found<'a>>,
    /// What could not be decided, by rule and kind of missing evidence.
    pub undecided: BTreeMap<(&'static str, &'static str), Undecided>,
    /// Indexes of objects about which some rule could not decide.
    pub undecided_objects: Vec<u32>,
    /// Workloads that stand for themselves: those whose controller is not there to be judged.
    pub roots: usize,
}

/// One finding on one object.
#[derive(Debug)]
pub struct Found<'a> {
    /// The rule.
    pub rule: &'static Entry,
    /// The object's index among [`Inventory::objects`].
    pub index: u32,
    /// The object.
    pub object: Object<'a>,
    /// What is wrong.
    pub finding: Finding,
    /// How many objects it controls have the same finding, and are not shown.
    pub controlled: u32,
}

/// A rule that could not decide for want of one kind of evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undecided {
    /// On how many objects.
    pub objects: u32,
    /// What was missing for the first.
    pub example: String,
}

/// What one worker says of its share.
#[derive(Default)]
struct Share<'a> {
    findings: Vec<Found<'a>>,
    undecided: BTreeMap<(&'static str, &'static str), Undecided>,
    undecided_objects: Vec<u32>,
}

/// Objects that one task judges: enough to outweigh handing it out.
const TASK: usize = 256;

/// Judges every object of an inventory, by every rule but those ignored, by id.
pub fn evaluate<'a>(
    inventory: &'a Inventory,
    trust: &Trust<'a>,
    controllers: &Controllers<'a>,
    ignored: &[&'static str],
) -> Evaluation<'a> {
    let objects: Vec<(u32, Object<'a>)> =
        (0..).zip(inventory.objects()).filter(|(_, object)| !controllers.is_retired(*object)).collect();
    let shares: Vec<Share<'a>> = objects
        .par_chunks(TASK)
        .map(|chunk| {
            let mut share = Share::default();
            for (index, object) in chunk {
                share.judge(*index, *object, trust, ignored);
            }
            share
        })
        .collect();
    let mut evaluation = Evaluation {
        roots: inventory.workloads.iter().filter(|workload| controllers.of(workload).is_none()).count(),
        ..Evaluation::default()
    };
    for share in shares {
        evaluation.findings.extend(share.findings);
        evaluation.undecided_objects.extend(share.undecided_objects);
        for (key, undecided) in share.undecided {
            let sum = evaluation.undecided.entry(key).or_default();
            sum.objects += undecided.objects;
            if sum.example.is_empty() {
                sum.example = undecided.example;
            }
        }
    }
    evaluation.findings = fold(std::mem::take(&mut evaluation.findings), controllers, trust);
    evaluation
}

impl<'a> Share<'a> {
    fn judge(&mut self, index: u32, object: Object<'a>, trust: &Trust<'a>, ignored: &[&'static str]) {
        let rules = CATALOGUE.iter().filter(|entry| !ignored.contains(&entry.id));
        audit(object, trust, rules, |judgement| match judgement.outcome {
            Ok(finding) => self.findings.push(Found { rule: judgement.rule, index, object, finding, controlled: 0 }),
            Err(Unknown(key)) => {
                let undecided = self.undecided.entry((judgement.rule.id, key.kind())).or_default();
                undecided.objects += 1;
                if undecided.example.is_empty() {
                    undecided.example = key.to_string();
                }
                if self.undecided_objects.last() != Some(&index) {
                    self.undecided_objects.push(index);
                }
            }
        });
    }
}

/// Who controls whom, as far as both were read.
#[derive(Debug, Default)]
pub struct Controllers<'a> {
    by_name: BTreeMap<(u32, &'a str, &'a str, &'a str), &'a Workload>,
}

impl<'a> Controllers<'a> {
    /// Looks up every workload that another one names.
    /// A Rollout with `workloadRef` stands for the workload that it refers to.
    pub fn of_all(inventory: &'a Inventory) -> Self {
        let named = inventory.workloads.iter().filter(|workload| workload.kind.kind != "Pod");
        let key = |workload: &'a Workload| {
            (workload.cluster.0, workload.namespace.as_str(), workload.kind.kind, workload.name.as_str())
        };
        let mut by_name: BTreeMap<_, _> = named.map(|workload| (key(workload), workload)).collect();
        let scalers = inventory.customs.iter().filter_map(|custom| {
            let Body::Scaler(kind, name) = &custom.body else { return None };
            let (cluster, namespace) = (custom.cluster.0, custom.namespace.as_str());
            let scaled = by_name.get(&(cluster, namespace, kind.as_str(), name.as_str()))?;
            Some(((cluster, namespace, custom.kind.kind, custom.name.as_str()), *scaled))
        });
        let scalers: Vec<_> = scalers.collect();
        by_name.extend(scalers);
        Self { by_name }
    }

    /// The controller of a workload, if it was read.
    pub fn of(&self, workload: &Workload) -> Option<&'a Workload> {
        let controller = workload.controller.as_ref()?;
        // The map is asked with the workload's own strings, which live shorter than its keys.
        let found = self.by_name.range::<(u32, &str, &str, &str), _>((
            std::ops::Bound::Included((
                workload.cluster.0,
                workload.namespace.as_str(),
                controller.kind.as_str(),
                controller.name.as_str(),
            )),
            std::ops::Bound::Included((
                workload.cluster.0,
                workload.namespace.as_str(),
                controller.kind.as_str(),
                controller.name.as_str(),
            )),
        ));
        found.map(|(_, controller)| *controller).next()
    }

    /// Whether an object is a past revision: a ReplicaSet or ReplicationController scaled to nothing by a
    /// controller that was read. Nobody runs it, and nobody can mend it.
    pub(crate) fn is_retired(&self, object: Object<'_>) -> bool {
        matches!(object, Object::Workload(workload)
            if is_past_revision(workload.kind.kind, workload.replicas, self.of(workload).is_some()))
    }
}

/// Folds the finding of a controlled object into the same finding of its controller.
fn fold<'a>(findings: Vec<Found<'a>>, controllers: &Controllers<'a>, trust: &Trust<'a>) -> Vec<Found<'a>> {
    let address = |workload: &Workload| std::ptr::from_ref(workload) as usize;
    let place: BTreeMap<(usize, &str), usize> = findings
        .iter()
        .enumerate()
        .filter_map(|(index, found)| match found.object {
            Object::Workload(workload) => Some(((address(workload), found.rule.id), index)),
            _ => None,
        })
        .collect();
    let mut controlled = vec![0_u32; findings.len()];
    let mut folded = vec![false; findings.len()];
    for (index, found) in findings.iter().enumerate() {
        let Object::Workload(workload) = found.object else { continue };
        let mut top = None;
        let mut at = workload;
        // A pod, its ReplicaSet, its Deployment; a loop of owners ends here too.
        for _ in 0..4 {
            let Some(controller) = controllers.of(at) else { break };
            // What rests is judged mildly, and does not stand for a pod of it that runs.
            if trust.life(controller) != Life::Active && workload.life == Life::Active {
                break;
            }
            // Nor does one that is milder: that of a manifest, for a pod that runs.
            let stands =
                |same: &&usize| findings.get(**same).is_some_and(|of| of.finding.severity >= found.finding.severity);
            if let Some(&same) = place.get(&(address(controller), found.rule.id)).filter(stands) {
                top = Some(same);
            }
            at = controller;
        }
        if let Some(top) = top.filter(|top| *top != index)
            && let (Some(count), Some(folded)) = (controlled.get_mut(top), folded.get_mut(index))
        {
            *count += 1;
            *folded = true;
        }
    }
    let kept = findings.into_iter().zip(controlled).zip(folded).filter(|(_, folded)| !folded);
    kept.map(|((found, controlled), _)| Found { controlled, ..found }).collect()
}
