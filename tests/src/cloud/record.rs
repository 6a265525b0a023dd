//! What was asked, and what became of it, so that a test can count and compute rates.

use std::collections::BTreeMap;
use std::time::Duration;

/// Which service was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Entra's token endpoint, and the metadata service of machines.
    Entra,
    /// Azure Resource Manager.
    Manager,
    /// Azure Resource Graph.
    Query,
    /// Microsoft Graph.
    Graph,
    /// A host that is no part of the cloud and must never be asked.
    Elsewhere,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// When it came, since the cloud began.
    pub at: Duration,
    /// Whom it was for.
    pub service: Service,
    /// The method.
    pub method: String,
    /// Path and query, as they came.
    pub path: String,
    /// The tenant of its token.
    pub tenant: Option<String>,
    /// Whether its token was good and made for this service.
    pub admitted: bool,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was answered with what was asked for.
    Served,
    /// It was too much: 429.
    Throttled,
    /// It was answered with this status.
    Failed(u16),
    /// It fell to a fault that was asked for.
    Faulty,
}

/// All requests so far.
#[derive(Clone, Debug)]
pub struct Record(pub Vec<Request>);

// === impl Record ===

impl Record {
    /// Those for a service whose path holds this, in whatever case.
    #[must_use]
    pub fn of(&self, service: Service, part: &str) -> Self {
        let part = part.to_ascii_lowercase();
        let is = |it: &&Request| it.service == service && it.path.to_ascii_lowercase().contains(&part);
        Self(self.0.iter().filter(is).cloned().collect())
    }

    /// The lists of federated credentials of managed identities.
    #[must_use]
    pub fn credential_lists(&self) -> Self {
        self.of(Service::Manager, "/federatedidentitycredentials")
    }

    /// How many came to this.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.0.iter().filter(|it| it.verdict == verdict).count()
    }

    /// How often each path was served, without regard to case; pages count for themselves.
    #[must_use]
    pub fn served(&self) -> BTreeMap<String, usize> {
        let mut served = BTreeMap::new();
        for request in self.0.iter().filter(|it| it.verdict == Verdict::Served) {
            *served.entry(request.path.to_ascii_lowercase()).or_default() += 1;
        }
        served
    }

    /// Served requests a second over the steady part: from the first twentieth to the last.
    #[must_use]
    pub fn steady_rate(&self) -> f64 {
        let times = self.times();
        let edge = times.len() / 20;
        rate(times.get(edge..times.len() - edge).unwrap_or_default())
    }

    /// The highest rate over so many served requests that follow each other: what else a machine
    /// has to do slows down the others.
    #[must_use]
    pub fn best_rate(&self, requests: usize) -> f64 {
        self.times().windows(requests).map(rate).fold(0.0, f64::max)
    }

    fn times(&self) -> Vec<Duration> {
        self.0.iter().filter(|it| it.verdict == Verdict::Served).map(|it| it.at).collect()
    }
}

fn rate(times: &[Duration]) -> f64 {
    match times {
        [first, .., last] => (times.len() - 1) as f64 / (*last - *first).as_secs_f64(),
        _ => 0.0,
    }
}
