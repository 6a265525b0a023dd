//! Tallies: what was found of the objects that tables list. Whatever was found of an object is counted in a row, and
//! an object of which something was left out does not pass for one that is right.

use std::collections::BTreeMap;

use wiguard_rules::declared::DeclaredCredential;
use wiguard_rules::inventory::Inventory;
use wiguard_rules::judge::Object;
use wiguard_rules::model::{FederatedIdentityCredential, Parent, Workload};
use wiguard_rules::trust::Trust;

use crate::evaluate::Controllers;
use crate::report::Reported;
use crate::triage::Triage;

/// What was found of the object of a row, and of those it stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Findings by severity, info first.
    pub findings: [u32; 5],
    /// Findings that a suppression covers.
    pub suppressed: u32,
    /// Whether some rule could not decide, or was left out.
    pub undecided: bool,
}

/// Tallies by the object in whose row they are, by index among [`Inventory::objects`].
#[derive(Debug, Default)]
pub struct Tallies {
    of: BTreeMap<u32, Tally>,
    /// The objects that have no row of their own, and in whose row they are counted.
    hosts: BTreeMap<u32, u32>,
}

impl Tallies {
    /// Counts findings, what a suppression covers, and what could not be decided or was left out.
    pub(crate) fn new(
        inventory: &Inventory,
        trust: &Trust<'_>,
        controllers: &Controllers<'_>,
        found: &[(u32, Reported)],
        suppressed: &[u32],
        undecided: &[u32],
        triage: &Triage<'_>,
    ) -> Self {
        let mut tallies = Self { of: BTreeMap::new(), hosts: hosts(inventory, trust, controllers) };
        for (index, found) in found {
            if let Some(count) = tallies.at(*index).findings.get_mut(found.finding.severity as usize) {
                *count += 1;
            }
        }
        suppressed.iter().for_each(|index| tallies.at(*index).suppressed += 1);
        undecided.iter().for_each(|index| tallies.at(*index).undecided = true);
        for (index, object) in (0..).zip(inventory.objects()) {
            let unknown =
                matches!(object, Object::Declared(declared) if !tallies.is_hosted(index) && !declared.is_known());
            if unknown || triage.leaves_out(object) {
                tallies.at(index).undecided = true;
            }
        }
        tallies
    }

    fn at(&mut self, index: u32) -> &mut Tally {
        let row = self.hosts.get(&index).copied().unwrap_or(index);
        self.of.entry(row).or_default()
    }

    /// What is counted in the row of an object.
    pub fn of(&self, index: u32) -> Tally {
        self.of.get(&index).copied().unwrap_or_default()
    }

    /// Whether an object is counted in another's row.
    pub fn is_hosted(&self, index: u32) -> bool {
        self.hosts.contains_key(&index)
    }
}

impl Tally {
    /// What it comes to, as every table says it.
    pub fn verdict(self) -> &'static str {
        match self {
            Self { findings, .. } if findings.iter().any(|count| *count > 0) => "findings",
            Self { suppressed: 1.., .. } => "suppressed",
            Self { undecided: true, .. } => "not evaluated wholly",
            _ => "compliant",
        }
    }

    /// Adds another.
    pub fn add(&mut self, other: Self) {
        for (sum, count) in self.findings.iter_mut().zip(other.findings) {
            *sum += count;
        }
        self.suppressed += other.suppressed;
        self.undecided |= other.undecided;
    }
}

/// Workloads in the row of what controls them, as far as that was read, and declared credentials in that of the
/// credential they are, or will be.
fn hosts(inventory: &Inventory, trust: &Trust<'_>, controllers: &Controllers<'_>) -> BTreeMap<u32, u32> {
    let address = |workload: &Workload| std::ptr::from_ref(workload) as usize;
    let of_credential = |credential: &FederatedIdentityCredential| std::ptr::from_ref(credential) as usize;
    let rows: BTreeMap<usize, u32> = (0..)
        .zip(inventory.objects())
        .filter_map(|(index, object): (u32, _)| match object {
            Object::Workload(workload) => Some((address(workload), index)),
            Object::Credential(credential) => Some((of_credential(credential), index)),
            _ => None,
        })
        .collect();
    let owned = owned(inventory);
    let host = |object: Object<'_>| match object {
        Object::Workload(workload) => rows.get(&address(root(workload, controllers)?)),
        Object::Declared(declared) => rows.get(&of_credential(credential(declared, &owned, trust)?)),
        _ => None,
    };
    (0..).zip(inventory.objects()).filter_map(|(index, object)| Some((index, *host(object)?))).collect()
}

/// What is above a workload and under nothing itself.
fn root<'a>(workload: &Workload, controllers: &Controllers<'a>) -> Option<&'a Workload> {
    let mut top = controllers.of(workload)?;
    // A pod, its ReplicaSet, its Deployment; in a loop of owners each stands for itself.
    for _ in 0..8 {
        let Some(controller) = controllers.of(top) else { return Some(top) };
        top = controller;
    }
    None
}

/// Credentials by the id of their identity, in lower case; empty where that is not known.
type Owned<'a> = BTreeMap<String, Vec<&'a FederatedIdentityCredential>>;

fn owned(inventory: &Inventory) -> Owned<'_> {
    let mut owned = Owned::new();
    for credential in &inventory.credentials {
        let owner = match &credential.parent {
            Parent::Resource(id) | Parent::Id(id) => id.to_ascii_lowercase(),
            Parent::Client(_) | Parent::Unknown => String::new(),
        };
        owned.entry(owner).or_default().push(credential);
    }
    owned
}

/// The credential that a declaration makes, changes or deletes.
fn credential<'a>(
    declared: &DeclaredCredential,
    owned: &Owned<'a>,
    trust: &Trust<'a>,
) -> Option<&'a FederatedIdentityCredential> {
    let is = |credential: &FederatedIdentityCredential| declared.touches(credential) || declared.declares(credential);
    if let Some(identity) = trust.identity_of(declared) {
        return trust.credentials_seen(identity).iter().copied().find(|credential| is(credential));
    }
    let of = |owner: &str| owned.get(owner).map_or(&[][..], Vec::as_slice);
    let owner = declared.identity.to_ascii_lowercase();
    let own = of(&owner).iter().filter(|_| !owner.is_empty()).find(|credential| is(credential));
    own.or_else(|| of("").iter().find(|credential| declared.declares(credential))).copied()
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn what_weighs_most_is_said() {
        let tally = |info, suppressed, undecided| Tally { findings: [info, 0, 0, 0, 0], suppressed, undecided };
        assert_eq!(tally(0, 0, false).verdict(), "compliant");
        assert_eq!(tally(0, 0, true).verdict(), "not evaluated wholly");
        assert_eq!(tally(0, 1, true).verdict(), "suppressed");
        assert_eq!(tally(1, 1, true).verdict(), "findings");
        let mut sum = tally(1, 2, false);
        sum.add(tally(3, 4, true));
        assert_eq!(sum, tally(4, 6, true));
        sum.add(tally(0, 0, false));
        assert!(sum.undecided, "what is undecided stays so");
    }
}
