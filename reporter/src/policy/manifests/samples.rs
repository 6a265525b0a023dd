//! Samples for the tests of a template: the objects in a rule's manual page, each with what the
//! rule itself says of it when it sees nothing else.

use std::io::Cursor;

use wiguard_rules::catalogue::Entry;
use wiguard_rules::inventory::Inventory;
use wiguard_rules::judge::{Object, judge};
use wiguard_rules::manifest::{Manifest, read};
use wiguard_rules::model::{ClusterIx, Origin};
use wiguard_rules::parameters::Parameters;
use wiguard_rules::rule::Check;
use wiguard_rules::trust::Trust;

use crate::read::{Limits, Root, read_all};

/// An object from a manual page.
pub(super) struct Sample {
    /// Its name among the samples of the rule.
    pub(super) name: String,
    /// As it stands on the page.
    pub(super) text: String,
    /// Whether the rule finds something.
    pub(super) broken: bool,
}

/// The objects that the rule judges on its page.
pub(super) fn samples(entry: &'static Entry) -> Vec<Sample> {
    let manual = entry.manual();
    let blocks = manual.split("```yaml\n").skip(1).filter_map(|block| block.split("\n```").next());
    let mut samples: Vec<Sample> = Vec::new();
    for text in blocks.flat_map(|block| block.split("\n---\n")) {
        let Some(broken) = verdict(entry, text) else { continue };
        let kind = if broken { "fails" } else { "passes" };
        let number = samples.iter().filter(|sample| sample.broken == broken).count() + 1;
        samples.push(Sample { name: format!("{kind}-{number}"), text: format!("{text}\n"), broken });
    }
    samples
}

/// What the rule says of the one object in a text; `None` if it does not judge such.
fn verdict(entry: &'static Entry, text: &str) -> Option<bool> {
    let owned = text.to_owned();
    let outcome = read_all(
        &[Root::Stdin],
        || Box::new(Cursor::new(owned)),
        &Limits::default(),
        |batch| batch.pieces().map(|piece| piece.json.to_vec()).collect::<Vec<_>>(),
    );
    let json = outcome.results.into_iter().flat_map(|(_, pieces)| pieces).next()?;
    let manifest = read(&json, None, ClusterIx(0), Origin::default()).ok()?.manifest;
    let judges = |check: &Check| match &manifest {
        Manifest::Workload(_) => matches!(check, Check::Workload(_)),
        Manifest::ServiceAccount(_) => matches!(check, Check::ServiceAccount(_)),
        _ => false,
    };
    if !entry.rule.checks.iter().any(judges) {
        return None;
    }
    let object = match &manifest {
        Manifest::Workload(workload) => Object::Workload(workload),
        Manifest::ServiceAccount(account) => Object::ServiceAccount(account),
        _ => return None,
    };
    let (inventory, parameters) = (Inventory::default(), Parameters::default());
    let mut broken = false;
    judge(object, &Trust::join(&inventory, &parameters).at_admission(), std::iter::once(entry), |judgement| {
        broken |= judgement.outcome.is_ok();
    });
    Some(broken)
}
