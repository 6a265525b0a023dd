//! A review: one object judged with whatever can be fetched. The rules say what they lack, somebody
//! fetches it, and they are asked again.

use alloc::vec::Vec;

use crate::catalogue::Entry;
use crate::inventory::Inventory;
use crate::judge::{Judgement, judge};
use crate::parameters::Parameters;
use crate::trust::{Key, Trust, Unknown};

/// Whoever can look something up.
pub trait Fetch {
    /// Whether such a fact can be had at all.
    fn can_fetch(&self, key: &Key) -> bool;

    /// Puts what there is into the inventory, or widens its coverage if there is nothing; leaves it
    /// as it is if the look-up fails.
    fn fetch(&mut self, key: &Key, inventory: &mut Inventory);
}

/// Judges the object that the request of `inventory` carries ([`Inventory::under_review`]).
pub fn review(
    inventory: &mut Inventory,
    parameters: &Parameters,
    rules: &[&'static Entry],
    fetch: &mut dyn Fetch,
) -> Vec<Judgement> {
    let mut open = rules.to_vec();
    let mut judgements: Vec<Judgement> = Vec::new();
    let mut asked: Vec<Key> = Vec::new();
    loop {
        judgements.clear();
        let trust = Trust::join(inventory, parameters).at_admission();
        let mut wanted = None;
        let mut judged = 0;
        for rule in &open {
            judged += 1;
            for object in inventory.under_review() {
                judge(object, &trust, core::iter::once(*rule), |judgement| judgements.push(judgement));
            }
            if let Some(Judgement { outcome: Err(Unknown(key)), .. }) = judgements.last()
                && fetch.can_fetch(key)
                && !asked.contains(key)
            {
                wanted = Some(key.clone());
                break;
            }
        }
        let Some(key) = wanted else { return judgements };
        fetch.fetch(&key, inventory);
        asked.push(key);
        // A rule that is content stays so with more evidence; a finding may become a milder one.
        let mut place = 0;
        open.retain(|rule| {
            place += 1;
            place > judged || judgements.iter().any(|judgement| judgement.rule == *rule)
        });
    }
}
