//! The documented limits, each multiplied by a factor so that tests need not wait as people do.
//!
//! - lists of federated credentials: 15 a second a tenant, 5 a subscription, 1 in 4 s an identity
//!   (learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations)
//! - reads of Azure Resource Manager: a bucket of 250 that 25 a second refill, for each subscription,
//!   and for what is of none for each tenant
//!   (learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling)
//! - Resource Graph: 15 in each window of 5 s
//!   (learn.microsoft.com/azure/governance/resource-graph/concepts/guidance-for-throttled-requests)
//! - Microsoft Graph: 3500 units in 10 s, and as many at once
//!   (learn.microsoft.com/graph/throttling-limits)

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Lists of credentials that a tenant allows in a second.
pub const LISTS_A_TENANT: f64 = 15.0;
/// Lists of credentials that a subscription allows in a second.
pub const LISTS_A_SUBSCRIPTION: f64 = 5.0;

const LISTS_AN_IDENTITY: f64 = 0.25;
const READS: (f64, f64) = (250.0, 25.0);
const QUERIES: u32 = 15;
const WINDOW: f64 = 5.0;
const GRAPH: (f64, f64) = (3500.0, 350.0);

/// What is limited.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Limit {
    ListsOfTenant(usize),
    ListsOfSubscription(String),
    ListsOfIdentity(String),
    ReadsOfSubscription(String),
    ReadsOfTenant(usize),
    Graph(usize),
}

/// How much was used.
#[derive(Debug)]
pub(super) struct Throttle {
    factor: f64,
    buckets: HashMap<Limit, Bucket>,
    windows: HashMap<usize, (Instant, u32)>,
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

/// What is left of the quota of Resource Graph, and when there will be more.
pub(super) struct Quota {
    pub(super) granted: bool,
    pub(super) remaining: u32,
    pub(super) resets_after: Duration,
}

// === impl Limit ===

impl Limit {
    /// Size of the bucket, and what refills it in a second.
    fn bucket(&self) -> (f64, f64) {
        match self {
            Self::ListsOfTenant(_) => (LISTS_A_TENANT, LISTS_A_TENANT),
            Self::ListsOfSubscription(_) => (LISTS_A_SUBSCRIPTION, LISTS_A_SUBSCRIPTION),
            Self::ListsOfIdentity(_) => (LISTS_AN_IDENTITY, LISTS_AN_IDENTITY),
            Self::ReadsOfSubscription(_) | Self::ReadsOfTenant(_) => READS,
            Self::Graph(_) => GRAPH,
        }
    }
}

// === impl Throttle ===

impl Throttle {
    pub(super) fn new(factor: f64) -> Self {
        Self { factor, buckets: HashMap::new(), windows: HashMap::new() }
    }

    /// Takes one of each, or none.
    ///
    /// # Errors
    /// If one is used up: how long until it is not.
    pub(super) fn take(&mut self, limits: &[Limit]) -> Result<(), Duration> {
        let now = Instant::now();
        let mut wait = Duration::ZERO;
        for limit in limits {
            let (size, rate) = self.scaled(limit);
            let bucket = self.buckets.entry(limit.clone()).or_insert(Bucket { left: size, at: now });
            bucket.left = size.min(bucket.left + rate * now.duration_since(bucket.at).as_secs_f64());
            bucket.at = now;
            if bucket.left < 1.0 {
                wait = wait.max(Duration::from_secs_f64((1.0 - bucket.left) / rate));
            }
        }
        if !wait.is_zero() {
            return Err(wait);
        }
        for limit in limits {
            if let Some(bucket) = self.buckets.get_mut(limit) {
                bucket.left -= 1.0;
            }
        }
        Ok(())
    }

    /// What is left of a limit, in whole requests.
    pub(super) fn left(&self, limit: &Limit) -> u64 {
        self.buckets.get(limit).map_or(0, |bucket| bucket.left as u64)
    }

    /// Takes one query of a tenant's window.
    pub(super) fn query(&mut self, tenant: usize) -> Quota {
        let (now, length) = (Instant::now(), Duration::from_secs_f64(WINDOW / self.factor));
        let (begun, used) = self.windows.entry(tenant).or_insert((now, 0));
        if now.duration_since(*begun) >= length {
            (*begun, *used) = (now, 0);
        }
        let granted = *used < QUERIES;
        *used += u32::from(granted);
        Quota { granted, remaining: QUERIES - *used, resets_after: (*begun + length).saturating_duration_since(now) }
    }

    fn scaled(&self, limit: &Limit) -> (f64, f64) {
        let (size, rate) = limit.bucket();
        ((size * self.factor).max(1.0), rate * self.factor)
    }
}
