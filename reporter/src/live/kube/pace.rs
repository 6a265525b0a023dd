//! Pace: how fast one API server is asked, and how many questions are under way at once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// Hands out turns.
#[derive(Debug)]
pub(super) struct Pace {
    at_once: Semaphore,
    interval: Duration,
    /// Turns that may be taken without waiting after a rest.
    burst: u32,
    /// When the next turn is due.
    next: Mutex<Instant>,
}

impl Pace {
    /// So many turns a second, so many at once.
    pub(super) fn new(per_second: u32, at_once: u32) -> Self {
        Self {
            at_once: Semaphore::new(at_once.max(1) as usize),
            interval: Duration::from_secs(1) / per_second.max(1),
            burst: at_once,
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits for a turn, which lasts until it is dropped.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        let permit = self.at_once.acquire().await.ok()?;
        tokio::time::sleep_until(self.reserve(Instant::now())).await;
        // Meanwhile the server may have asked for a pause.
        loop {
            let paused = *self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let latest = Instant::now() + self.interval * (self.burst + 1);
            if paused <= latest {
                return Some(permit);
            }
            tokio::time::sleep_until(paused).await;
        }
    }

    /// No turns for a while: the server asked for it.
    pub(super) fn pause(&self, time: Duration) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = (*next).max(Instant::now() + time);
    }

    fn reserve(&self, now: Instant) -> Instant {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = now.checked_sub(self.interval * self.burst).unwrap_or(now);
        let turn = (*next).max(rested);
        *next = turn + self.interval;
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_at_the_pace_after_the_first_few() {
        let pace = Pace::new(20, 4);
        let start = Instant::now() + Duration::from_secs(10);
        let turns: Vec<Duration> = (0..8).map(|_| pace.reserve(start).saturating_duration_since(start)).collect();
        let ms = Duration::from_millis;
        assert_eq!(turns, [ms(0), ms(0), ms(0), ms(0), ms(0), ms(50), ms(100), ms(150)]);
    }

    #[test]
    fn a_pause_holds_back_whoever_comes_next() {
        let pace = Pace::new(20, 4);
        pace.pause(Duration::from_secs(5));
        assert!(pace.reserve(Instant::now()) > Instant::now() + Duration::from_secs(4));
    }
}
