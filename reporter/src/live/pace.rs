//! Pace: how fast servers are asked. Each limit that a server documents is a bucket, and a request
//! waits until all of its buckets let it through; one that must wait keeps nobody else waiting.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// How often at most the queue is looked through.
const GRAIN: Duration = Duration::from_millis(1);

/// Lets requests through at the rate of their buckets, first come, first served. Clones are the same.
#[derive(Clone, Debug)]
pub struct Pacer {
    shared: Arc<Shared>,
    /// What documented rates are multiplied by.
    factor: f64,
}

/// One limit; asked for by name, so that the same name is the same limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket(usize);

#[derive(Debug, Default)]
struct Shared {
    line: Mutex<Line>,
    /// Somebody came, or a bucket was changed.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Line {
    names: HashMap<String, usize>,
    levels: Vec<Level>,
    queue: VecDeque<Waiter>,
    served: bool,
}

#[derive(Debug)]
struct Waiter {
    needs: Vec<Bucket>,
    pass: oneshot::Sender<()>,
}

/// How full a bucket is.
#[derive(Debug)]
struct Level {
    /// Requests for each second.
    rate: f64,
    /// Requests that may follow each other at once.
    burst: f64,
    left: f64,
    at: Instant,
    /// Nobody passes before.
    shut: Option<Instant>,
    /// The narrower bucket that was throttled last, and until when.
    complaint: Option<(usize, Instant)>,
}

// === impl Pacer ===

impl Pacer {
    /// A pacer that takes documented rates times `factor`.
    pub fn new(factor: f64) -> Self {
        Self { shared: Arc::default(), factor }
    }

    /// The limit of this name: `rate` requests a second, and `burst` at once.
    pub fn bucket(&self, name: &str, rate: f64, burst: f64) -> Bucket {
        let mut line = self.shared.line();
        if let Some(&known) = line.names.get(name) {
            return Bucket(known);
        }
        let rate = (rate * self.factor).max(0.001);
        // A timer that wakes late is made up for, within a fifth of a second.
        let bucket = line.add(name, rate, burst.max(rate / 5.0).max(1.0), Instant::now());
        if let Some(level) = line.levels.get_mut(bucket.0) {
            level.left = burst.max(1.0);
        }
        bucket
    }

    /// How long to leave between two requests where `rate` are allowed each second.
    pub fn interval(&self, rate: f64) -> Duration {
        Duration::from_secs_f64(1.0 / (rate * self.factor).max(0.001))
    }

    /// Returns when a request that all of these limit may be sent.
    pub async fn acquire(&self, needs: &[Bucket]) {
        if needs.is_empty() {
            return;
        }
        let (pass, passed) = oneshot::channel();
        {
            let mut line = self.shared.line();
            line.queue.push_back(Waiter { needs: needs.to_vec(), pass });
            if !std::mem::replace(&mut line.served, true) {
                tokio::spawn(serve(Arc::clone(&self.shared)));
            }
        }
        self.shared.changed.notify_one();
        // The sender is dropped only with the runtime.
        let _ = passed.await;
    }

    /// The server asked to wait: nobody passes the first of these for so long. A wider one is shut
    /// as well once two narrower ones are: then it is what has run dry.
    pub fn pause(&self, needs: &[Bucket], wait: Duration) {
        self.shared.line().pause(needs, Instant::now(), wait);
        self.shared.changed.notify_one();
    }

    /// The server says how many requests are left.
    pub fn remaining(&self, bucket: Bucket, left: f64) {
        if let Some(level) = self.shared.line().levels.get_mut(bucket.0) {
            level.left = level.left.min(left);
        }
    }
}

/// Serves the queue until it is empty.
async fn serve(shared: Arc<Shared>) {
    loop {
        let wait = {
            let mut line = shared.line();
            let wait = line.pass(Instant::now());
            line.served = wait.is_some();
            wait
        };
        let Some(wait) = wait else { return };
        tokio::select! {
            () = tokio::time::sleep(wait.max(GRAIN)) => {}
            () = async { shared.changed.notified().await; tokio::time::sleep(GRAIN).await; } => {}
        }
    }
}

// === impl Shared ===

impl Shared {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Line ===

impl Line {
    fn add(&mut self, name: &str, rate: f64, burst: f64, now: Instant) -> Bucket {
        let index = self.levels.len();
        self.levels.push(Level { rate, burst, left: burst, at: now, shut: None, complaint: None });
        self.names.insert(name.into(), index);
        Bucket(index)
    }

    /// Lets through whoever may pass; how long until somebody else may, if anybody is left.
    fn pass(&mut self, now: Instant) -> Option<Duration> {
        let mut soonest: Option<Duration> = None;
        let levels = &mut self.levels;
        levels.iter_mut().for_each(|level| level.fill(now));
        self.queue.retain_mut(|waiter| {
            if waiter.pass.is_closed() {
                return false;
            }
            let waits = waiter.needs.iter().filter_map(|need| levels.get(need.0)).map(|level| level.wait(now));
            let wait = waits.max().unwrap_or_default();
            if wait > Duration::ZERO {
                soonest = Some(soonest.map_or(wait, |known| known.min(wait)));
                return true;
            }
            for need in &waiter.needs {
                if let Some(level) = levels.get_mut(need.0) {
                    level.left -= 1.0;
                }
            }
            let (pass, _) = oneshot::channel();
            // Whoever went away meanwhile has spent what it came for.
            let _ = std::mem::replace(&mut waiter.pass, pass).send(());
            false
        });
        soonest
    }

    fn pause(&mut self, needs: &[Bucket], now: Instant, wait: Duration) {
        let Some((first, wider)) = needs.split_first() else { return };
        let until = now + wait;
        let mut shut = |index: usize| {
            if let Some(level) = self.levels.get_mut(index) {
                level.shut = Some(level.shut.map_or(until, |known| known.max(until)));
            }
        };
        shut(first.0);
        for bucket in wider {
            let Some(level) = self.levels.get_mut(bucket.0) else { continue };
            let another = level.complaint.is_some_and(|(of, until)| of != first.0 && until > now);
            if another {
                level.shut = Some(level.shut.map_or(until, |known| known.max(until)));
            }
            level.complaint = Some((first.0, until));
        }
    }
}

// === impl Level ===

impl Level {
    fn fill(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = since.mul_add(self.rate, self.left).min(self.burst);
        self.at = now;
    }

    fn wait(&self, now: Instant) -> Duration {
        let shut = self.shut.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let lacks = (1.0 - self.left).max(0.0);
        // A request is there when a thousandth of it is missing: what is rounded off would be asked for again.
        let dry = if lacks < 0.001 { Duration::ZERO } else { Duration::from_secs_f64(lacks / self.rate) };
        shut.max(dry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes at each instant of `steps`, and counts who came through.
    struct Clock {
        line: Line,
        now: Instant,
        waiting: Vec<(usize, oneshot::Receiver<()>)>,
    }

    impl Clock {
        fn new() -> Self {
            Self { line: Line::default(), now: Instant::now(), waiting: Vec::new() }
        }

        fn come(&mut self, who: usize, needs: &[Bucket]) {
            let (pass, passed) = oneshot::channel();
            self.line.queue.push_back(Waiter { needs: needs.to_vec(), pass });
            self.waiting.push((who, passed));
        }

        /// Goes on by `step`, and says who passed.
        fn step(&mut self, step: Duration) -> Vec<usize> {
            self.now += step;
            self.line.pass(self.now);
            let (passed, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
                .into_iter()
                .map(|(who, mut passed)| (who, passed.try_recv().is_ok(), passed))
                .partition(|(_, through, _)| *through);
            self.waiting = waiting.into_iter().map(|(who, _, passed)| (who, passed)).collect();
            passed.into_iter().map(|(who, ..)| who).collect()
        }
    }

    const TICK: Duration = Duration::from_millis(1);

    #[test]
    fn a_bucket_gives_its_rate_and_no_more() {
        let mut clock = Clock::new();
        let bucket = clock.line.add("tenant", 15.0, 3.0, clock.now);
        (0..1000).for_each(|who| clock.come(who, &[bucket]));
        let passed: usize = (0..20_000).map(|_| clock.step(TICK).len()).sum();
        assert!((300..=303).contains(&passed), "15 a second for 20 s, and 3 at once: {passed}");
    }

    #[test]
    fn who_must_wait_keeps_nobody_else_waiting() {
        let mut clock = Clock::new();
        let tenant = clock.line.add("tenant", 15.0, 1.0, clock.now);
        let subscriptions: Vec<Bucket> =
            (0..4).map(|index| clock.line.add(&index.to_string(), 5.0, 1.0, clock.now)).collect();
        for who in 0..400 {
            clock.come(who, &[*subscriptions.get(who / 100).unwrap(), tenant]);
        }
        let mut by_subscription = [0; 4];
        for _ in 0..10_000 {
            for who in clock.step(TICK) {
                by_subscription[who / 100] += 1;
            }
        }
        let all: usize = by_subscription.iter().sum();
        assert!((148..=152).contains(&all), "the tenant's rate is used up: {by_subscription:?}");
        assert!(by_subscription.iter().all(|one| *one <= 51), "5 a second each: {by_subscription:?}");
    }

    #[test]
    fn first_come_first_served() {
        let mut clock = Clock::new();
        let bucket = clock.line.add("it", 100.0, 1.0, clock.now);
        (0..50).for_each(|who| clock.come(who, &[bucket]));
        let passed: Vec<usize> = (0..1000).flat_map(|_| clock.step(TICK)).collect();
        assert_eq!(passed, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn who_was_throttled_waits_and_the_others_go_on() {
        let mut clock = Clock::new();
        let (a, b) = (clock.line.add("a", 1000.0, 1.0, clock.now), clock.line.add("b", 1000.0, 1.0, clock.now));
        let tenant = clock.line.add("tenant", 1000.0, 10.0, clock.now);
        clock.line.pause(&[a, tenant], clock.now, Duration::from_secs(2));
        clock.come(0, &[a, tenant]);
        clock.come(1, &[b, tenant]);
        assert_eq!(clock.step(TICK), [1]);
        assert_eq!(clock.step(Duration::from_millis(1990)), [] as [usize; 0]);
        assert_eq!(clock.step(Duration::from_millis(10)), [0]);
    }

    #[test]
    fn when_two_are_throttled_what_they_share_is() {
        let mut clock = Clock::new();
        let (a, b, c) = (
            clock.line.add("a", 1000.0, 1.0, clock.now),
            clock.line.add("b", 1000.0, 1.0, clock.now),
            clock.line.add("c", 1000.0, 1.0, clock.now),
        );
        let tenant = clock.line.add("tenant", 1000.0, 10.0, clock.now);
        clock.line.pause(&[a, tenant], clock.now, Duration::from_secs(2));
        clock.line.pause(&[a, tenant], clock.now, Duration::from_secs(2));
        clock.come(0, &[c, tenant]);
        assert_eq!(clock.step(TICK), [0], "one alone shuts nothing else, however often it is throttled");
        clock.line.pause(&[b, tenant], clock.now, Duration::from_secs(1));
        clock.come(1, &[c, tenant]);
        assert_eq!(clock.step(TICK), [] as [usize; 0]);
        assert_eq!(clock.step(Duration::from_secs(1)), [1]);
    }

    #[test]
    fn who_went_away_takes_nothing() {
        let mut clock = Clock::new();
        let bucket = clock.line.add("it", 1.0, 1.0, clock.now);
        clock.come(0, &[bucket]);
        clock.waiting.clear();
        clock.come(1, &[bucket]);
        assert_eq!(clock.step(TICK), [1]);
    }

    #[tokio::test]
    async fn a_thousand_pass_at_their_rate_in_earnest() {
        let pacer = Pacer::new(100.0);
        let bucket = pacer.bucket("it", 50.0, 1.0);
        let all = (0..1000).map(|_| {
            let pacer = pacer.clone();
            async move { pacer.acquire(&[bucket]).await }
        });
        futures_util::future::join_all(all).await;
        assert_eq!(pacer.bucket("it", 1.0, 1.0), bucket, "the same name is the same limit");
    }
}
