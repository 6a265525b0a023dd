//! How much may be done at once: what is beyond is told to come back, soon and in words, before it
//! costs anything.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// The bounds that requests share.
pub(super) struct Gate {
    /// Places to be judged or to wait for it.
    places: Arc<Semaphore>,
    /// Places to be judged.
    judging: Arc<Semaphore>,
    /// Memory for request bodies, in [`UNIT`]s.
    bodies: Arc<Semaphore>,
    max_wait: Duration,
}

/// Bytes that a body takes of the memory for all.
const UNIT: usize = 4 << 10;

/// How many of the largest bodies may be held at once.
const LARGEST_BODIES: usize = 16;

/// A place among the requests.
pub(super) struct Place(#[expect(dead_code, reason = "given back on drop")] OwnedSemaphorePermit);

/// A place to be judged, which the judging itself holds: it may outlast the request.
pub(super) struct Turn(#[expect(dead_code, reason = "given back on drop")] OwnedSemaphorePermit);

/// Memory for a body.
pub(super) struct Held {
    bodies: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Gate {
    pub(super) fn new(max_requests: usize, judging: usize, max_body: usize, max_wait: Duration) -> Self {
        let units = max_body.div_ceil(UNIT).saturating_mul(LARGEST_BODIES).min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(max_requests)),
            judging: Arc::new(Semaphore::new(judging)),
            bodies: Arc::new(Semaphore::new(units)),
            max_wait,
        }
    }

    /// A place among the requests, now or not at all.
    pub(super) fn enter(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok().map(Place)
    }

    /// A turn to be judged, after a short wait or not at all.
    pub(super) async fn turn(&self, give_up: Instant) -> Option<Turn> {
        let until = give_up.min(Instant::now() + self.max_wait);
        let turn = timeout_at(until, Arc::clone(&self.judging).acquire_owned()).await;
        turn.ok()?.ok().map(Turn)
    }

    /// Memory for a body, none of it yet.
    pub(super) fn body(&self) -> Held {
        Held { bodies: Arc::clone(&self.bodies), permit: None }
    }
}

impl Held {
    /// Takes what a body of this size needs; false if there is not so much.
    pub(super) fn grow(&mut self, size: usize) -> bool {
        let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let lacking = size.div_ceil(UNIT).saturating_sub(held);
        let Ok(lacking @ 1..) = u32::try_from(lacking) else { return lacking == 0 };
        let Ok(more) = Arc::clone(&self.bodies).try_acquire_many_owned(lacking) else { return false };
        match &mut self.permit {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{Gate, LARGEST_BODIES};
    use std::time::Duration;

    #[test]
    fn bodies_share_their_memory() {
        let gate = Gate::new(1, 1, 1 << 20, Duration::ZERO);
        let mut bodies: Vec<_> = (0..=LARGEST_BODIES).map(|_| gate.body()).collect();
        let grown = bodies.iter_mut().filter_map(|body| body.grow(1 << 20).then_some(())).count();
        assert_eq!(grown, LARGEST_BODIES);
        bodies.remove(0);
        assert!(bodies.last_mut().is_some_and(|last| last.grow(1) && last.grow(1 << 20)));
    }

    #[test]
    fn places_are_given_back() {
        let gate = Gate::new(1, 1, 1, Duration::ZERO);
        let place = gate.enter();
        assert!(place.is_some() && gate.enter().is_none());
        drop(place);
        assert!(gate.enter().is_some());
    }
}
