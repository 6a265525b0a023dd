//! A review: one object judged with whatever can be fetched. The rules say what they lack, somebody
//! fetches it, and they are asked again.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::catalogue::Entry;
use crate::inventory::Inventory;
use crate::judge::{Judgement, judge};
use crate::parameters::Parameters;
use crate::trust::{Key, Trust, Unknown};

/// How often rules may ask again: each hop of the chain once.
const ROUNDS: usize = 4;

/// Judges the object that the request of `inventory` carries ([`Inventory::under_review`]).
///
/// `fetch` puts what it finds for a key into the inventory, or widens its coverage if there is
/// nothing, and returns false if it could not look.
pub fn review(
    inventory: &mut Inventory,
    parameters: &Parameters,
    select: impl Fn(&Entry) -> bool,
    fetch: &mut dyn FnMut(&Key, &mut Inventory) -> bool,
) -> Vec<Judgement> {
    let mut asked = BTreeSet::new();
    let mut judgements = Vec::new();
    for _ in 0..ROUNDS {
        judgements.clear();
        {
            let trust = Trust::join(inventory, parameters);
            for object in inventory.under_review() {
                judge(object, &trust, &select, |judgement| judgements.push(judgement));
            }
        }
        let missing: BTreeSet<Key> = judgements
            .iter()
            .filter_map(|judgement| match &judgement.outcome {
                Err(Unknown(key)) if !asked.contains(key) => Some(key.clone()),
                _ => None,
            })
            .collect();
        let mut learned = false;
        for key in missing {
            learned |= fetch(&key, inventory);
            asked.insert(key);
        }
        if !learned {
            break;
        }
    }
    judgements
}
