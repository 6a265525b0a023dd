//! What came of a preview: the objects that would not simply pass, each standing for those it
//! controls that share its fate, and the counts of all.

use std::collections::{BTreeMap, HashMap};

use wiguard_rules::inventory::Inventory;
use wiguard_rules::judge::Object;
use wiguard_rules::model::Workload;

use super::ask::{Answer, Reviewed, Wanted};
use crate::collect::{Collected, Gap, Missing};
use crate::evaluate::Controllers;

/// Everything that is to be said.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) summary: Summary,
    /// By cluster, namespace and rule: what would become of objects that stand for themselves.
    pub(super) rows: BTreeMap<(String, String, String), Row>,
    /// The gravest first, then by cluster, namespace, kind and name.
    pub(super) objects: Vec<Judged>,
    /// Objects on which the policy failed, and its words.
    pub(super) failures: Vec<(Place, String)>,
    /// What could not be read or judged.
    pub(super) gaps: Vec<Gap>,
}

/// Counts of objects.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// All that were judged.
    pub(super) objects: usize,
    pub(super) rejected: usize,
    pub(super) warned: usize,
    /// With rules that could not decide, and nothing worse.
    pub(super) undecided: usize,
    /// Of the last three: those that another one stands for.
    pub(super) controlled: usize,
    /// Past revisions that were not judged.
    pub(super) retired: usize,
}

/// Counts of one namespace and rule.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) rejected: usize,
    pub(super) warned: usize,
    pub(super) undecided: usize,
    /// Objects they control, that share their fate.
    pub(super) controlled: usize,
}

/// What would become of an object: from the mildest to the gravest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Undecided,
    Warned,
    Rejected,
}

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) cluster: String,
    pub(super) namespace: String,
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) api_version: &'static str,
    pub(super) path: String,
    pub(super) line: u32,
}

/// An object that would not simply pass.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) place: Place,
    /// The gravest first, then in the order of the policy.
    pub(super) reasons: Vec<Reason>,
    /// Objects it controls, that share its fate.
    pub(super) controlled: usize,
}

/// Why.
#[derive(Debug)]
pub(super) struct Reason {
    pub(super) verdict: Verdict,
    /// The rule's id; empty if the object could not be read.
    pub(super) rule: String,
    pub(super) says: String,
}

impl Outcome {
    /// Puts together what the policy said.
    pub(super) fn new(
        collected: &Collected,
        controllers: &Controllers<'_>,
        wanted: &Wanted<'_>,
        answers: Vec<Answer>,
    ) -> Self {
        let mut outcome = Self::default();
        outcome.summary.retired = wanted.retired;
        outcome.summary.objects = answers.len();
        let missed = wanted.objects.len().saturating_sub(answers.len());
        if missed > 0 {
            outcome.gaps.push(Gap {
                path: "objects".into(),
                line: None,
                reason: format!("{missed} of them could not be found again in their files and were not judged; do the files change meanwhile, or do lists name their kind at their end?"),
                extent: Missing::Part,
            });
        }
        let mut judged: Vec<(Object<'_>, Vec<Reason>)> = Vec::new();
        for (index, answer) in answers {
            let Some(object) = wanted.objects.get(index) else { continue };
            match answer {
                Err(error) => outcome.failures.push((place(*object, collected), error)),
                Ok(reviewed) => judged.push((*object, reasons(reviewed))),
            }
        }
        for (_, reasons) in &judged {
            match worst(reasons) {
                Some(Verdict::Rejected) => outcome.summary.rejected += 1,
                Some(Verdict::Warned) => outcome.summary.warned += 1,
                Some(Verdict::Undecided) => outcome.summary.undecided += 1,
                None => {}
            }
        }
        let stands_for = fold(&judged, controllers);
        for ((object, reasons), stands_for) in judged.into_iter().zip(stands_for) {
            let (Some(verdict), Some(controlled)) = (worst(&reasons), stands_for) else {
                outcome.summary.controlled += usize::from(!reasons.is_empty());
                continue;
            };
            outcome.objects.push(Judged { verdict, place: place(object, collected), reasons, controlled });
        }
        for Judged { place, reasons, controlled, .. } in &outcome.objects {
            for reason in reasons {
                let key = (place.cluster.clone(), place.namespace.clone(), reason.rule.clone());
                let row = outcome.rows.entry(key).or_default();
                match reason.verdict {
                    Verdict::Rejected => row.rejected += 1,
                    Verdict::Warned => row.warned += 1,
                    Verdict::Undecided => row.undecided += 1,
                }
                row.controlled += controlled;
            }
        }
        outcome.objects.sort_by(|a, b| b.verdict.cmp(&a.verdict).then_with(|| a.place.cmp(&b.place)));
        outcome.failures.sort();
        outcome
    }
}

fn worst(reasons: &[Reason]) -> Option<Verdict> {
    reasons.iter().map(|reason| reason.verdict).max()
}

fn reasons(reviewed: Reviewed) -> Vec<Reason> {
    let Reviewed { findings, unknown, unreadable } = reviewed;
    let unreadable = unreadable.map(|says| Reason { verdict: Verdict::Rejected, rule: String::new(), says });
    let findings = findings.into_iter().filter_map(|said| {
        let verdict = match said.level.as_str() {
            "deny" => Verdict::Rejected,
            "warn" => Verdict::Warned,
            _ => return None,
        };
        Some(Reason { verdict, rule: said.rule, says: said.says })
    });
    let unknown = unknown.into_iter().map(|said| {
        let verdict = match said.level.as_str() {
            "deny" => Verdict::Rejected,
            "warn" => Verdict::Warned,
            _ => Verdict::Undecided,
        };
        Reason { verdict, rule: said.rule, says: said.says }
    });
    let mut reasons: Vec<Reason> = unreadable.into_iter().chain(findings).chain(unknown).collect();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.verdict));
    reasons
}

/// How many others each object stands for; `None` for those that a controller stands for: one that
/// would be judged by the same rules in the same way.
fn fold(judged: &[(Object<'_>, Vec<Reason>)], controllers: &Controllers<'_>) -> Vec<Option<usize>> {
    let address = |workload: &Workload| std::ptr::from_ref(workload) as usize;
    let places: HashMap<usize, usize> = judged
        .iter()
        .enumerate()
        .filter_map(|(index, (object, _))| match object {
            Object::Workload(workload) => Some((address(workload), index)),
            _ => None,
        })
        .collect();
    let has = |whole: &[Reason], part: &[Reason]| {
        part.iter().all(|one| whole.iter().any(|other| other.rule == one.rule && other.verdict == one.verdict))
    };
    let mut stands_for = vec![Some(0); judged.len()];
    for (index, (object, reasons)) in judged.iter().enumerate() {
        let Object::Workload(workload) = object else { continue };
        let (mut at, mut top) = (*workload, None);
        // A pod, its ReplicaSet, its Deployment; a loop of owners ends here too.
        for _ in 0..4 {
            let Some(controller) = controllers.of(at) else { break };
            let place = places.get(&address(controller)).copied();
            top = place.filter(|place| judged.get(*place).is_some_and(|(_, whole)| has(whole, reasons))).or(top);
            at = controller;
        }
        if let Some(top) = top.filter(|top| *top != index && !reasons.is_empty()) {
            if let Some(Some(count)) = stands_for.get_mut(top) {
                *count += 1;
            }
            if let Some(own) = stands_for.get_mut(index) {
                *own = None;
            }
        }
    }
    stands_for
}

fn place(object: Object<'_>, collected: &Collected) -> Place {
    let Inventory { clusters, .. } = &collected.inventory;
    let cluster = object.cluster().and_then(|index| clusters.get(index.0 as usize));
    let origin = object.origin();
    let name = match object {
        Object::Workload(workload) => workload.name.clone(),
        Object::ServiceAccount(account) => account.name.clone(),
        _ => String::new(),
    };
    Place {
        cluster: cluster.map(|cluster| cluster.name.clone()).unwrap_or_default(),
        namespace: object.namespace().into(),
        kind: object.kind(),
        name,
        api_version: object.api_version(),
        path: collected.paths.get(origin.source as usize).cloned().unwrap_or_default(),
        line: origin.line,
    }
}

// === impl Verdict ===

impl Verdict {
    /// The name used in every format.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::Warned => "warned",
            Self::Rejected => "rejected",
        }
    }
}
