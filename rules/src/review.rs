//! A review: one object judged with whatever can be fetched. The rules say what they lack, somebody
//! fetches it, and they are asked again.

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
    rules: &[&'static Entry],
    fetch: &mut dyn FnMut(&Key, &mut Inventory) -> bool,
) -> Vec<Judgement> {
    let mut asked: Vec<Key> = Vec::new();
    let mut judgements = Vec::new();
    for _ in 0..ROUNDS {
        judgements.clear();
        {
            let trust = Trust::join(inventory, parameters);
            for object in inventory.under_review() {
                judge(object, &trust, rules.iter().copied(), |judgement| judgements.push(judgement));
            }
        }
        let mut learned = false;
        for judgement in &judgements {
            if let Err(Unknown(key)) = &judgement.outcome
                && !asked.contains(key)
            {
                learned |= fetch(key, inventory);
                asked.push(key.clone());
            }
        }
        if !learned {
            break;
        }
    }
    judgements
}
